"""Ellipses by their complex ellipticity, and the one function that elliptical and NFW lenses are written with.

With z = x + iy and e = e1 + i e2 = (1 - q) / (1 + q) exp(2 i phi), of the axis ratio q and the angle phi of the major
axis,

    |z - e conj(z)| / sqrt(1 - |e|^2) = sqrt(q x'^2 + y'^2 / q)

in the axes of the ellipse: everything is smooth in e1 and e2, also where an ellipse is a circle. Angles are in arcsec.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

FAINT = 1e-7  # of a radius [arcsec] or an ellipticity, below which it is this
NEAR = 0.05  # |s| below which `arctanhc` is its series: with six terms both are right to float32


class Elliptical(NamedTuple):
    """Radius, product-averaged, and the unit vector (u, v) of z - e conj(z)."""

    radius: Tensor
    u: Tensor
    v: Tensor


def elliptical(x: Tensor, y: Tensor, e1: Tensor, e2: Tensor) -> Elliptical:
    """Of the angles x, y from a centre; all broadcast."""
    a, b = squeezed(x, y, e1, e2)
    length = torch.sqrt(a.square() + b.square() + FAINT**2)
    return Elliptical(length / torch.sqrt(1 - e1.square() - e2.square()), a / length, b / length)


def squeezed(x: Tensor, y: Tensor, e1: Tensor, e2: Tensor) -> tuple[Tensor, Tensor]:
    """Parts of z - e conj(z)."""
    return (1 - e1) * x - e2 * y, (1 + e1) * y - e2 * x


def squeezed_square(x: Tensor, y: Tensor, e1: Tensor, e2: Tensor) -> Tensor:
    """|z - e conj(z)|^2, nowhere 0."""
    a, b = squeezed(x, y, e1, e2)
    return a.square() + b.square() + FAINT**2


def arctanhc(s: Tensor) -> Tensor:
    """artanh(sqrt(s)) / sqrt(s) for s < 1, which is arctan(sqrt(-s)) / sqrt(-s) below 0."""
    return torch.where(s > 0, artanhc(s), arctanc(-s))


def artanhc(s: Tensor) -> Tensor:
    """artanh(sqrt(s)) / sqrt(s) for 0 <= s < 1, by a logarithm; that of 0 below."""
    root = torch.sqrt(s.clamp(min=NEAR))
    return torch.where(s < NEAR, series(s, 0), torch.log((1 + root) / (1 - root)) / (2 * root))


def arctanc(s: Tensor) -> Tensor:
    """arctan(sqrt(s)) / sqrt(s) for s >= 0."""
    root = torch.sqrt(s.clamp(min=NEAR))
    return torch.where(s < NEAR, series(-s, 0), torch.atan(root) / root)


def arctanhc_rise(s: Tensor) -> Tensor:
    """(arctanhc(s) - 1) / s."""
    far = torch.where(s.abs() < NEAR, NEAR, s)
    return torch.where(s.abs() < NEAR, series(s, 1), (arctanhc(far) - 1) / far)


def series(s: Tensor, skipped: int) -> Tensor:
    """1 / (2 k + 1) + s / (2 k + 3) + ..., k terms of arctanhc being skipped."""
    s = s.clamp(-NEAR, NEAR)
    total = torch.zeros_like(s)
    for k in reversed(range(6)):
        total = total * s + 1 / (2 * (k + skipped) + 1)
    return total


def axis_ratio(e1: Tensor, e2: Tensor) -> tuple[Tensor, Tensor]:
    """Axis ratio and angle of the major axis [rad], counter-clockwise from x."""
    e = torch.hypot(e1, e2)
    return (1 - e) / (1 + e), torch.atan2(e2, e1) / 2


def ellipticity(q: Tensor, phi: Tensor) -> tuple[Tensor, Tensor]:
    """(e1, e2) of an axis ratio and the angle of the major axis [rad]."""
    e = (1 - q) / (1 + q)
    return e * torch.cos(2 * phi), e * torch.sin(2 * phi)
