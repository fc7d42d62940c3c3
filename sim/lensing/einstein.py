"""Einstein radii by two definitions, and the mean convergence within circles that one of them is made of.

Batched: centres (B, 1), radii (B or 1, R) [arcsec]; or, of masses beside images, (B, 1, 1) and (B, 1, R). A lens that
is not strong has nan.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sim.lensing.distortion import distortion
from sim.lensing.profiles import Deflector, Mass, Vector, along
from sim.lensing.roots import first_rise, last_rise, root

N_ANGLES = 64  # of a circle: means over ellipses with an axis ratio of .3 are right to 1e-8
N_RAYS = 128  # to a critical curve, on which a satellite leaves a narrow bulge
REACH = 4.0  # a tangential critical curve is looked for within as many Einstein radii, and outside of 1 / 4 of one
N_RADII = 13  # where it is looked for
SPAN = (1e-2, 30.0)  # of the radii that are looked at around a unit


def angles(like: Tensor, n: int = N_ANGLES) -> Tensor:
    """`n` directions [rad] all around."""
    return torch.arange(n, dtype=like.dtype) * (2 * math.pi / n)


def on_circles(center: Vector, radii: Tensor, n: int = N_ANGLES) -> tuple[Vector, Vector]:
    """Points (..., R n) on circles, and the unit vectors (R n,) that point to them."""
    angle, length = angles(radii, n).repeat(radii.shape[-1]), radii.repeat_interleave(n, dim=-1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return (center[0] + length * cos, center[1] + length * sin), (cos, sin)


def mean_convergence(mass: Deflector, center: Vector, radii: Tensor) -> Tensor:
    """Within circles, (..., R): by Gauss's theorem, the mean of the radial deflection on the circle over its radius.

    External shear has no part in it. Of several planes it is that of their deflections together.
    """
    points, outward = on_circles(center, radii)
    inward = along(mass.deflection(*points), *outward)
    return inward.reshape(*inward.shape[:-1], -1, N_ANGLES).mean(-1) / radii


def mean_deflection(mass: Deflector, center: Vector, radii: Tensor) -> Vector:
    """On circles, (..., R): of masses elsewhere, about what they deflect all that is seen on it by."""
    points, _ = on_circles(center, radii)
    x, y = (alpha.reshape(*alpha.shape[:-1], -1, N_ANGLES).mean(-1) for alpha in mass.deflection(*points))
    return x, y


def ring_convergence(mass: Mass, center: Vector, radii: Tensor) -> Tensor:
    """Mean on circles, (B, R)."""
    points, _ = on_circles(center, radii)
    kappa = mass.convergence(*points)
    return kappa.reshape(len(kappa), -1, N_ANGLES).mean(-1)


def einstein_radius(mass: Deflector, center: Vector, radii: Tensor, mean: Tensor) -> Tensor:
    """(...,): of the largest circle in which the mean convergence falls to 1.

    It is looked for between two of the rising `radii` (..., R), within which the mean is `mean` (..., R).
    """
    at = last_rise(1 - mean)
    ends = (radii.expand_as(mean).gather(-1, at.clamp(min=0)[..., None] + i) for i in (0, 1))
    found = root(lambda r: 1 - mean_convergence(mass, center, r), *ends)[..., 0]
    return torch.where(at >= 0, found, torch.nan)


def einstein_radius_near(mass: Deflector, center: Vector, unit: Tensor) -> Tensor:
    """(...,): as `einstein_radius`, of radii around `unit` (..., 1); the least or the largest of them without one."""
    low, high = (math.log10(end) for end in SPAN)
    radii = unit * torch.logspace(low, high, N_RADII, dtype=unit.dtype)
    mean = mean_convergence(mass, center, radii)
    found = einstein_radius(mass, center, radii, mean)
    return torch.where(found.isnan(), torch.where(mean[..., -1] > 1, radii[..., -1], radii[..., 0]), found)


def critical_radii(mass: Mass, center: Vector, theta_e: Tensor) -> Tensor:
    """(B, N_RAYS): where each ray from the centre leaves the tangential critical curve that is around theta_e (B,).

    The curve is taken to be met once by each ray: beyond it are the curves of satellites. nan without one.
    """
    cos, sin = torch.cos(angles(theta_e, N_RAYS)), torch.sin(angles(theta_e, N_RAYS))

    def tangential(r: Tensor) -> Tensor:
        return distortion(mass, center[0] + r * cos, center[1] + r * sin).tangential

    steps = torch.logspace(-1, 1, N_RADII, REACH, dtype=theta_e.dtype)
    grid = theta_e[:, None] * steps  # (B, N_RADII)
    points, _ = on_circles(center, grid, N_RAYS)
    values = distortion(mass, *points).tangential.reshape(len(grid), N_RADII, N_RAYS).transpose(1, 2)
    at = first_rise(values)
    found = root(tangential, grid.gather(1, at.clamp(min=0)), grid.gather(1, at.clamp(min=0) + 1))
    return torch.where(at >= 0, found, torch.nan)


def critical_radius(mass: Mass, center: Vector, theta_e: Tensor) -> Tensor:
    """(B,): sqrt(area / pi) of the tangential critical curve."""
    return critical_radii(mass, center, theta_e).square().mean(-1).sqrt()
