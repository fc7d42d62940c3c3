"""Where the images of points behind lenses are: triangles of the image plane whose source plane has the point inside.

(Schneider, Ehlers & Falco 1992, sec. 5.5.) Cells near an image are parted once more. Two images in one of the parts are
missed; places are right to a part, and `sim.lensing.images` goes on from there. Knows nothing of galaxies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim.lensing.profiles import Vector

N_CELLS = 80  # along a side of the window, unless told
N_PARTS = 8  # along a side of a cell
DIMMEST = 0.01  # magnification of an image that counts; a singular centre looks like one of .005 at most

Lens = Callable[[Tensor], Callable[[Tensor, Tensor], Vector]]
"""The deflection of those systems (k,) that are named, of angles (k, n, n)."""


class Points(NamedTuple):
    """One an image: which system it is of, and where it is [arcsec]."""

    system: NDArray[np.intp]
    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def counted(self, n_systems: int) -> NDArray[np.intp]:
        """Images of each of the systems."""
        return np.bincount(self.system, minlength=n_systems)


def image_positions(
    lens: Lens, center: Vector, half: Tensor, point: Vector, *, n_cells: int = N_CELLS, dimmest: float = DIMMEST
) -> Points:
    """Of `point`, in a window of half its side `half` around `center`; all (B,) [arcsec], float64.

    The central image of a singular lens, which has no light, is left out, unless `dimmest` is 0.
    """
    cells = window(center, half, n_cells)
    every = torch.arange(len(half))
    system, row, column = torch.nonzero(may_contain(*source_plane(lens, every, cells, point)), as_tuple=True)
    side = 2 * half / n_cells
    corner = tuple(at[system] - half[system] + side[system] * n for at, n in zip(center, (column, row), strict=True))
    middle = (corner[0] + side[system] / 2, corner[1] + side[system] / 2)
    parts = window(middle, side[system] / 2, N_PARTS)
    beta = source_plane(lens, system, parts, (point[0][system], point[1][system]))
    found = [hits(parts, beta, flip, dimmest) for flip in (False, True)]
    which, x, y = (torch.cat(one) for one in zip(*found, strict=True))
    return Points(system[which].numpy(), x.numpy(), y.numpy())


def window(center: Vector, half: Tensor, n: int) -> Vector:
    """The corners (B, n + 1, n + 1) of n x n cells."""
    along = torch.linspace(-1, 1, n + 1, dtype=half.dtype)
    y, x = torch.meshgrid(along, along, indexing="ij")
    return tuple(at[:, None, None] + half[:, None, None] * one for at, one in zip(center, (x, y), strict=True))  # type: ignore[return-value]


def source_plane(lens: Lens, which: Tensor, angles: Vector, point: Vector) -> Vector:
    """Where rays at `angles` come from, from the point."""
    alpha_x, alpha_y = lens(which)(*angles)
    return angles[0] - alpha_x - point[0][:, None, None], angles[1] - alpha_y - point[1][:, None, None]


def may_contain(x: Tensor, y: Tensor) -> Tensor:
    """Whether twice the box around a cell's corners in the source plane contains the origin, (B, n, n)."""
    return spans(x) & spans(y)


def spans(values: Tensor) -> Tensor:
    a, b, c, d = corners(values)
    low, high = torch.minimum(a, b).minimum(c).minimum(d), torch.maximum(a, b).maximum(c).maximum(d)
    rim = (high - low) / 2
    return (low - rim <= 0) & (high + rim >= 0)


def corners(values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each cell: (0, 0), (0, 1), (1, 0), (1, 1)."""
    return values[:, :-1, :-1], values[:, :-1, 1:], values[:, 1:, :-1], values[:, 1:, 1:]


def hits(angles: Vector, beta: Vector, flip: bool, dimmest: float) -> tuple[Tensor, Tensor, Tensor]:
    """Which windows have an image in the lower triangles of their cells, or (`flip`) the upper; and its x and y."""
    corner = (3, 2, 1) if flip else (0, 1, 2)
    (ax, bx, cx), (ay, by, cy) = ([corners(part)[i] for i in corner] for part in beta)
    turns = ax * by - ay * bx, bx * cy - by * cx, cx * ay - cy * ax
    inside = ((turns[0] > 0) == (turns[1] > 0)) & ((turns[1] > 0) == (turns[2] > 0))
    step = angles[0][:, 0, 1] - angles[0][:, 0, 0]
    bright = step.square()[:, None, None] > dimmest * (turns[0] + turns[1] + turns[2]).abs()
    which, row, column = torch.nonzero(inside & bright, as_tuple=True)
    middle = [torch.stack([corners(part)[i] for i in corner]).mean(0)[which, row, column] for part in angles]
    return which, middle[0], middle[1]
