"""Halo catalogues on disk: reads any format that it knows, writes the SubFind layout of CAMELS.

Knows which formats there are and that a catalogue must be of the box that is asked for; `sim.subfind`, `sim.rockstar`,
`sim.halo_csv` and `sim.compaso` know the formats.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from sim import compaso, file_set, halo_csv, rockstar, subfind
from sim.halo_list import Halos, PeriodicBox
from sim.subfind import write

__all__ = ["Halos", "read", "stated", "write"]

TOLERANCE = 1e-3
"""Relative difference at which two files no longer mean the same box, 1 + redshift, omega_m or h."""


class Format(Protocol):
    """What a module that knows one format offers."""

    def recognised(self, path: Path) -> bool:
        """Whether `path` is of this format, by its name and first bytes."""

    def stated(self, path: Path) -> dict[str, float]:
        """What it says of box_size [Mpc/h], redshift, omega_m and h; names it does not say are left out."""

    def read(self, path: Path, box: PeriodicBox) -> Halos:
        """Its halos, which are in `box`."""


FORMATS: tuple[Format, ...] = (subfind, compaso, halo_csv, rockstar)


def read(path: Path, *, box_size: float, redshift: float, omega_m: float | None = None) -> Halos:
    """The halos of a box of side box_size [Mpc/h].

    `path` is SubFind/FOF HDF5 (a file, a set or its folder; ours too), a Rockstar list, a .csv with columns x, y, z
    [Mpc/h], m200c [Msun/h] and perhaps r200c [Mpc/h], or CompaSO (its folder, with abacusutils installed, or an .npz
    extract), whose masses are converted: see `sim.compaso`. FileNotFoundError for a missing file or part; ValueError
    naming the file when it is truncated, foreign, of another box or redshift, or lists no M200c.
    """
    path = Path(path)
    form, found = _format(path), stated(path)
    for name, expected in (("box_size", box_size), ("redshift", redshift), ("omega_m", omega_m)):
        if expected is not None and differ(name, found.get(name, expected), expected):
            raise ValueError(f"{path}: expected {name} {expected:.6g}, got {found[name]:.6g}")
    return form.read(path, PeriodicBox(box_size, redshift, found.get("omega_m", omega_m)))


def stated(path: Path) -> dict[str, float]:
    """What a catalogue says of its box_size [Mpc/h], redshift, omega_m and h; errors as those of `read`."""
    return _format(Path(path)).stated(Path(path))


def differ(quantity: str, a: float, b: float) -> bool:
    """Whether two numbers that files say of a quantity are not the same to TOLERANCE."""
    return not abs(a - b) <= TOLERANCE * (1 + b if quantity == "redshift" else abs(b))


def _format(path: Path) -> Format:
    """The format of `path`; FileNotFoundError when there is nothing, ValueError when none knows it."""
    if not path.exists():
        file_set.first(path, "catalogue")
    for form in FORMATS:
        if form.recognised(path):
            return form
    known = "SubFind HDF5, a Rockstar list, CSV or CompaSO"
    raise ValueError(f"{path}: expected a halo catalogue ({known}), got something else")
