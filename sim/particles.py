"""What a snapshot is in memory: species of particles in a periodic box. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Species = Literal["gas", "dark_matter", "stars", "black_holes"]


@dataclass(frozen=True)
class Particles:
    """One species of n particles: comoving positions, peculiar velocities, one mass for all or one each.

    pos (n, 3) Mpc/h, vel (n, 3) km/s, mass a number or (n,) Msun/h, ids (n,).
    """

    pos: NDArray[np.float32]
    vel: NDArray[np.float32]
    mass: float | NDArray[np.float32]
    ids: NDArray[np.uint64]

    def __post_init__(self) -> None:
        n = len(self.ids)
        for name, expected in (("pos", (n, 3)), ("vel", (n, 3)), ("mass", (n,))):
            shape = np.shape(getattr(self, name))
            if shape != expected and not (name == "mass" and shape == ()):
                raise ValueError(f"particles: expected {name} of shape {expected} beside {n} ids, got {shape}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def total_mass(self) -> float:
        """Msun/h, summed in float64."""
        return _total(self.mass, len(self))


@dataclass(frozen=True)
class Tracer:
    """Where the mass of one species is: pos (n, 3) Mpc/h in [0, box_size), mass a number or (n,) Msun/h."""

    pos: NDArray[np.float32]
    mass: float | NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.pos)
        if np.shape(self.pos) != (n, 3) or np.shape(self.mass) not in ((), (n,)):
            got = f"{np.shape(self.pos)} and {np.shape(self.mass)}"
            raise ValueError(f"tracer: expected pos (n, 3) and one mass or (n,), got {got}")

    def __len__(self) -> int:
        return len(self.pos)

    @property
    def total_mass(self) -> float:
        """Msun/h, summed in float64."""
        return _total(self.mass, len(self))


@dataclass(frozen=True, eq=False)
class Tracers(Mapping[Species, Tracer]):
    """The species of a box, by name, at one redshift in a periodic box of side box_size [Mpc/h].

    `n_excluded` particles that the file holds are in none of them: wind that does not count as stars.
    """

    particles: Mapping[Species, Tracer]
    box_size: float
    redshift: float
    omega_m: float
    h: float
    omega_b: float | None = None
    n_excluded: int = 0

    def __getitem__(self, name: Species) -> Tracer:
        return self.particles[name]

    def __iter__(self) -> Iterator[Species]:
        return iter(self.particles)

    def __len__(self) -> int:
        return len(self.particles)


@dataclass(frozen=True)
class Snapshot:
    """Every species at one redshift in a periodic box of side box_size [Mpc/h]; h is H0 / (100 km/s/Mpc)."""

    particles: Mapping[Species, Particles]
    box_size: float
    redshift: float
    omega_m: float
    h: float
    omega_b: float | None = None

    @property
    def scale_factor(self) -> float:
        return 1.0 / (1.0 + self.redshift)


def _total(mass: float | NDArray[np.float32], n: int) -> float:
    return float(mass.sum(dtype=np.float64)) if isinstance(mass, np.ndarray) else n * mass


def wrapped(pos: NDArray[np.floating[Any]], box_size: float) -> NDArray[np.float32]:
    """`pos` taken into [0, box_size) as float32; ValueError when one is not finite or is half a box or more outside."""
    low, high = (float(pos.min()), float(pos.max())) if len(pos) else (0.0, 0.0)
    if not (-0.5001 * box_size <= low and high <= 1.5001 * box_size):
        raise ValueError(f"expected finite positions in a box of {box_size} Mpc/h, got {low} to {high}")
    if low < 0 or high >= box_size:
        pos = np.mod(pos, box_size, dtype=np.float64)
    inside = pos.astype(np.float32, copy=False)
    return np.where(inside < np.float32(box_size), inside, np.float32(0)) if len(pos) else inside
