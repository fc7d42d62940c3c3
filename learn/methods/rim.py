"""Recurrent inference machine: from an image to the source and the lens, by learned steps along the exact likelihood.

Each step is shown the image, what the estimate makes of it, the residual, and where the likelihood points; the network
answers a move of the source, of the lens, and how far off both may be. After Putzky & Welling 2017 and Morningstar et
al. 2019 (arXiv:1901.01359). Knows nothing of the training loop or of files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from configs import Rim as Config
from configs import Train
from configs import UNet as UNetConfig
from learn.data import About, Batch
from learn.lenses.estimate import N_FACTOR, N_LENS, Estimate, triangular
from learn.lenses.latent import NAMES, Lens, brightness, compressed, latent_of
from learn.lenses.likelihood import Evaluated, Forward, LearnedForward, Observation
from learn.methods.method import Metrics, Nets
from learn.nets.recurrent import Recurrent, blank
from learn.nets.unet import UNet
from learn.normalize import Normalizer

NET, OPERATOR = "rim", "operator"
OPERATOR_NET = UNetConfig(width=16, n_levels=4, padding="reflect")
WORTH = (5.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1)
"""Of the squared errors of a lens in the loss: its radius must be known best, its last four numbers hardly can be."""
FAINT = 0.02  # scales of an image: brightness of a source before anything is known of it
BRIGHT = 0.05  # of the peak of a source, above which a pixel is one of it


class Rim:
    """Estimates of sources and lenses, one a step."""

    is_stochastic: ClassVar[bool] = False

    def __init__(self, config: Train, normalizer: Normalizer, about: About) -> None:
        if not isinstance(config.method, Config):
            raise TypeError(f"rim: its own configuration, got {config.method.kind}")
        if about.param_names != NAMES:
            raise ValueError(f"data: lenses with {', '.join(NAMES)}, got {', '.join(about.param_names)}")
        self.config, self.net_config, self.scale = config.method, config.recurrent, normalizer.params
        self.n_source, self.field = about.n_pixels, about.box_size / 2

    def build(self) -> dict[str, nn.Module]:
        """A new network, drawn from torch's current random state."""
        n_vector = 2 * N_LENS + 1
        net = Recurrent(self.net_config, n_image=4, n_maps=4, n_vector=n_vector, n_out=(2, N_LENS + N_FACTOR))
        if self.config.forward == "exact":
            return {NET: net}
        return {OPERATOR: UNet(OPERATOR_NET, 1, 1, N_LENS + 1), NET: net}

    def phases(self, _step: int) -> Sequence[str]:
        """The forward operator, if it is learned, then what inverts it."""
        return (NET,) if self.config.forward == "exact" else (OPERATOR, NET)

    def loss(self, phase: str, nets: Nets, batch: Batch) -> tuple[Tensor, Metrics]:
        """Mean over the steps of the squared errors of source and lens, and of how well they are known."""
        seen = observed(batch.inputs, self.config.psf_side)
        if phase == OPERATOR:
            return self._operator_loss(nets, batch, seen), {}
        truth, lens = self.truth(batch, seen), self.scale.forward(batch.params)
        sums: dict[str, Tensor] = {}
        for estimate in self.estimates(nets, seen, self.config.n_iterations):
            for name, value in self._errors(estimate, truth, lens).items():
                sums[name] = sums.get(name, torch.zeros(())) + value / self.config.n_iterations
        loss = sums["latent"] + sums["source"] + sums["lens"] + self.config.spread_weight * sums["spread"]
        return loss, {name: value.detach() for name, value in sums.items()}

    def validate(self, nets: Nets, batch: Batch) -> Metrics:
        """The loss, and of the last estimate the errors of the source's pixels, of theta_E, and chi^2 a pixel."""
        loss, parts = self.loss(NET, nets, batch)
        seen = observed(batch.inputs, self.config.psf_side)
        *_, last = self.estimates(nets, seen, self.config.n_iterations)
        truth = brightness(self.truth(batch, seen))
        error = source_error(brightness(last.source), truth)
        theta = (self.physical(last.lens).values[:, 0] / Lens.of(batch.params).values[:, 0]).log()
        chi2 = self.residual(last, seen, self.likelihood(seen, nets)).square().mean()
        return {"loss": loss, **parts, "source_mse": error.mean(), "theta_e": theta.abs().mean(), "chi2": chi2}

    def predict(self, nets: Nets, inputs: Tensor, _params: Tensor, _seeds: Tensor) -> Tensor:
        """Images, noise and kernels (B, 3, n, n) -> sources (B, 1, m, m), in their unit, a pixel of them."""
        seen = observed(inputs, self.config.psf_side)
        *_, last = self.estimates(nets, seen, self.config.n_iterations)
        return brightness(last.source)[:, None] * seen.scale[:, None, None, None]

    def estimates(self, nets: Nets, seen: Observation, n_iterations: int) -> Iterator[Estimate]:
        """One a step; a step starts from the estimate of the one before."""
        likelihood = self.likelihood(seen, nets)
        source = latent_of(seen.image.new_full((len(seen.image), self.n_source, self.n_source), FAINT))
        lens = source.new_zeros(len(source), N_LENS)
        memory = blank(self.net_config, source)
        for _ in range(n_iterations):
            found = likelihood.evaluate(source, self.latent(lens), seen)
            views = self._views(found, source, lens, seen)
            step, memory = nets[NET](*views, memory)
            source, lens = source + step.maps[:, 0], lens + step.vector[:, :N_LENS]
            yield Estimate(source, torch.exp(step.maps[:, 1]), lens, triangular(step.vector[:, N_LENS:]))

    def exact(self, seen: Observation) -> Forward:
        """What estimates are held against that are made to fit, or told."""
        return Forward(seen.image.shape[-1], self.field, self.config.fit_supersampling)

    def likelihood(self, seen: Observation, nets: Nets) -> Forward:
        """What the network is shown."""
        shape = (seen.image.shape[-1], self.field, self.config.supersampling)
        return Forward(*shape) if self.config.forward == "exact" else LearnedForward(*shape, nets[OPERATOR])

    def model(self, estimate: Estimate, seen: Observation, forward: Forward) -> Tensor:
        """The images (B, n, n) that an estimate stands for."""
        return forward.image(brightness(estimate.source), self.physical(estimate.lens), seen.psf)

    def residual(self, estimate: Estimate, seen: Observation, forward: Forward) -> Tensor:
        """Images less what the estimate makes of them, in standard deviations."""
        return (seen.image - self.model(estimate, seen, forward)) * seen.weight

    def latent(self, lens: Tensor) -> Tensor:
        """Standardised -> unbounded numbers (B, 12)."""
        return lens * lens.new_tensor(self.scale.std) + lens.new_tensor(self.scale.mean)

    def physical(self, lens: Tensor) -> Lens:
        """Standardised numbers (B, 12) as what they stand for."""
        return Lens.of(self.latent(lens))

    def truth(self, batch: Batch, seen: Observation) -> Tensor:
        """The latent sources (B, m, m) of a batch."""
        values = batch.targets[:, 0] / seen.scale[:, None, None]
        return latent_of(values.clamp(min=FAINT / 10))

    def _operator_loss(self, nets: Nets, batch: Batch, seen: Observation) -> Tensor:
        """Squared error of the images that a learned forward operator makes of the true sources and lenses."""
        source, lens = brightness(self.truth(batch, seen)), Lens.of(batch.params)
        exact = Forward(seen.image.shape[-1], self.field, self.config.supersampling).image(source, lens, seen.psf)
        return (self.likelihood(seen, nets).image(source, lens, seen.psf) - exact).square().mean()

    def _views(self, found: Evaluated, source: Tensor, lens: Tensor, seen: Observation) -> tuple[Tensor, ...]:
        """What the network is shown: of the image, of the source, of the lens."""
        signal = torch.asinh(seen.image * seen.weight)
        image = (compressed(seen.image), compressed(found.model), torch.asinh(found.residual), signal)
        flux = brightness(source)
        moved = compressed(flux + found.step) - compressed(flux)
        maps = (source, moved, torch.log(found.weight + 1e-3), compressed(found.step))
        slope = torch.asinh(found.slope * found.slope.new_tensor(self.scale.std))
        width = seen.psf.amax((1, 2)).log()[:, None]
        return torch.stack(image, dim=1), torch.stack(maps, dim=1), torch.cat((lens, slope, width), dim=1)

    def _errors(self, estimate: Estimate, truth: Tensor, lens: Tensor) -> dict[str, Tensor]:
        off, missed = estimate.source - truth, lens - estimate.lens
        white = (estimate.factor @ missed.detach()[..., None])[..., 0]
        known = torch.diagonal(estimate.factor, dim1=1, dim2=2).log().mean()
        of_lens = white.square().mean() / 2 - known
        of_maps = ((off.detach() / estimate.spread).square() / 2 + estimate.spread.log()).mean()
        source = source_error(brightness(estimate.source), brightness(truth))
        return {
            "latent": off.square().mean(),
            "source": source.mean(),
            "lens": (missed.square() * missed.new_tensor(WORTH)).mean(),
            "spread": of_lens + of_maps,
        }


def observed(inputs: Tensor, psf_side: int) -> Observation:
    """Of images, noise and kernels, each (B, n, n); kernels have their middle in pixel n // 2."""
    image, noise, psf = inputs.unbind(1)
    return Observation.of(image, noise, core(psf, psf_side))


def core(psf: Tensor, side: int) -> Tensor:
    """The middle (B, side, side) of kernels (B, k, k) about pixel k // 2, of sum 1; smaller ones whole."""
    rim = max(psf.shape[-1] // 2 - side // 2, 0)
    kept = psf[:, rim : rim + side, rim : rim + side]
    return kept / kept.sum((1, 2), keepdim=True)


def source_error(found: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error of the pixels of each source (B,), its peak being 1."""
    peak = truth.amax((1, 2), keepdim=True)
    inside = (truth > BRIGHT * peak).to(truth)
    squares = ((found - truth) / peak).square() * inside
    return squares.sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
