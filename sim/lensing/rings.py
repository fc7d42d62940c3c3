"""What a lens is like on circles around its centre: radial profiles, Einstein radii, and the profile along one ring.

Batched: B masses, R radii, A = N_ANGLES directions. Angles are in arcsec.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sim.lensing.einstein import (
    angles,
    critical_radius,
    einstein_radius,
    mean_convergence,
    on_circles,
    ring_convergence,
)
from sim.lensing.posterior import Draws
from sim.lensing.profiles import along

N_AT_A_TIME = 16  # draws


@dataclass(frozen=True)
class Rings:
    """Of B draws: convergence on and mean convergence within circles (B, R), both Einstein radii (B,), nan without one.

    On the circle of the Einstein radius theta_e: convergence and radial deflection (B, A).
    """

    radii: Tensor
    kappa: Tensor
    mean_kappa: Tensor
    theta_e: Tensor
    theta_critical: Tensor
    kappa_around: Tensor
    alpha_around: Tensor


def rings(draws: Draws, radii: Tensor) -> Rings:
    """Around the centre of each draw, at rising radii (R,)."""
    parts = [_some(part, radii[None]) for part in draws.parts(N_AT_A_TIME)]
    return Rings(radii, *(torch.cat(column) for column in zip(*parts, strict=True)))


def _some(draws: Draws, radii: Tensor) -> tuple[Tensor, ...]:
    mass, center = draws.mass, draws.center
    mean = mean_convergence(mass, center, radii)
    theta_e = einstein_radius(mass, center, radii, mean)
    points, outward = on_circles(center, theta_e[:, None])
    around = mass.convergence(*points), along(mass.deflection(*points), *outward)
    kappa = ring_convergence(mass, center, radii)
    return kappa, mean, theta_e, critical_radius(mass, center, theta_e), *around


def multipole(values: Tensor, m: int) -> Tensor:
    """Of values (B, A) on a circle, (B,): amplitude exp(i m phase) of cos(m (angle - phase)), over their mean."""
    wave = torch.exp(1j * m * angles(values))
    return 2 * (values * wave).mean(-1) / values.mean(-1)
