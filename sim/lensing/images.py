"""Images of a point behind a lens: the lens equation solved by triangles of the image plane, then by Newton's steps.

Triangles are halved until the lens maps each almost linearly, which is away from critical curves and from singular
centres; those whose image holds the source have one image each (Keeton 2001, astro-ph/0102340). Angles are in arcsec.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sim.lensing.distortion import Distortion, distortion
from sim.lensing.profiles import Mass, Vector

Kind = Literal["minimum", "saddle", "maximum"]

N_CELLS = 40  # along a side of the first mesh
N_LEVELS = 5  # of halving
LINEAR = 3.0  # the largest ratio of the magnifications at the corners of a triangle that is not halved
N_STEPS = 30  # of Newton
STILL = 1e-13  # [arcsec] of a step that moves nothing
EXACT = 1e-9  # [arcsec] of the source plane, of an image that is one
APART = 1e-5  # [arcsec] of two images
FAINTEST = 1e-6  # a magnification below it is of the image that a singular centre swallows


@dataclass(frozen=True)
class Images:
    """x, y (m,) and what each image is like; the first is the first to arrive.

    fermat (m,) [arcsec^2] is the Fermat potential (theta - beta)^2 / 2 - psi.
    """

    x: Tensor
    y: Tensor
    magnification: Tensor
    fermat: Tensor
    kinds: tuple[Kind, ...]


def solve(mass: Mass, source: tuple[float, float], half: float) -> Images:
    """Of a point at `source` behind one mass, within the square of half the side `half` around the origin."""
    corners = _triangles(mass, half)
    starts = _holding(mass, corners, source)
    x, y, is_one = polished(mass, (starts[None, :, 0], starts[None, :, 1]), source)
    here = distortion(mass, x, y)
    kept = is_one[0] & (here.inverse_magnification[0].abs() < 1 / FAINTEST)
    kept &= torch.maximum(x[0].abs(), y[0].abs()) <= half
    return _described(mass, *_apart(x[0, kept], y[0, kept]), source)


def polished(mass: Mass, start: Vector, source: tuple[float, float] | Vector) -> tuple[Tensor, Tensor, Tensor]:
    """Where Newton's steps from `start` (B, m) end, and whether that is an image of `source`, floats or (B, 1).

    A step is at most .1 arcsec, or it would leap from a critical curve.
    """
    x, y = start
    for _ in range(N_STEPS):
        miss_x, miss_y = _missed(mass, x, y, source)
        step_x, step_y = distortion(mass, x, y).undone(miss_x, miss_y)
        short = (0.1 / torch.hypot(step_x, step_y)).clamp(max=1)
        x, y = x + short * step_x, y + short * step_y
        if torch.hypot(step_x, step_y).max() < STILL:
            break
    miss = torch.hypot(*_missed(mass, x, y, source))
    return x, y, miss < EXACT


def fermat_potential(mass: Mass, x: Tensor, y: Tensor, source: tuple[float, float] | Vector) -> Tensor:
    """(theta - beta)^2 / 2 - psi [arcsec^2]."""
    return ((x - source[0]).square() + (y - source[1]).square()) / 2 - mass.potential(x, y)


def _missed(mass: Mass, x: Tensor, y: Tensor, source: tuple[float, float] | Vector) -> Vector:
    alpha_x, alpha_y = mass.deflection(x, y)
    return source[0] - x + alpha_x, source[1] - y + alpha_y


def _triangles(mass: Mass, half: float) -> Tensor:
    """(n, 3, 2): the corners of triangles that fill the square and that the lens maps almost linearly."""
    side = torch.linspace(-half, half, N_CELLS + 1, dtype=torch.float64) + 1e-6 * half  # no corner on a centre
    y, x = torch.meshgrid(side, side, indexing="ij")
    grid = torch.stack((x, y), dim=-1)
    a, b, c, d = (grid[i : N_CELLS + i, j : N_CELLS + j].reshape(-1, 2) for i in (0, 1) for j in (0, 1))
    todo, done = torch.cat((torch.stack((a, b, d), 1), torch.stack((a, c, d), 1))), []
    for _ in range(N_LEVELS):
        is_done = _is_linear(distortion(mass, todo[None, ..., 0].flatten(1), todo[None, ..., 1].flatten(1)))
        done.append(todo[is_done])
        todo = _quartered(todo[~is_done])
    return torch.cat((*done, todo))


def _is_linear(here: Distortion) -> Tensor:
    det = here.inverse_magnification.reshape(-1, 3)
    one_sign = (det > 0).all(1) | (det < 0).all(1)
    return one_sign & (det.abs().amax(1) < LINEAR * det.abs().amin(1))


def _quartered(triangles: Tensor) -> Tensor:
    """Each into four."""
    a, b, c = triangles.unbind(1)
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    parts = (torch.stack(one, 1) for one in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)))
    return torch.cat(tuple(parts))


def _holding(mass: Mass, corners: Tensor, source: tuple[float, float]) -> Tensor:
    """(m, 2): where in its triangle each image is, as if the lens mapped the triangle linearly."""
    x, y = corners[None, ..., 0].flatten(1), corners[None, ..., 1].flatten(1)
    missed = torch.stack(_missed(mass, x, y, source), dim=-1).reshape(-1, 3, 2)
    opposite = torch.stack([_cross(missed[:, (i + 1) % 3], missed[:, (i + 2) % 3]) for i in range(3)], dim=1)
    weights = opposite / opposite.sum(1, keepdim=True)
    holds = (weights >= -1e-9).all(1)
    return (weights[holds, :, None] * corners[holds]).sum(1)


def _cross(one: Tensor, other: Tensor) -> Tensor:
    return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]


def _apart(x: Tensor, y: Tensor) -> Vector:
    """Each place once."""
    near = torch.hypot(x[:, None] - x, y[:, None] - y) < APART
    is_first = ~near.tril(-1).any(1)
    return x[is_first], y[is_first]


def _described(mass: Mass, x: Tensor, y: Tensor, source: tuple[float, float]) -> Images:
    fermat = fermat_potential(mass, x[None], y[None], source)[0]
    order = torch.argsort(fermat)
    here = distortion(mass, x[None, order], y[None, order])
    kinds = tuple(
        _kind(tangential, radial)
        for tangential, radial in zip(here.tangential[0].tolist(), here.radial[0].tolist(), strict=True)
    )
    return Images(x[order], y[order], 1 / here.inverse_magnification[0], fermat[order], kinds)


def _kind(tangential: float, radial: float) -> Kind:
    """Of the time of arrival."""
    if tangential * radial < 0:
        return "saddle"
    return "minimum" if tangential > 0 else "maximum"
