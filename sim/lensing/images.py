"""Images of a point behind a lens: where triangles of the image plane say that they are, then Newton's steps.

Angles are in arcsec.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sim.lensing.distortion import distortion
from sim.lensing.image_positions import image_positions
from sim.lensing.profiles import Mass, Vector

Kind = Literal["minimum", "saddle", "maximum"]

N_CELLS = 160  # along a side of the square: two images in an eighth of one are missed
OFF = 1e-6  # of half that side: no corner is on a centre
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
    x, y, is_one = polished(mass, _starts(mass, source, half), source)
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


def _starts(mass: Mass, source: tuple[float, float], half: float) -> Vector:
    """(1, m): the triangles that have an image, and those with a singular centre."""
    side, off, *point = (torch.tensor([value], dtype=torch.float64) for value in (half, OFF * half, *source))
    found = image_positions(
        lambda _: mass.deflection, (off, off), side, (point[0], point[1]), n_cells=N_CELLS, dimmest=0
    )
    return torch.as_tensor(found.x)[None], torch.as_tensor(found.y)[None]


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
