"""A trained inference machine as a function of images: everything that inverts a lens goes through here.

Images in, sources and lenses with their errors out, in the units of the image and in arcsec. Knows nothing of training,
of files or of HTTP.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs import Frozen, LensSystems, Rim
from learn.lenses.estimate import Estimate
from learn.lenses.fit import moved
from learn.lenses.latent import NAMES, Lens, brightness
from learn.lenses.likelihood import FRAME, Observation
from learn.lenses.refine import Refiner
from learn.methods.rim import Rim as Machine
from learn.methods.rim import core
from learn.model import Model, check_seeds

Floats = NDArray[np.float32]
LENGTHS = ("theta_e", "x", "y", "r_s")
"""Of `NAMES`, those in arcsec."""


@dataclass(frozen=True)
class Effort:
    """Steps of the network, None: as trained; of the fit to the posterior's peak, 0: none; draws, 0 or at least 2.

    Without draws errors are nan.
    """

    n_iterations: int | None = None
    n_refine: int = 0
    n_draws: int = 32

    def __post_init__(self) -> None:
        if self.n_iterations is not None and self.n_iterations < 1:
            raise ValueError(f"n_iterations: at least 1, got {self.n_iterations}")
        if self.n_refine < 0 or self.n_draws < 0 or self.n_draws == 1:
            raise ValueError(f"n_refine: at least 0, n_draws: 0 or at least 2, got {self.n_refine} and {self.n_draws}")


AS_TRAINED = Effort()


@dataclass(frozen=True)
class Inversion:
    """What images (B, n, n) say, in their unit; lenses (B, 12) and draws (S, B, 12) in the order of `NAMES`, in arcsec.

    A source (B, m, m) is what a pixel of the image would hold where nothing bends its light; its own pixels are
    `source_pixel` (B,) [arcsec], those of a fit finer than the network's. A fit to an image counts as `n_fitted` (B,)
    free numbers, an answer of the network as none; chi2 (B,) is reduced: over the pixels that are not masked, less
    these.
    """

    source: Floats
    source_error: Floats
    source_pixel: Floats
    lens: Floats
    lens_error: Floats
    draws: Floats
    model: Floats
    residual: Floats
    n_fitted: Floats
    chi2: Floats


class Posterior(NamedTuple):
    """The best estimate, draws, and how many numbers (B,) were fitted to each image."""

    best: Estimate
    draws: list[Estimate]
    n_fitted: Tensor

    @classmethod
    def of(cls, best: Estimate, draws: Sequence[Estimate] = ()) -> Posterior:
        """What a network says, which is not fitted to the image."""
        return cls(best, [*draws], best.lens.new_zeros(len(best.lens)))


class Exposures(NamedTuple):
    """Images and noise (B, n, n), infinite where masked; kernels (B, k, k), k odd; pixel sizes (B,) [arcsec]."""

    images: Floats
    noise: Floats
    psf: Floats
    pixel_size: Floats


class Answering(ABC):
    """What inverts images: one machine, or several."""

    def __call__(
        self,
        images: Floats,
        noise: Floats,
        psf: Floats,
        pixel_size: Floats,
        effort: Effort = AS_TRAINED,
        *,
        seed: int = 0,
    ) -> Inversion:
        """Of `Exposures`; ValueError says what is wrong with them."""
        return self.answer(Exposures(images, noise, psf, pixel_size), effort, seed)

    @abstractmethod
    def answer(self, given: Exposures, effort: Effort, seed: int) -> Inversion:
        """What a call answers."""


class Inverter(Answering, Model):
    """The inference machine of a checkpoint."""

    of: ClassVar[type[Frozen]] = Rim

    def answer(self, given: Exposures, effort: Effort, seed: int) -> Inversion:
        """What the network finds, refined and with the draws that `effort` asks for."""
        seen, sizes = self._seen(given), checked_sizes(given.pixel_size, len(given.images))
        check_seeds(seed, 1)
        with torch.no_grad():
            *_, start = self._machine.estimates(self._nets, seen, effort.n_iterations or self.n_iterations)
        rng = torch.Generator().manual_seed(seed)
        return self._told(seen, self._posterior(start, seen, effort, rng), sizes)

    def course(
        self, images: Floats, noise: Floats, psf: Floats, pixel_size: Floats, numbers: Sequence[int]
    ) -> dict[int, Inversion]:
        """What a call would answer after each of these numbers of steps, in one run, without draws."""
        given = Exposures(images, noise, psf, pixel_size)
        seen, sizes = self._seen(given), checked_sizes(pixel_size, len(images))
        with torch.no_grad():
            steps = enumerate(self._machine.estimates(self._nets, seen, max(numbers)), start=1)
            return {n: self._told(seen, Posterior.of(one), sizes) for n, one in steps if n in numbers}

    @property
    def n_iterations(self) -> int:
        """Steps of the network, as trained."""
        return self._machine.config.n_iterations

    @property
    def n_pixels(self) -> int:
        """Along a side of an image."""
        data = self.meta.config.data
        assert isinstance(data, LensSystems)
        return data.n_pixels

    @property
    def n_source(self) -> int:
        """Pixels along a side of a source."""
        return self._machine.n_source

    @property
    def field(self) -> float:
        """Side of a source over that of an image."""
        return self._machine.field

    @property
    def psf_side(self) -> int:
        """Pixels along a kernel that are used."""
        return self._machine.config.psf_side

    @property
    def supersampling(self) -> int:
        """Rays along a pixel of an image in what is told."""
        return self._machine.config.fit_supersampling

    @property
    def n_parameters(self) -> int:
        """Of all its networks."""
        return sum(x.numel() for net in self._nets.values() for x in net.parameters())

    @property
    def _machine(self) -> Machine:
        assert isinstance(self._method, Machine)
        return self._method

    def _seen(self, given: Exposures) -> Observation:
        side = self.n_pixels
        images, noise = (np.ascontiguousarray(x, np.float32) for x in (given.images, given.noise))
        if images.ndim != 3 or images.shape[1:] != (side, side) or not len(images):
            raise ValueError(f"images: shape (B, {side}, {side}), got {images.shape}")
        if noise.shape != images.shape or not (noise > 0).all():
            raise ValueError(f"noise: numbers above 0 of shape {images.shape}, got others of shape {noise.shape}")
        if not np.isfinite(images[np.isfinite(noise)]).all():
            raise ValueError("images: finite numbers where the noise is finite, got others")
        return Observation.of(torch.from_numpy(images), torch.from_numpy(noise), self._kernels(given.psf, len(images)))

    def _kernels(self, psf: Floats, n: int) -> Tensor:
        kernels = np.ascontiguousarray(psf, np.float32)
        if kernels.ndim != 3 or len(kernels) != n or kernels.shape[1] != kernels.shape[2] or kernels.shape[1] % 2 == 0:
            raise ValueError(f"psf: shape ({n}, k, k), k odd, got {kernels.shape}")
        if not (np.isfinite(kernels).all() and (kernels.sum((1, 2)) > 0).all()):
            raise ValueError("psf: finite numbers with a sum above 0, got others")
        return core(torch.from_numpy(kernels), self._machine.config.psf_side)

    def _posterior(self, start: Estimate, seen: Observation, effort: Effort, rng: torch.Generator) -> Posterior:
        """The network's own, or that of the exact likelihood."""
        if not effort.n_refine:
            return Posterior.of(start, [start.draw(rng) for _ in range(effort.n_draws)])
        refiner, prior = Refiner(self._machine, effort.n_refine), start.finer(self._machine.config.fit_subpixels)
        peak = refiner.peak(prior, seen, rng)
        draws = [moved(prior, refiner.draw(prior, peak, seen, rng)) for _ in range(effort.n_draws)]
        return Posterior(moved(prior, peak), draws, refiner.n_fitted(prior, peak, seen, rng))

    def _told(self, seen: Observation, posterior: Posterior, pixel_size: Floats) -> Inversion:
        best, draws, n_fitted = posterior
        machine, scale = self._machine, seen.scale[:, None, None]
        with torch.no_grad():
            model, residual = (told(best, seen, machine.exact(seen)) for told in (machine.model, machine.residual))
        frame = pixel_size * self.n_pixels / FRAME
        sources = stacked([brightness(one.source) for one in draws], best.source)
        lenses = stacked([machine.physical(one.lens).values for one in draws], best.lens)
        n_free = ((seen.weight > 0).sum((1, 2)) - n_fitted).clamp(min=1)
        return Inversion(
            source=(brightness(best.source) * scale).numpy(),
            source_error=(spread(sources) * scale).numpy(),
            source_pixel=np.float32(2 * machine.field / best.source.shape[-1]) * frame,
            lens=arcsec(machine.physical(best.lens), frame),
            lens_error=arcsec(Lens(spread(lenses)), frame),
            draws=arcsec(Lens(lenses), frame),
            model=(model * scale).numpy(),
            residual=residual.numpy(),
            n_fitted=n_fitted.numpy(),
            chi2=(residual.square().sum((1, 2)) / n_free).numpy(),
        )


def stacked(draws: list[Tensor], like: Tensor) -> Tensor:
    """(S, B, ...), also where S is 0."""
    return torch.stack(draws) if draws else like.new_zeros(0, *like.shape)


def spread(draws: Tensor) -> Tensor:
    """Standard deviations of draws (S, B, ...); nan where there are none."""
    return draws.std(0) if len(draws) else torch.full_like(draws.sum(0), torch.nan)


def checked_sizes(pixel_size: Floats, n: int) -> Floats:
    """(n,) float32; ValueError unless they are finite and above 0."""
    sizes = np.asarray(pixel_size, np.float32)
    if sizes.shape != (n,) or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise ValueError(f"pixel_size: {n} finite numbers above 0 [arcsec], got {sizes.tolist()}")
    return sizes


def arcsec(lens: Lens, frame: Floats) -> Floats:
    """Numbers (..., B, 12) of lenses whose images have half a side of `frame` (B,) [arcsec]."""
    lengths = np.array([name in LENGTHS for name in NAMES])
    values: Floats = lens.values.detach().numpy() * np.where(lengths, frame[:, None], 1).astype(np.float32)
    return values


def in_frames(lenses: Floats, frame: Floats) -> Lens:
    """The inverse of `arcsec`."""
    return Lens(torch.from_numpy(arcsec(Lens(torch.from_numpy(lenses)), np.reciprocal(frame))))
