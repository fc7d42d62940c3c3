"""What a detector records of a lensed sky: rays within pixels, light bent and blurred.

`Camera` is the one forward operator: linear in the brightness of sources, differentiable in everything. Angles are in
arcsec, x to the right along a row, y up with the rows, the origin in the middle. Knows nothing of noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from sim.lensing.light import Light
from sim.lensing.profiles import Deflector
from sim.lensing.psf import banded, between, convolved, product_of


@dataclass(frozen=True)
class Camera:
    """`n_pixels` squared of `pixel_size` [arcsec], each with `supersampling` squared rays; kernels (B or 1, k, k).

    pixel_size is a number, or a tensor (B, 1, 1) where systems differ.
    """

    n_pixels: int
    pixel_size: float | Tensor
    supersampling: int = 1
    psf: Tensor | None = None
    dtype: torch.dtype = torch.float32

    @cached_property
    def rays(self) -> tuple[Tensor, Tensor]:
        """X and y of the rays, (1 or B, n, n), n = n_pixels supersampling."""
        n, step = self.n_pixels * self.supersampling, self.pixel_size / self.supersampling
        device = step.device if isinstance(step, Tensor) else None
        along = torch.arange(n, dtype=self.dtype, device=device) - (n - 1) / 2
        y, x = torch.meshgrid(along, along, indexing="ij")
        return (x[None] * step).contiguous(), (y[None] * step).contiguous()

    def image(self, mass: Deflector, source: Light, light: Light | None = None) -> Tensor:
        """Flux in each pixel (B, n_pixels, n_pixels) of a lensed source and of the light of the lens."""
        return self.blurred(means(self.rays, self.supersampling, mass, source, light))

    def recorded(self, sky: Tensor) -> Tensor:
        """Flux in each pixel of the brightness at the rays, blurred."""
        return self.blurred(pixel_means(sky, self.supersampling))

    def blurred(self, brightness: Tensor) -> Tensor:
        """Flux in each pixel of its mean brightness, blurred."""
        flux = brightness * self.pixel_size**2
        if self.psf is None:
            return flux
        return convolved(flux, self.psf) if self.bands is None else between(*self.bands, flux)

    @cached_property
    def bands(self) -> tuple[Tensor, Tensor] | None:
        """The matrices that blur columns and rows, where the kernel is a product of two lines."""
        lines = None if self.psf is None else product_of(self.psf)
        return None if lines is None else (banded(lines[0], self.n_pixels), banded(lines[1], self.n_pixels))


def means(
    rays: tuple[Tensor, Tensor], supersampling: int, mass: Deflector, source: Light, light: Light | None
) -> Tensor:
    """Mean brightness in each pixel of a lensed source and of the light of the lens."""
    x, y = rays
    alpha_x, alpha_y = mass.deflection(x, y)
    sky = source.brightness(x - alpha_x, y - alpha_y)
    return pixel_means(sky if light is None else sky + light.brightness(x, y), supersampling)


def pixel_means(sky: Tensor, supersampling: int) -> Tensor:
    """(B, n s, n s) -> (B, n, n)."""
    return functional.avg_pool2d(sky, supersampling) if supersampling > 1 else sky
