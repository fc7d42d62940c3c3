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
from sim.lensing.profiles import Bends
from sim.lensing.psf import convolved


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
        n, size = self.n_pixels * self.supersampling, self.pixel_size
        device = size.device if isinstance(size, Tensor) else None
        along = torch.arange(n, dtype=self.dtype, device=device) - (n - 1) / 2
        y, x = torch.meshgrid(along, along, indexing="ij")
        return x[None] * (size / self.supersampling), y[None] * (size / self.supersampling)

    def image(self, mass: Bends, source: Light, light: Light | None = None) -> Tensor:
        """Flux in each pixel (B, n_pixels, n_pixels) of a lensed source and of the light of the lens."""
        x, y = self.rays
        alpha_x, alpha_y = mass.deflection(x, y)
        sky = source.brightness(x - alpha_x, y - alpha_y)
        return self.recorded(sky if light is None else sky + light.brightness(x, y))

    def recorded(self, sky: Tensor) -> Tensor:
        """Flux in each pixel of the brightness at the rays, blurred."""
        flux = functional.avg_pool2d(sky, self.supersampling) * self.pixel_size**2
        return flux if self.psf is None else convolved(flux, self.psf)
