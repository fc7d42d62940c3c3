"""How the answer of a network becomes fields: what all painters share.

total = DMO exp(r), rescaled to the mass of the input; gas = f_b DMO exp(g); stars = f_s DMO exp(s) o, f_s being the
mean stellar fraction of the training maps and o the occupancy, a sigmoid stretched beyond 0 and 1 and cut there
(Louizos et al. 2018, arXiv:1712.01312): most pixels hold no star at all. So no field is negative, and a network that
answers 0 leaves the dark matter as it is. Knows nothing of losses, of the training loop or of files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from configs import Painting, Train
from learn.data import About
from learn.methods.method import Nets
from learn.nets.unet import UNet
from learn.normalize import Normalizer
from sim.shards import TARGET_CHANNELS as CHANNELS

NET = "painter"
LIMIT = 8.0  # largest |ln ratio|: finite maps whatever the input
STRETCH = 0.1  # of the occupancy beyond 0 and 1
BIAS, SHARPNESS = 2.5, 4.0  # logit of the occupancy where the network answers 0, occupied; and how fast it changes
LEAK = 0.02  # share of a gradient that passes where the occupancy is cut, or an empty pixel could never fill
TINY = 1e-6  # of the mean, the smallest smoothed density
N_ANSWERS = len(CHANNELS) + 1


class Painter:
    """The physical side of a network that paints: what it is shown, and what its answer means."""

    def __init__(self, config: Train, normalizer: Normalizer, about: About, *, n_noise: int = 0) -> None:
        if not isinstance(config.method, Painting):
            raise TypeError(f"painter: a method that paints, got {config.method.kind}")
        self.config, self.net_config, self.normalizer, self.about = config.method, config.unet, normalizer, about
        self.n_noise = n_noise
        self.i_matter, self.i_baryons = (index_of(name, about.param_names) for name in ("omega_m", "omega_b"))
        self.stellar_fraction = normalizer.targets.x0[CHANNELS.index("stars")] / normalizer.inputs.x0[0]

    def build(self) -> dict[str, nn.Module]:
        """A new U-Net, drawn from torch's current random state."""
        n_in = len(self.about.input_channels) + len(self.config.context)
        return {NET: UNet(self.net_config, n_in, N_ANSWERS, len(self.about.param_names), self.n_noise)}

    def paint(self, nets: Nets, inputs: Tensor, params: Tensor, noise: Sequence[Tensor] = ()) -> Tensor:
        """Maps (B, I, H, W), the dark matter first, and parameters (B, p) -> total, gas, stars (B, 3, H, W), positive.

        All in Msun/h/(Mpc/h)^2.
        """
        answer = nets[NET](self.shown(inputs), self.normalizer.params.forward(params), *noise).float()
        return self.fields(inputs[:, :1], params, answer)

    def shown(self, inputs: Tensor) -> Tensor:
        """What the network sees of maps (B, I, H, W): their logarithms, and those of the smoothed dark matter."""
        scale = self.normalizer.inputs
        maps = [scale.forward(inputs)]
        if self.config.context:
            spread = math.log(10) * scale.std[0]
            smoothed = self.smoothed(inputs[:, :1]) / scale.x0[0]
            maps.append(torch.log(smoothed.clamp(min=TINY)) / spread)
        return torch.cat(maps, dim=1)

    def smoothed(self, dmo: Tensor) -> Tensor:
        """The dark matter (B, 1, H, W) under the Gaussians of the configuration, (B, n, H, W), as the map continues."""
        height, width = dmo.shape[-2:]
        if not self.about.periodic:  # mirrored, it is periodic
            dmo = torch.cat((dmo, dmo.flip(-1)), -1)
            dmo = torch.cat((dmo, dmo.flip(-2)), -2)
        with torch.autocast(dmo.device.type, enabled=False):
            modes = torch.fft.rfft2(dmo.float())  # (B, 1, H, W // 2 + 1)
            windows = self._windows(dmo.shape[-2], dmo.shape[-1], dmo.device)
            smooth = torch.fft.irfft2(modes * windows, s=dmo.shape[-2:])
        return smooth[..., :height, :width]

    def fields(self, dmo: Tensor, params: Tensor, answer: Tensor) -> Tensor:
        """The fields (B, 3, H, W) that the answer (B, 4, H, W) of the network stands for."""
        values, occupancy = answer[:, :-1], occupied(answer[:, -1:])
        if self.config.residual:
            maps = dmo * self._fractions(params) * torch.exp(LIMIT * torch.tanh(values / LIMIT))  # (B, 3, H, W)
        else:
            maps = self.normalizer.targets.inverse(LIMIT * torch.tanh(values / LIMIT))
        total = with_mass_of(dmo, maps[:, :1]) if self.config.conserve_mass else maps[:, :1]
        return torch.cat((total, maps[:, 1:2], maps[:, 2:] * occupancy), dim=1)

    def _windows(self, height: int, width: int, device: torch.device) -> Tensor:
        """Gaussians in Fourier space, (n, H, W // 2 + 1)."""
        ky = frequencies(height, self.about.pixel_size, device)[:, None]
        kx = frequencies(width, self.about.pixel_size, device)[: width // 2 + 1]
        radii = torch.tensor(self.config.context, device=device)[:, None, None]
        return torch.exp(-0.5 * (2 * math.pi * radii).square() * (ky.square() + kx.square()))

    def _fractions(self, params: Tensor) -> Tensor:
        """Share of each field in the mass, were it to follow the dark matter: (B, 3, 1, 1)."""
        gas = params[:, self.i_baryons] / params[:, self.i_matter]
        shares = (torch.ones_like(gas), gas, torch.full_like(gas, self.stellar_fraction))
        return torch.stack(shares, dim=1)[:, :, None, None]


def occupied(logit: Tensor) -> Tensor:
    """Occupancy in [0, 1], both ends included."""
    stretched = (1 + 2 * STRETCH) * functional.sigmoid(SHARPNESS * logit + BIAS) - STRETCH
    leak = LEAK * (stretched - stretched.detach())
    return stretched.clamp(0, 1) + leak


def frequencies(n: int, spacing: float, device: torch.device) -> Tensor:
    """Magnitudes of those of a Fourier transform, (n,); torch.fft.fftfreq would hold an exported program to one n."""
    k = torch.arange(n, device=device)
    return torch.minimum(k, n - k) / (n * spacing)


def with_mass_of(inputs: Tensor, fields: Tensor) -> Tensor:
    """`fields` rescaled, map by map, to the mean of `inputs`."""
    mean = fields.mean((-2, -1), keepdim=True)
    return fields * (inputs.mean((-2, -1), keepdim=True) / mean)


def index_of(name: str, param_names: Sequence[str]) -> int:
    if name not in param_names:
        raise ValueError(f"parameters of the maps: {name} among them, got {', '.join(param_names)}")
    return list(param_names).index(name)
