"""Which halos of a simulation a set has, where the many light ones are to be fewer. Knows nothing of files."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from sim.halo_list import Halos


def thinned(halos: Halos, full_mass: float, *, seed: int, simulation: str) -> Halos:
    """All halos of at least `full_mass` [Msun/h], and of those of M200c below it a share M200c / full_mass.

    Which ones is drawn by a hash of seed, simulation and the row of the halo in its catalogue: the same on every
    machine, and whatever the other halos are.
    """
    return halos.taken(draws(halos.number, seed, simulation) * full_mass < halos.m200c)


def draws(number: NDArray[np.int64], seed: int, simulation: str) -> NDArray[np.float64]:
    """A number in [0, 1) for each halo (h,)."""
    words = ["\x1f".join(("thinned", str(seed), simulation, str(row))) for row in number.tolist()]
    digests = [hashlib.blake2b(word.encode(), digest_size=8).digest() for word in words]
    return np.array([int.from_bytes(digest, "little") >> 11 for digest in digests], np.float64) / 2**53
