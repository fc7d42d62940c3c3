"""The Einstein radius of any lens: of the circle around its centre within which the mean convergence is 1.

By Gauss's theorem that is where the mean radial deflection is the radius itself; external shear has no part in it. Of
several planes the mean convergence is that of their deflections together.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learn.lenses.latent import NAMES, Lens
from sim.lensing.profiles import Deflector

N_ANGLES = 64
N_HALVINGS = 24
SPAN = (1e-2, 30.0)
"""Of the radii that are looked at, over a unit."""
LEAST = 0.1
"""Of the theta_e of a lens, what is left of it where its halo alone would do."""


def einstein_radii(mass: Deflector, x: Tensor, y: Tensor, unit: Tensor) -> Tensor:
    """(B,) about the centres x, y (B,), by halving a range of radii about `unit` (B,); its end where there is none."""
    low, high = (torch.log(unit * end) for end in SPAN)
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        is_inside = mean_convergence(mass, x, y, torch.exp(middle)) > 1
        low, high = torch.where(is_inside, middle, low), torch.where(is_inside, high, middle)
    return torch.exp((low + high) / 2)


def of_radius(lens: Lens, radius: Tensor) -> Lens:
    """The lens (B, 11) with the theta_e that makes this its Einstein radius (B,), in frames."""
    ellipsoid, _, halo = lens.parts()
    x, y = (lens.values[:, NAMES.index(name)] for name in ("x", "y"))
    share, rest = (mean_convergence(mass, x, y, radius) for mass in (ellipsoid, halo))
    factor = ((1 - rest) / share).clamp(min=LEAST)
    return Lens(torch.cat((lens.values[:, :1] * factor[:, None], lens.values[:, 1:]), dim=1))


def mean_convergence(mass: Deflector, x: Tensor, y: Tensor, radius: Tensor) -> Tensor:
    """Within circles of these radii (B,)."""
    angle = 2 * math.pi * (torch.arange(N_ANGLES, dtype=radius.dtype) + 0.5) / N_ANGLES
    cos, sin = torch.cos(angle), torch.sin(angle)
    at_x, at_y = (at[:, None, None] + radius[:, None, None] * along for at, along in ((x, cos), (y, sin)))
    alpha_x, alpha_y = mass.deflection(at_x, at_y)  # (B, 1, angles)
    return (alpha_x * cos + alpha_y * sin).mean((1, 2)) / radius


def radii_of(lenses: NDArray[np.float32]) -> NDArray[np.float32]:
    """(...) [arcsec] of lenses (..., 11) as `learn.lenses.latent` has them, in arcsec."""
    values = torch.from_numpy(np.ascontiguousarray(lenses).reshape(-1, len(NAMES))).double()
    theta_e, x, y = (values[:, NAMES.index(name)] for name in ("theta_e", "x", "y"))
    return einstein_radii(Lens(values).mass(), x, y, theta_e).float().numpy().reshape(lenses.shape[:-1])
