"""Halos of clumps, and whether two catalogues are the same to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from clumps import BOX, Positions

from sim.halos import Catalog, find

FIELDS = (
    "center",
    "mass_fof",
    "n_particles",
    "m200c",
    "r200c",
    "vel",
    "m200m",
    "r200m",
    "concentration",
    "spin",
    "shape",
)


def halos(pos: Positions, **options: Any) -> Catalog:
    """The halos of particles of 1e12 Msun/h."""
    return find(pos, 1e12, BOX, **({"omega_m": 0.3, "linking_length": 0.4} | options))


def assert_identical(a: Catalog, b: Catalog) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
