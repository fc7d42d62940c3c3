"""The dark matter of a box, seen as the training maps saw theirs: from a run of ours, or from anybody's snapshot.

Knows which of them is repaired first; knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from configs import Baryons
from sim import snapshot
from sim.maps import project
from sim.sides import read_output, read_record, resolved

Axis = Literal[0, 1, 2]
DEPTH_TOLERANCE = 0.01


@dataclass(frozen=True)
class Matter:
    """Positions (n, 3) [Mpc/h] and masses [Msun/h] of dark matter in a box, and what is known of its universe by name.

    `name` is what it was read from.
    """

    pos: NDArray[np.float32]
    mass: float | NDArray[np.float32]
    box_size: float
    known: Mapping[str, float]
    name: str

    def map(self, *, pixel_size: float, depth: float, stride: int, axis: Axis = 2) -> NDArray[np.float32]:
        """Surface density (P, P) [Msun/h/(Mpc/h)^2] along `axis`; ValueError for a box that is not as deep or wide.

        P is the multiple of `stride` that brings pixels closest to `pixel_size` [Mpc/h]; of a deeper box the first
        `depth` [Mpc/h] are seen.
        """
        n_pixels = stride * round(self.box_size / pixel_size / stride)
        if n_pixels < stride:
            least = f"at least {stride} pixels of {pixel_size:g} Mpc/h"
            raise ValueError(f"{self.name}: expected a box of {least}, got {self.box_size:g} Mpc/h")
        if self.box_size < depth * (1 - DEPTH_TOLERANCE):
            raise ValueError(f"{self.name}: expected a box of at least {depth:g} Mpc/h, got {self.box_size:g}")
        slab = (0.0, depth) if self.box_size > depth * (1 + DEPTH_TOLERANCE) else None
        return project(self.pos, self.mass, self.box_size, n_pixels, axis, slab=slab)


def read_matter(path: Path, baryons: Baryons, *, redshift: float = 0.0) -> Matter:
    """Of the folder of one of our boxes, its halos repaired as for training, or of a snapshot, as it is.

    `redshift` says which output of a box. FileNotFoundError or ValueError names what is missing or unreadable.
    """
    if (path / "box.json").is_file():
        return of_box(path, baryons, redshift)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a snapshot, or the folder of a box, found nothing")
    found = snapshot.read(path)
    particles = found.particles["dark_matter"]
    known = {"omega_m": found.omega_m, "h": found.h, "redshift": found.redshift}
    return Matter(particles.pos, particles.mass, found.box_size, known, path.name)


def of_box(folder: Path, baryons: Baryons, redshift: float) -> Matter:
    """What a box of ours would be without its softening."""
    box = read_record(folder).box
    particles = read_output(folder, box, redshift).particles["dark_matter"]
    mass = float(np.ravel(particles.mass)[0])
    pos, _ = resolved(particles.pos, mass, box, baryons, redshift=redshift, seed=box.seed)
    return Matter(pos, mass, box.box_size, box.cosmology.model_dump() | {"redshift": redshift}, folder.name)
