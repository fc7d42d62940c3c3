"""The convergence of galaxies behind a light cone, from its mass planes, in the Born approximation on a flat sky.

kappa(theta) is the sum over planes of weight * contrast at theta * chi, the distance of the plane's middle. A plane is
periodic: where theta * chi exceeds the box, the field shows the same matter twice. Knows nothing of particles or files.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from configs import Box
from sim.efficiency import sources_of
from sim.lightcone import Plane, cone_of, planes

Map = NDArray[np.float32]
Array = NDArray[np.float64]


def convergence(box: Box, contrasts: Iterable[Map]) -> Map:
    """Kappa (n_pixels, n_pixels) at the centres of the pixels: row and column are angles from the optical axis.

    `contrasts` are the maps (n, n) of `planes(box)`, in that order; ValueError for more or fewer.
    """
    cone = cone_of(box)
    kappa = np.zeros((cone.n_pixels, cone.n_pixels))
    for plane, contrast in zip(planes(box), contrasts, strict=True):
        kappa += of_plane(box, plane, contrast)
    return kappa.astype(np.float32)


def of_plane(box: Box, plane: Plane, contrast: Map) -> Array:
    """What `plane` alone adds to the convergence, (n_pixels, n_pixels)."""
    cone = cone_of(box)
    theta = angles(cone.field_deg, cone.n_pixels)
    return sources_of(box).weight(plane) * sampled(contrast, theta * plane.chi, box.box_size)


def angles(field_deg: float, n_pixels: int) -> Array:
    """Angles of pixel centres from the optical axis [radian], (n_pixels,)."""
    return (np.arange(n_pixels) + 0.5 - n_pixels / 2) * (np.deg2rad(field_deg) / n_pixels)


def sampled(field: Map, x: Array, box_size: float) -> Array:
    """A periodic map (n, n), whose pixel i is centred on (i + 1/2) box_size / n, at all pairs of `x` (m,): (m, m).

    Bilinear: the map is smoothed by a triangle two pixels wide.
    """
    n = len(field)
    u = x * (n / box_size) - 0.5
    below = np.floor(u)
    share = u - below
    i = below.astype(np.int64) % n
    j = (i + 1) % n
    rows = field[i] * (1 - share)[:, None] + field[j] * share[:, None]
    return rows[:, i] * (1 - share) + rows[:, j] * share


def repeats(box: Box) -> float:
    """How often the box fits across the field at the farthest plane: above 1 the field repeats itself there."""
    last: Plane = planes(box)[-1]
    return float(np.deg2rad(cone_of(box).field_deg) * last.chi / box.box_size)
