"""What an image says of a source and a lens: the exact likelihood, and where it points.

The forward operator is `sim.lensing`'s, the one that simulates. Angles are in frames (`learn.lenses.latent`). Knows
nothing of networks or of files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from learn.lenses.latent import LENS, Lens, brightness
from sim.lensing.camera import Camera
from sim.lensing.light import Pixels
from sim.lensing.profiles import Deflector
from sim.lensing.psf import fast_side

Imaging = Callable[[Tensor], Tensor]

FRAME = 2.0
"""Side of an image."""
UNSEEN = 1e-3  # of the largest weight of a source pixel, below which an image says nothing of it
NOTHING = 1e-9  # weight of a source pixel, far below that of one which an image with a signal shows


@dataclass(frozen=True)
class Observation:
    """Images (B, n, n) over their `scale` (B,), weights 1 / sigma (B, n, n), 0 where masked, and kernels (B, k, k)."""

    image: Tensor
    weight: Tensor
    psf: Tensor
    scale: Tensor

    @classmethod
    def of(cls, image: Tensor, noise: Tensor, psf: Tensor) -> Observation:
        """Of an image and the standard deviation of its pixels, infinite where masked, in any unit."""
        seen = torch.isfinite(noise)
        known = torch.where(seen, image, 0.0)
        scale = 4 * known.square().mean((1, 2)).sqrt().clamp(min=torch.finfo(image.dtype).tiny)
        by = scale[:, None, None]
        return cls(known / by, torch.where(seen, by / noise, 0.0), psf, scale)


class Evaluated(NamedTuple):
    """An estimate held against an observation."""

    model: Tensor
    """Image (B, n, n)."""
    residual: Tensor
    """Image less model, in standard deviations."""
    step: Tensor
    """Of each source pixel (B, m, m): the residual carried back to it, as brightness (Kak & Slaney 1988, ch. 7)."""
    weight: Tensor
    """Of each source pixel (B, m, m): how much the image says of it, from 0 to 1."""
    slope: Tensor
    """Of the log-likelihood in the latent lens (B, 12)."""


@dataclass(frozen=True)
class Forward:
    """Source pixels (B, m, m) within `field` frames to each side of the middle, and a lens, to images of `n` pixels."""

    n_pixels: int
    field: float
    supersampling: int = 1

    def image(self, source: Tensor, lens: Lens, psf: Tensor) -> Tensor:
        """Brightness of a source to images (B, n, n)."""
        return self.imaging(lens, psf)(source)

    def imaging(self, lens: Lens, psf: Tensor) -> Imaging:
        """What makes images (B, n, n) of the brightness of any source: linear, rays are followed once."""
        return self.traced(lens.mass(), lens, psf)

    def traced(self, mass: Deflector, lens: Lens, psf: Tensor) -> Imaging:
        """As `imaging`, by any mass in frames; of `lens` only the width of the kernel is used."""
        camera = self._camera(blurred(psf, lens), psf.dtype)
        x, y = camera.rays
        alpha_x, alpha_y = mass.deflection(x, y)
        return lambda source: camera.recorded(self._light(source).brightness(x - alpha_x, y - alpha_y))

    def evaluate(self, source: Tensor, latent: Tensor, seen: Observation) -> Evaluated:
        """Latents (B, m, m) of a source and (B, 12) of a lens, without gradients of what comes out."""
        with torch.enable_grad():
            flux = brightness(source.detach()).requires_grad_()
            moved = latent.detach().requires_grad_()
            imaging = self.imaging(Lens.of(moved), seen.psf)
            model = imaging(flux)
            residual = (seen.image - model) * seen.weight
            fit = -residual.square().sum() / 2
            up, slope = torch.autograd.grad(fit, (flux, moved), retain_graph=True)
            with torch.no_grad():
                uniform = imaging(torch.ones_like(flux))
            (weight,) = torch.autograd.grad(model, flux, uniform * seen.weight.square())
        weight = weight.clamp(min=0)  # a learned operator's may be anything
        most = weight.amax((1, 2), keepdim=True).clamp(min=NOTHING)
        step = up / (weight + UNSEEN * most)
        return Evaluated(model.detach(), residual.detach(), step, weight / most, slope)

    @property
    def _pixel(self) -> float:
        return FRAME / self.n_pixels

    def _camera(self, psf: Tensor, dtype: torch.dtype) -> Camera:
        return Camera(self.n_pixels, self._pixel, self.supersampling, psf, dtype)

    def _light(self, source: Tensor) -> Pixels:
        middle = source.new_zeros(())
        # A camera gives the flux of a pixel; brightness here is per pixel of the image.
        return Pixels(source / self._pixel**2, middle + 2 * self.field / source.shape[-1], middle, middle)


@dataclass(frozen=True)
class LearnedForward(Forward):
    """A network in place of the forward operator, as AstroRIM has one: to be compared with, not to be believed."""

    net: nn.Module | None = None

    def imaging(self, lens: Lens, psf: Tensor) -> Imaging:
        """What makes images (B, n, n) of the brightness of sources."""
        told = torch.cat((lens.values, core_variance(psf).log()[:, None]), dim=1)
        return lambda source: self._learned(source, told)

    def _learned(self, source: Tensor, told: Tensor) -> Tensor:
        assert self.net is not None
        shown = functional.interpolate(source[:, None], size=self.n_pixels, mode="bilinear")
        model: Tensor = self.net(shown, told)
        return model[:, 0]


def blurred(psf: Tensor, lens: Lens) -> Tensor:
    """Kernels (B, k, k) as wide as the lens says: by a Gaussian of what their variance lacks, or has too much."""
    width = lens.values[:, len(LENS)]
    k = psf.shape[-1]
    sides = fast_side(k)
    variance = core_variance(psf) * torch.expm1(2 * width)
    k_y, k_x = torch.fft.fftfreq(sides).to(psf), torch.fft.rfftfreq(sides).to(psf)
    transfer = torch.exp(-2 * math.pi**2 * variance[:, None, None] * (k_y.square()[:, None] + k_x.square()))
    return torch.fft.irfft2(torch.fft.rfft2(psf, s=(sides, sides)) * transfer, s=(sides, sides))[..., :k, :k]


def core_variance(psf: Tensor) -> Tensor:
    """(B,) [pixel^2] of the Gaussian with the height of a kernel (B, k, k): its core, whatever its wings."""
    return 1 / (2 * math.pi * psf.amax((1, 2)))
