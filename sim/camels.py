"""Where a CAMELS suite keeps the two sides of each simulation, its halos and its parameters, and that they agree.

Reads no particle but to weigh them all. Omega_m and h differ from one simulation of a suite to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim import catalogs, gadget, headers, parameter_table
from sim.headers import Header
from sim.parameter_table import ParameterTable
from sim.units import RHO_CRITICAL

MASS_TOLERANCE = 0.01
"""By how much the mass of a box may differ from that of Omega_m; wrong units miss it by far more."""

_SNAPSHOTS = (("snap", ".hdf5"), ("snapshot", ".hdf5"), ("snapdir", ""))
_CATALOGS = (("fof_subhalo_tab", ".hdf5"), ("groups", ".hdf5"), ("fof_subhalo_tab", ".0.hdf5"), ("groups", ""))


@dataclass(frozen=True)
class Pair:
    """One simulation: its dark-matter-only and hydrodynamic snapshots, halos and parameters, in the order of the table.

    Paths are what `snapshot.read_tracers` and `catalogs.read` take.
    """

    name: str
    dmo: Path
    hydro: Path
    catalog: Path
    params: NDArray[np.float64]
    param_names: tuple[str, ...]
    seed: int | None
    cosmology: dict[str, float]
    """omega_m, h and omega_b, as far as the table has them."""


@dataclass(frozen=True)
class Suite:
    """The folders that hold {name}/snap_090.hdf5 or the like of each side, those of the halos, and the table.

    `set_name` (SB35, LH, 1P, CV) begins the name of each simulation, SB35_0 or 1P_p1_n2; `snapshot` is its number.
    """

    dmo: Path
    hydro: Path
    catalogs: Path
    parameters: Path
    set_name: str
    snapshot: int = 90

    @cached_property
    def table(self) -> ParameterTable:
        """The rows of this set; errors as those of `parameter_table.read`."""
        return parameter_table.read(self.parameters, self.set_name)

    def names(self, *, present: bool = False) -> tuple[str, ...]:
        """The simulations of the table, in its order; with `present` those that have a folder of DMO."""
        return tuple(name for name in self.table.names if not present or (self.dmo / name).is_dir())

    def pair(self, name: str) -> Pair:
        """FileNotFoundError names the simulation and what is missing, ValueError one that is not in the table."""
        row = self.table.row(name)
        if row is None:
            raise ValueError(f"{self.parameters}: expected a row of {name}, got none among {len(self.table.names)}")
        return Pair(
            name=name,
            dmo=_found(name, "DMO snapshot", self._snapshots(self.dmo / name)),
            hydro=_found(name, "hydrodynamic snapshot", self._snapshots(self.hydro / name)),
            catalog=_found(name, "halo catalogue", self._catalogs(self.catalogs / name)),
            params=self.table.values[row],
            param_names=self.table.param_names,
            seed=None if self.table.seeds is None else int(self.table.seeds[row]),
            cosmology=self.table.cosmology(row),
        )

    def _snapshots(self, folder: Path) -> list[Path]:
        """Where a snapshot may be: one file or a folder of them, under the names of before and of 2024."""
        number = f"{self.snapshot:03d}"
        return [folder / f"{name}_{number}{end}" for name, end in _SNAPSHOTS]

    def _catalogs(self, folder: Path) -> list[Path]:
        """Where a catalogue may be: of SubFind in one file or a folder, of Rockstar, or a CSV."""
        number = f"{self.snapshot:03d}"
        names = [f"{name}_{number}{end}" for name, end in _CATALOGS]
        return [folder / name for name in (*names, f"out_{self.snapshot}.list", f"halos_{number}.csv")]


def check(pair: Pair) -> None:
    """ValueError, naming the simulation and the files, unless the sides, the halos and the table are of one box.

    Box size, redshift, Omega_m and h agree to 1e-3, as far as each says them. The hydrodynamic side has gas, the other
    dark matter alone. The mass of each is that of Omega_m within 1 %, and so they are of each other: it tells wrong
    units, and a snapshot of which something is missing.
    """
    dmo, hydro = headers.read(pair.dmo)[0], headers.read(pair.hydro)[0]
    said: dict[str, dict[str, float]] = {
        str(pair.dmo): _stated(dmo),
        str(pair.hydro): _stated(hydro),
        str(pair.catalog): catalogs.stated(pair.catalog),
        "the parameter table": pair.cosmology,
    }
    for quantity in _stated(dmo):
        values = {who: numbers[quantity] for who, numbers in said.items() if quantity in numbers}
        _refuse_difference(pair.name, quantity, values)
    _refuse_species(pair, dmo, hydro)
    _refuse_masses(pair, dmo.omega_m * RHO_CRITICAL * dmo.box_size**3)


def _found(name: str, what: str, places: list[Path]) -> Path:
    """The first of `places` that is there; FileNotFoundError."""
    for place in places:
        if place.exists():
            return place
    others = ", ".join(place.name for place in places[1:])
    raise FileNotFoundError(f"{name}: no {what}: expected {places[0]} (or, there, {others})")


def _stated(header: Header) -> dict[str, float]:
    return {name: getattr(header, name) for name in ("box_size", "redshift", "omega_m", "h")}


def _refuse_difference(name: str, quantity: str, values: Mapping[str, float]) -> None:
    """ValueError when one of those who say a quantity says another number than the first."""
    (first, expected), *others = values.items()
    for who, value in others:
        if catalogs.differ(quantity, value, expected):
            raise ValueError(f"{name}: {quantity}: {first} says {expected:.6g}, {who} says {value:.6g}")


def _refuse_species(pair: Pair, dmo: Header, hydro: Header) -> None:
    """ValueError unless one side is dark matter alone and the other has gas."""
    alone, both = ([species for species, i in gadget.PART_TYPES.items() if header.totals[i]] for header in (dmo, hydro))
    if alone != ["dark_matter"]:
        raise ValueError(f"{pair.name}: {pair.dmo}: expected dark_matter alone, got {', '.join(alone)}")
    if not {"gas", "dark_matter"} <= set(both):
        raise ValueError(f"{pair.name}: {pair.hydro}: expected gas and dark_matter, got {', '.join(both)}")


def _refuse_masses(pair: Pair, expected: float) -> None:
    """ValueError unless both sides weigh `expected` [Msun/h] and as much as each other."""
    dmo, hydro = gadget.total_mass(pair.dmo), gadget.total_mass(pair.hydro)
    for path, got, against in ((pair.dmo, dmo, expected), (pair.hydro, hydro, expected), (pair.hydro, hydro, dmo)):
        if abs(got / against - 1) > MASS_TOLERANCE:
            raise ValueError(f"{pair.name}: {path}: expected a mass of {against:.6g} Msun/h within 1 %, got {got:.6g}")
