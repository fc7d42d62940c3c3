"""Halos as a catalogue lists them, whoever found them: places, M200c and R200c in one periodic box.

Knows nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.halos import OVERDENSITY, flat_critical_density
from sim.units import RHO_CRITICAL

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_NOW = 1e-6
"""Snapshots of today say redshifts like 2e-16."""
_SPHERE_FACTOR = 0.3
"""The median halo whose mass is further than this from that of its sphere is in other units."""


@dataclass(frozen=True)
class PeriodicBox:
    """What a catalogue must be of: a side [Mpc/h], a redshift, and the matter density where it is known."""

    box_size: float
    redshift: float
    omega_m: float | None = None

    @property
    def sphere_density(self) -> float | None:
        """200 times the critical density of flat LCDM, Msun/h in a comoving (Mpc/h)^3; None where it is not known."""
        if abs(self.redshift) < _NOW:
            return OVERDENSITY * RHO_CRITICAL
        if self.omega_m is None:
            return None
        return OVERDENSITY * flat_critical_density(self.omega_m, self.redshift)


@dataclass(frozen=True)
class Halos:
    """h halos of a box of side box_size [Mpc/h].

    number (h,) is the row in the source, from 0, before any selection; center (h, 3) comoving Mpc/h in [0, box_size);
    m200c (h,) Msun/h and r200c (h,) comoving Mpc/h, both 0 where the source has no sphere for a group.
    """

    number: Integers
    center: Array
    m200c: Array
    r200c: Array
    box_size: float
    redshift: float

    def __post_init__(self) -> None:
        n = len(self.number)
        for name, shape in (("number", (n,)), ("center", (n, 3)), ("m200c", (n,)), ("r200c", (n,))):
            if np.shape(getattr(self, name)) != shape:
                raise ValueError(f"halos: expected {name} of shape {shape}, got {np.shape(getattr(self, name))}")
        if not ((self.center >= 0) & (self.center < self.box_size)).all():
            raise ValueError(f"halos: expected centres from 0 to below {self.box_size} Mpc/h, got others")

    def __len__(self) -> int:
        return len(self.number)

    def taken(self, rows: NDArray[np.bool_] | Integers) -> Halos:
        """Some of the halos, with the numbers that they have."""
        columns = (self.number[rows], self.center[rows], self.m200c[rows], self.r200c[rows])
        return Halos(*columns, self.box_size, self.redshift)

    def above(self, min_mass: float) -> Halos:
        """Those with m200c > `min_mass` [Msun/h], in the same order."""
        return self.taken(self.m200c > min_mass)


def listed(center: Array, m200c: Array, r200c: Array | None, box: PeriodicBox) -> Halos:
    """The halos of `box` as a file lists them, numbered by row.

    Centres half a box outside are wrapped; without `r200c` [comoving Mpc/h] it is the radius of the sphere of `m200c`
    [Msun/h]. ValueError for what is not finite, further outside or negative, for masses and radii that are not those of
    one sphere (other units), and for a redshift without omega_m where a radius is to be computed.
    """
    if r200c is None:
        r200c = sphere_radius(m200c, box)
    _refuse_nonsense(center, m200c, r200c, box)
    # The remainder of a tiny negative number rounds to box_size, which is 0.
    center = np.mod(center, box.box_size)
    center = np.where(center < box.box_size, center, 0.0)
    return Halos(np.arange(len(m200c)), center, m200c, r200c, box.box_size, box.redshift)


def sphere_radius(m200c: Array, box: PeriodicBox) -> Array:
    """R200c (h,) comoving Mpc/h of `m200c` (h,) Msun/h."""
    if box.sphere_density is None:
        raise ValueError(f"expected omega_m, without which R200c at redshift {box.redshift} is not known, got none")
    return np.cbrt(np.maximum(m200c, 0) / (4 / 3 * np.pi * box.sphere_density))


def _refuse_nonsense(center: Array, m200c: Array, r200c: Array, box: PeriodicBox) -> None:
    """ValueError when the columns of a catalogue cannot be true of `box`."""
    for name, values, low, high in (
        ("centres", center, -0.5 * box.box_size, 1.5 * box.box_size),
        ("M200c", m200c, 0, np.finfo(float).max),
        ("R200c", r200c, 0, box.box_size),
    ):
        if len(values) and not (values.min() >= low and values.max() <= high):
            got = f"{values.min():.6g} to {values.max():.6g}"
            raise ValueError(f"expected finite {name} from {low:.6g} to {high:.6g} in Mpc/h and Msun/h, got {got}")
    massive = (m200c > 0) & (r200c > 0)
    if box.sphere_density is not None and massive.any():
        sphere = 4 / 3 * np.pi * r200c[massive] ** 3 * box.sphere_density
        ratio = float(np.median(m200c[massive] / sphere))
        if abs(ratio - 1) > _SPHERE_FACTOR:
            raise ValueError(f"expected M200c of the sphere of R200c at redshift {box.redshift}, got {ratio:.4g} of it")
