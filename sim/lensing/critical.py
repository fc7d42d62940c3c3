"""Critical curves of a lens and their caustics: zero contours of the eigenvalues of its Jacobian matrix.

The sign changes of an eigenvalue along the edges of a mesh of triangles are found, each is moved along its edge to
where the eigenvalue is 0, and those of a triangle are linked. Knows one lens, not many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim.lensing.distortion import distortion
from sim.lensing.einstein import angles
from sim.lensing.profiles import Mass
from sim.lensing.roots import root

Array = NDArray[np.float64]
Kind = Literal["tangential", "radial", "cut"]

N_CELLS = 300
"""Along a side of the mesh."""
CUT_RADIUS = 1e-4
"""Of the circle around a singular centre whose image is the cut [arcsec]."""
SMALLEST = 1e-3
"""Extent of a curve [arcsec]: a smaller one is of the core that keeps a singular centre finite."""
STEPS = ((0, 1), (1, 0), (1, 1))
"""From a vertex (row, column) along its edges: those of squares, and the diagonal that halves them."""


@dataclass(frozen=True)
class Curve:
    """Points (n, 2) [arcsec] in the image plane and where the lens maps them to; closed if the last is the first.

    A cut is what a singular centre has in the place of a radial critical curve: a source within it has one image more
    (Kormann et al. 1994).
    """

    kind: Kind
    points: Array
    caustic: Array

    @property
    def is_closed(self) -> bool:
        return bool((self.points[0] == self.points[-1]).all())

    @property
    def area(self) -> float:
        """Within the polygon of its points [arcsec^2]."""
        x, y = self.points.T
        return float(abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2)


def critical_curves(mass: Mass, center: tuple[float, float], half: float) -> list[Curve]:
    """Of one mass within the square of half the side `half` [arcsec] around the origin; the longest first.

    If no radial one is found, there is a cut around `center`.
    """
    side = torch.linspace(-half, half, N_CELLS + 1, dtype=torch.float64)
    y, x = torch.meshgrid(side, side, indexing="ij")
    here = distortion(mass, x.reshape(1, -1), y.reshape(1, -1))
    kinds: dict[Kind, Tensor] = {"tangential": here.tangential, "radial": here.radial}
    found = []
    for kind, values in kinds.items():
        mesh = Mesh(x.reshape(-1).numpy(), y.reshape(-1).numpy(), values.reshape(-1).numpy())
        lines = mesh.contours(_eigenvalue(mass, kind))
        found += [_curve(mass, kind, line) for line in lines if np.ptp(line, axis=0).max() > SMALLEST]
    if not any(curve.kind == "radial" for curve in found):
        found.append(_cut(mass, center))
    return sorted(found, key=lambda curve: len(curve.points), reverse=True)


@dataclass(frozen=True)
class Mesh:
    """Vertices of a square mesh, row by row, and the values there."""

    x: Array
    y: Array
    values: Array

    def contours(self, exact: Callable[[Tensor, Tensor], Tensor]) -> list[Array]:
        """Lines (n, 2) where the values are 0, the points being where `exact` is; closed ones end where they began."""
        edges = self._edges()
        starts, ends = edges[:, 0], edges[:, 1]
        share = self._crossings(starts, ends, exact)[:, None]
        corners = np.stack((self.x, self.y), axis=1)
        points = corners[starts] + share * (corners[ends] - corners[starts])
        return [points[line] for line in linked(self._pairs(edges), len(edges))]

    @property
    def side(self) -> int:
        return round(len(self.values) ** 0.5)

    def _edges(self) -> NDArray[np.intp]:
        """(n, 2): the vertices of the edges along which the sign changes."""
        at = np.arange(len(self.values)).reshape(self.side, self.side)
        every = [np.stack((at[: self.side - i, : self.side - j], at[i:, j:]), axis=-1).reshape(-1, 2) for i, j in STEPS]
        edges = np.concatenate(every)
        return edges[(self.values[edges] > 0).sum(1) == 1]

    def _crossings(
        self, starts: NDArray[np.intp], ends: NDArray[np.intp], exact: Callable[[Tensor, Tensor], Tensor]
    ) -> Array:
        """Where along its edge each sign changes, 0 to 1."""
        x, y, dx, dy = (
            torch.as_tensor(one)[None]
            for one in (self.x[starts], self.y[starts], self.x[ends] - self.x[starts], self.y[ends] - self.y[starts])
        )
        found = root(lambda share: exact(x + share * dx, y + share * dy), torch.zeros_like(x), torch.ones_like(x))
        return np.asarray(found[0])

    def _pairs(self, edges: NDArray[np.intp]) -> NDArray[np.intp]:
        """(n, 2): the two edges of each triangle that has a sign change."""
        at = np.arange(len(self.values)).reshape(self.side, self.side)
        a, b, c, d = at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]
        corners = np.concatenate([np.stack(one, axis=-1).reshape(-1, 3) for one in ((a, b, d), (a, c, d))])
        crossed = corners[np.isin((self.values[corners] > 0).sum(1), (1, 2))]
        names = crossed[:, [[0, 1], [1, 2], [0, 2]]] @ np.array([len(self.values), 1])  # (n, 3)
        known = edges @ np.array([len(self.values), 1])
        order = np.argsort(known)
        place = np.searchsorted(known[order], names).clip(max=len(known) - 1)
        index = order[place] if len(known) else place
        return index[known[index] == names].reshape(-1, 2) if len(known) else np.empty((0, 2), np.intp)


def linked(pairs: NDArray[np.intp], n: int) -> list[NDArray[np.intp]]:
    """Lines through `n` things of which each is in at most two of the pairs; a closed one ends where it began."""
    neighbours: list[list[int]] = [[] for _ in range(n)]
    for one, other in pairs.tolist():
        neighbours[one].append(other)
        neighbours[other].append(one)
    seen, lines = [False] * n, []
    for start in sorted(range(n), key=lambda i: len(neighbours[i])):  # ends of open lines first
        if not seen[start]:
            lines.append(np.array(_line(start, neighbours, seen)))
    return [line for line in lines if len(line) > 3]


def _line(start: int, neighbours: list[list[int]], seen: list[bool]) -> list[int]:
    line, here = [], start
    while not seen[here]:
        seen[here] = True
        line.append(here)
        here = next((other for other in neighbours[here] if not seen[other]), start)
    return [*line, start] if len(neighbours[start]) == 2 else line


def _eigenvalue(mass: Mass, kind: Kind) -> Callable[[Tensor, Tensor], Tensor]:
    def exact(x: Tensor, y: Tensor) -> Tensor:
        here = distortion(mass, x, y)
        return here.tangential if kind == "tangential" else here.radial

    return exact


def _curve(mass: Mass, kind: Kind, points: Array) -> Curve:
    x, y = torch.as_tensor(points.T.copy())[:, None]
    alpha_x, alpha_y = mass.deflection(x, y)
    return Curve(kind, points, np.stack((x - alpha_x, y - alpha_y), axis=-1)[0])


def _cut(mass: Mass, center: tuple[float, float]) -> Curve:
    angle = angles(torch.zeros((), dtype=torch.float64)).numpy()
    circle = np.stack((np.cos(angle), np.sin(angle)), axis=1)
    return _curve(mass, "cut", np.concatenate((circle, circle[:1])) * CUT_RADIUS + center)
