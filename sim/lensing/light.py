"""Surface brightness: Sersic profiles, Gaussian clumps, spiral discs, images on pixels, and sums of them.

Parameters are tensors that broadcast with the angles x, y [arcsec]; brightness is a flux per square arcsec, in whatever
unit its amplitude has. Knows nothing of lenses or of cameras.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from sim.lensing.ellipse import elliptical, squeezed_square
from sim.lensing.profiles import sum_of


class Light(Protocol):
    """What shines."""

    def brightness(self, x: Tensor, y: Tensor) -> Tensor:
        """Flux per square arcsec in the directions x, y."""
        ...


def sersic_b(n: Tensor) -> Tensor:
    """B of exp(-b r^(1/n)) (Capaccioli 1989): half of the light is within r = 1, to 0.1 % for 0.5 < n < 10."""
    return 1.9992 * n - 0.3271


@dataclass(frozen=True)
class Sersic:
    """amplitude exp(-b [(R / r_e)^(1/n) - 1]), R and r_e product-averaged radii (Sersic 1968)."""

    amplitude: Tensor
    r_e: Tensor
    n: Tensor
    e1: Tensor
    e2: Tensor
    x: Tensor
    y: Tensor

    def brightness(self, x: Tensor, y: Tensor) -> Tensor:
        flat = 1 - self.e1.square() - self.e2.square()
        return self._at(squeezed_square(x - self.x, y - self.y, self.e1, self.e2) * (1 / (flat * self.r_e.square())))

    def flux(self) -> Tensor:
        """Of the whole profile (Graham & Driver 2005, eq. 4)."""
        b = sersic_b(self.n)
        log = b - 2 * self.n * torch.log(b) + torch.lgamma(2 * self.n)
        return self.amplitude * 2 * math.pi * self.n * self.r_e.square() * torch.exp(log)

    def _at(self, ratio2: Tensor) -> Tensor:
        """Where (R / r_e)^2 is this: the power as an exponential, for which there are faster kernels."""
        b = sersic_b(self.n)
        return self.amplitude * torch.exp(b - b * torch.exp(torch.log(ratio2) * (0.5 / self.n)))


@dataclass(frozen=True)
class Spiral(Sersic):
    """A Sersic disc times 1 + contrast cos(m (angle - winding ln(R / r_e))), in the plane of the disc."""

    contrast: Tensor
    arms: Tensor
    winding: Tensor

    def brightness(self, x: Tensor, y: Tensor) -> Tensor:
        place = elliptical(x - self.x, y - self.y, self.e1, self.e2)
        ratio = place.radius / self.r_e
        phase = torch.atan2(place.v, place.u) - self.winding * torch.log(ratio)
        return self._at(ratio.square()) * (1 + self.contrast * torch.cos(self.arms * phase))


@dataclass(frozen=True)
class Gaussians:
    """Round Gaussians, one along each index of the last axis of the parameters: clumps of star formation."""

    flux: Tensor
    sigma: Tensor
    x: Tensor
    y: Tensor

    def brightness(self, x: Tensor, y: Tensor) -> Tensor:
        twice = 2 * self.sigma.square()
        across, up = ((at[..., None] - by).square() / twice for at, by in ((x, self.x), (y, self.y)))
        peak = self.flux / (math.pi * twice)
        if x.shape[-2] == y.shape[-1] == 1:  # a row and a column of a grid: the product of two short lines
            return (peak * torch.exp(-up))[..., 0, :] @ torch.exp(-across)[..., 0, :, :].mT
        return (peak * torch.exp(-across - up)).sum(-1)


@dataclass(frozen=True)
class Pixels:
    """An image (B, n, m) [flux per square arcsec], linear between the centres of its pixels and 0 beyond their rim.

    Rows go with y, columns with x; its middle is at (x, y).
    """

    image: Tensor
    pixel_size: Tensor
    x: Tensor
    y: Tensor

    def brightness(self, x: Tensor, y: Tensor) -> Tensor:
        n, m = self.image.shape[-2:]
        across, up = (x - self.x) / self.pixel_size * (2 / m), (y - self.y) / self.pixel_size * (2 / n)
        at = torch.stack((across + torch.zeros_like(up), up + torch.zeros_like(across)), dim=-1)
        flat = at.expand(len(self.image), *at.shape[1:]).reshape(len(self.image), 1, -1, 2)
        seen = functional.grid_sample(self.image[:, None], flat, padding_mode="zeros", align_corners=False)
        return seen.reshape(len(self.image), *at.shape[1:-1])


@dataclass(frozen=True)
class Together:
    """Several lights: a bulge and a disc, clumps on a galaxy."""

    parts: Sequence[Light]

    def brightness(self, x: Tensor, y: Tensor) -> Tensor:
        return sum_of([part.brightness(x, y) for part in self.parts])
