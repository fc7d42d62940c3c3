"""Which halo of one side of a pair is which of the other: one to one, or none. Knows nothing of files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sim.halo_list import Halos

MASS_RATIO = 2.0
"""Baryons change M200c by less than this factor; more is another halo."""


def matched(halos: Halos, others: Halos) -> NDArray[np.int64]:
    """For each of h `halos` the row of its counterpart in `others` (h,), -1 where it has none.

    Two are counterparts when each is, among the halos within a factor MASS_RATIO of its mass, the nearest to the other,
    and no further than the R200c of the first: the relation is one to one. ValueError for boxes of other sizes.
    """
    if halos.box_size != others.box_size:
        raise ValueError(f"matched: expected boxes of one size, got {halos.box_size} and {others.box_size} Mpc/h")
    there, back = _nearest(halos, others), _nearest(others, halos)
    mutual = (there >= 0) & (back[there] == np.arange(len(halos))) if len(others) else np.zeros(len(halos), bool)
    return np.where(mutual, there, -1)


def _nearest(halos: Halos, others: Halos) -> NDArray[np.int64]:
    """The nearest of similar mass within R200c of each halo (h,), the first of equals; -1 without one."""
    nearest = np.full(len(halos), -1)
    if not len(others):
        return nearest
    tree = cKDTree(others.center, boxsize=others.box_size)
    for i, near in enumerate(tree.query_ball_point(halos.center, halos.r200c)):
        rows = np.array(sorted(near), np.int64)
        similar = rows[np.abs(np.log(np.maximum(others.m200c[rows], 1e-30) / halos.m200c[i])) < np.log(MASS_RATIO)]
        if len(similar):
            offset = others.center[similar] - halos.center[i]
            offset -= halos.box_size * np.rint(offset / halos.box_size)
            nearest[i] = similar[np.argmin((offset**2).sum(axis=1))]
    return nearest
