"""Minkowski functionals of the regions of a periodic cube above a threshold, from counts of voxels and their sides.

What is counted of maps in `minkowski`, in three dimensions: voxels, faces, edges and corners of a region are counts of
the values of minima and maxima over neighbours.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from learn.scores.minkowski import Extreme, beside, share_above

Array = NDArray[np.float64]


def functionals(values: Array, thresholds: Array, voxel: float) -> Array:
    """Volume fraction, and over the volume a sixth of the area, the mean curvature / 3 pi and the Euler number.

    (4, thresholds), of values (P, P, P), voxels of side `voxel`: powers 0 to 3 of h/Mpc. By Crofton's formula from
    numbers of voxels, faces, edges and corners (Schmalzing & Buchert 1997, astro-ph/9702130), the mean of the region
    with its border and without: in one, voxels that touch at an edge or a corner are connected, in the other they are
    not.
    """
    (voxels, *closed), (_, *inner) = (counted(values, thresholds, extreme) for extreme in (np.maximum, np.minimum))
    area = (closed[0] - inner[0]) / 9
    curvature = (closed[1] + inner[1] - 2 * (closed[0] + inner[0]) + 6 * voxels) / 9
    euler = (closed[2] - closed[1] + closed[0] - inner[0] + inner[1] - inner[2]) / 2
    return np.stack([voxels, area / voxel, curvature / voxel**2, euler / voxel**3])


def counted(values: Array, thresholds: Array, extreme: Extreme) -> list[Array]:
    """Voxels, faces, edges and corners a voxel for which `extreme` over the voxels at them is above: (thresholds,)."""
    found = []
    for n_axes in range(4):
        shares = []
        for axes in combinations(range(3), n_axes):
            one = values
            for axis in axes:
                one = beside(one, axis, extreme)
            shares.append(share_above(one, thresholds))
        found.append(np.sum(shares, axis=0))
    return found
