"""Sources laid over the true ones by the scale and the shift of their plane that no image tells.

A sheet of mass scales the plane of a source, and a deflection of everything shifts it (Falco, Gorenstein & Shapiro
1985). Both are taken from where the rays of an image meet the plane, by the true lens and by one that was found: never
from the sources. Angles are in frames.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from learn.lenses.latent import Lens
from learn.lenses.likelihood import FRAME
from sim.lensing.camera import Camera
from sim.lensing.profiles import Deflector


class Rays(NamedTuple):
    """Where the rays of the pixels of images meet the plane of the source, x and y (B, n, n)."""

    x: Tensor
    y: Tensor

    @classmethod
    def bent_by(cls, mass: Deflector, n_pixels: int) -> Rays:
        x, y = Camera(n_pixels, FRAME / n_pixels).rays
        alpha_x, alpha_y = mass.deflection(x, y)
        return cls(x - alpha_x, y - alpha_y)

    def first(self, n: int) -> Rays:
        """Of the first images."""
        return Rays(self.x[:n], self.y[:n])


def aligned(source: Tensor, lens: Lens, true: Rays, light: Tensor, field: float) -> Tensor:
    """Sources (B, m, m), `field` frames to each side, that were found with `lens`, as the true plane has them.

    Rays count as the square of the `light` (B, n, n) in them. Beyond the field they are dark.
    """
    found, weight = Rays.bent_by(lens.mass(), light.shape[-1]), light.square()
    scale, shift = mass_sheet(true, found, weight / weight.sum((1, 2), keepdim=True))
    m = source.shape[-1]
    along = field * ((torch.arange(m) + 0.5) * 2 / m - 1)
    y, x = torch.meshgrid(along, along, indexing="ij")
    at = torch.stack([scale * one + by for one, by in zip((x, y), shift, strict=True)], dim=-1) / field
    return functional.grid_sample(source[:, None], at, align_corners=False)[:, 0]


def mass_sheet(true: Rays, found: Rays, weight: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The scale and the shift (B, 1, 1) that take true rays to found ones, by least squares; weights of sum 1."""

    def mean(values: Tensor) -> Tensor:
        return (weight * values).sum((1, 2), keepdim=True)

    off = [one - mean(one) for one in true]
    both, own = mean(off[0] * found.x + off[1] * found.y), mean(off[0].square() + off[1].square())
    scale = both / own
    x, y = (mean(b) - scale * mean(a) for a, b in zip(true, found, strict=True))
    return scale, (x, y)
