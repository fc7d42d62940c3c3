"""The painter as a regression: one answer, the logarithm of the ratio of each field to the dark matter.

total = DMO exp(r), rescaled to the mass of the input; gas = f_b DMO exp(g); stars = f_s DMO exp(s), f_s being the mean
stellar fraction of the training maps. So every field is positive, and a network that answers 0 leaves the dark matter
as it is. Knows nothing of the training loop or of files.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from configs import Train
from learn.data import Batch
from learn.methods.method import Metrics
from learn.methods.power import spectra
from learn.nets.unet import UNet
from learn.normalize import Normalizer
from sim.shards import TARGET_CHANNELS as CHANNELS

LIMIT = 8.0  # largest |ln ratio|: finite maps whatever the input
HUBER = 0.5  # where the pixel loss turns from square to linear, in standard deviations of log10(1 + x / x0)


class Regression:
    """Log-residual regression with a Huber loss of pixels and a squared error of ln P(k)."""

    def __init__(self, config: Train, normalizer: Normalizer, param_names: Sequence[str]) -> None:
        self.net_config = config.net
        self.log_pk_weight = config.log_pk_weight
        self.normalizer = normalizer
        self.n_params = len(param_names)
        self.i_matter, self.i_baryons = index_of("omega_m", param_names), index_of("omega_b", param_names)
        self.stellar_fraction = normalizer.targets.x0[CHANNELS.index("stars")] / normalizer.inputs.x0[0]

    def build(self) -> nn.Module:
        """A new U-Net, drawn from torch's current random state."""
        return UNet(self.net_config, n_in=1, n_out=len(CHANNELS), n_params=self.n_params)

    def loss(self, net: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        """Pixel loss + log_pk_weight * mean of (ln P / P_true)^2, each a mean over maps."""
        return self._loss(self.predict(net, batch.inputs, batch.params), batch)

    def validate(self, net: nn.Module, batch: Batch) -> Metrics:
        """The loss and its parts; of each channel the mean |ln P / P_true| and the mean r(k)."""
        painted = self.predict(net, batch.inputs, batch.params)
        loss, parts = self._loss(painted, batch)
        compared = spectra(painted, batch.targets)
        errors, coherence = compared.log_ratio().abs().mean((0, 2)), compared.coherence().mean((0, 2))
        power = {f"power_error_{name}": errors[i] for i, name in enumerate(CHANNELS)}
        return {"loss": loss, **parts, **power, **{f"r_{name}": coherence[i] for i, name in enumerate(CHANNELS)}}

    def predict(self, net: nn.Module, inputs: Tensor, params: Tensor) -> Tensor:
        """Dark matter (B, 1, H, W) and parameters (B, p) -> total, gas, stars (B, 3, H, W), Msun/h/(Mpc/h)^2."""
        ratios = net(self.normalizer.inputs.forward(inputs), self.normalizer.params.forward(params))
        ratios = torch.exp(LIMIT * torch.tanh(ratios.float() / LIMIT))  # (B, 3, H, W)
        fields = inputs * self._fractions(params) * ratios
        return torch.cat((with_mass_of(inputs, fields[:, :1]), fields[:, 1:]), dim=1)

    def _fractions(self, params: Tensor) -> Tensor:
        """Share of each field in the mass, were it to follow the dark matter: (B, 3, 1, 1)."""
        gas = params[:, self.i_baryons] / params[:, self.i_matter]
        shares = (torch.ones_like(gas), gas, torch.full_like(gas, self.stellar_fraction))
        return torch.stack(shares, dim=1)[:, :, None, None]

    def _loss(self, painted: Tensor, batch: Batch) -> tuple[Tensor, Metrics]:
        scale = self.normalizer.targets
        pixels = functional.huber_loss(scale.forward(painted), scale.forward(batch.targets), delta=HUBER)
        power = spectra(painted, batch.targets).log_ratio().square().mean()
        return pixels + self.log_pk_weight * power, {"pixels": pixels.detach(), "log_pk": power.detach()}


def with_mass_of(inputs: Tensor, fields: Tensor) -> Tensor:
    """`fields` rescaled, map by map, to the mean of `inputs`."""
    mean = fields.mean((-2, -1), keepdim=True)
    return fields * (inputs.mean((-2, -1), keepdim=True) / mean)


def index_of(name: str, param_names: Sequence[str]) -> int:
    if name not in param_names:
        raise ValueError(f"parameters of the maps: {name} among them, got {', '.join(param_names)}")
    return list(param_names).index(name)
