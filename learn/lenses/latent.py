"""Lens and source as the unbounded numbers that an inversion moves, and what they stand for.

Angles are in halves of the side of an image, its frame: the equations of a lens know no other length, so one network
serves all pixel sizes. Brightness is per pixel of the image, in units of the image's own scale. Knows nothing of files
or of networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim.lensing.einstein import einstein_radius_near, mean_convergence
from sim.lensing.ellipse import FAINT
from sim.lensing.profiles import EPL, NFW, Mass, Shear, Sum

LENS = ("theta_e", "slope", "e1", "e2", "x", "y", "gamma1", "gamma2", "kappa_s", "r_s")
"""What a lens is: an elliptical power law, an external shear, and an NFW halo about the same centre."""
NUISANCE = ("psf_width", "noise")
"""Natural logarithms of the true widths of the point spread function and of the noise over the assumed ones."""
NAMES = (*LENS, *NUISANCE)
SIZES = (1, 1, 2, 2, 2, 1, 1, 2)
"""Numbers that go together: radius, slope, ellipticity, centre, shear, convergence and radius of the halo, nuisance."""
SHARPNESS = 5.0
"""Brightness below one part of it of the scale of an image is linear in the latent, and logarithmic above."""
ROUND = 0.8  # largest |e|: an axis ratio of .11
ISOTHERMAL = 2.0
STEEP = 0.95  # most that a slope differs from that of an isothermal lens
MOST_SHEAR = 0.9
NO_HALO = 1e-3  # kappa_s that nothing tells from 0
LEAST = 0.1  # of the convergence of an ellipsoid, what is left of it where its halo alone would do


@dataclass(frozen=True)
class Lens:
    """Physical numbers (B, 12), in the order of `NAMES`, angles in frames."""

    values: Tensor

    @classmethod
    def of(cls, latent: Tensor) -> Lens:
        """Of unbounded numbers (B, 12)."""
        theta_e, slope, e, centre, shear, kappa_s, r_s, nuisance = torch.split(latent, [*SIZES], dim=1)
        slope = ISOTHERMAL + bounded(slope, STEEP)
        parts = (torch.exp(theta_e), slope, bounded(e, ROUND), centre, bounded(shear, MOST_SHEAR))
        return cls(torch.cat((*parts, torch.exp(kappa_s) - NO_HALO, torch.exp(r_s), nuisance), dim=1))

    def latent(self) -> Tensor:
        """The unbounded numbers (B, 12) of which this is `Lens.of`."""
        theta_e, slope, e, centre, shear, kappa_s, r_s, nuisance = torch.split(self.values, [*SIZES], dim=1)
        slope = unbounded(slope - ISOTHERMAL, STEEP)
        parts = (torch.log(theta_e), slope, unbounded(e, ROUND), centre, unbounded(shear, MOST_SHEAR))
        return torch.cat((*parts, torch.log(kappa_s.clamp(min=0) + NO_HALO), torch.log(r_s), nuisance), dim=1)

    def mass(self) -> Mass:
        """What bends light."""
        return Sum(self.parts())

    def parts(self) -> tuple[EPL, Shear, NFW]:
        """Ellipsoid, external shear and halo, each parameter (B, 1, 1)."""
        numbers = self.values[:, : len(LENS), None, None].unbind(1)
        theta_e, slope, e1, e2, x, y, gamma1, gamma2, kappa_s, r_s = numbers
        return EPL(theta_e, slope, e1, e2, x, y), Shear(gamma1, gamma2), NFW(kappa_s, r_s, x, y)

    def einstein_radius(self) -> Tensor:
        """(B,), of all that bends light: within it the mean convergence is 1."""
        ellipsoid, _, _ = self.parts()
        return einstein_radius_near(self.mass(), (ellipsoid.x, ellipsoid.y), ellipsoid.theta_e)[:, 0]

    def of_radius(self, radius: Tensor) -> Lens:
        """With the theta_e that makes this (B,) its Einstein radius."""
        ellipsoid, _, halo = self.parts()
        circle = (ellipsoid.x, ellipsoid.y), radius[:, None, None]
        share, rest = (mean_convergence(mass, *circle)[:, 0] for mass in (ellipsoid, halo))
        steepness = self.values[:, 1:2] - 1
        factor = ((1 - rest) / share).clamp(min=LEAST) ** (1 / steepness)
        return Lens(torch.cat((self.values[:, :1] * factor, self.values[:, 1:]), dim=1))


def radii_of(lenses: NDArray[np.float32]) -> NDArray[np.float32]:
    """Einstein radii (...) of lenses (..., 12), in their unit."""
    values = torch.from_numpy(np.ascontiguousarray(lenses).reshape(-1, len(NAMES))).double()
    return Lens(values).einstein_radius().float().numpy().reshape(lenses.shape[:-1])


def bounded(vectors: Tensor, limit: float) -> Tensor:
    """Vectors (B, 2) as ones shorter than `limit`, short ones as they are."""
    return vectors / torch.sqrt(1 + (vectors / limit).square().sum(1, keepdim=True))


def unbounded(vectors: Tensor, limit: float) -> Tensor:
    """The inverse of `bounded`, of vectors shorter than `limit`."""
    inside = 1 - (vectors / limit).square().sum(1, keepdim=True)
    return vectors / torch.sqrt(inside.clamp(min=FAINT))


def brightness(latent: Tensor) -> Tensor:
    """Of a source, above 0, in scales of an image: sinh of a softplus, over `SHARPNESS`."""
    return torch.sinh(torch.nn.functional.softplus(latent, beta=4)) / SHARPNESS


def compressed(values: Tensor) -> Tensor:
    """Brightness, or differences of it, of any size as a network sees it: the latent where it is well above 0."""
    return torch.asinh(SHARPNESS * values)


def latent_of(values: Tensor) -> Tensor:
    """The inverse of `brightness`, of values above 0."""
    shown = compressed(values)
    return shown + torch.log(-torch.expm1(-4 * shown)) / 4
