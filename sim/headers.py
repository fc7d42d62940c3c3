"""What the HDF5 snapshots of Gadget and AREPO say about themselves: units, box, cosmology, particles of each type.

Reads no particle. Trusts no file: numbers that cannot all be true are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from astropy import constants

from sim import file_set, hdf
from sim.units import GADGET_MASS, KPC_PER_MPC

N_TYPES = 6
UNIT_LENGTH_CM = constants.kpc.to_value("cm")
UNIT_MASS_G = GADGET_MASS * constants.M_sun.to_value("g")
UNIT_VELOCITY_CM_PER_S = 1e5


@dataclass(frozen=True)
class Units:
    """Those of a file: lengths over `per_mpc` are in Mpc/h, masses times `mass` in Msun/h, `velocity` is in km/s."""

    per_mpc: float
    mass: float
    velocity: float

    @classmethod
    def of(cls, path: Path, file: h5py.File) -> Units:
        """What the file says, or Gadget's kpc/h, 1e10 Msun/h and km/s; ValueError when they are not positive."""
        found = {
            key: value
            for group in ("Units", "Parameters", "Header")
            if group in file
            for key, value in file[group].attrs.items()
            if key.startswith("Unit")
        }
        units = cls(
            per_mpc=KPC_PER_MPC / _unit(found, "UnitLength_in_cm", UNIT_LENGTH_CM),
            mass=_unit(found, "UnitMass_in_g", UNIT_MASS_G) * GADGET_MASS,
            velocity=_unit(found, "UnitVelocity_in_cm_per_s", UNIT_VELOCITY_CM_PER_S),
        )
        if not (units.per_mpc > 0 and units.mass > 0 and units.velocity > 0):
            raise ValueError(f"{path}: expected units > 0, got {found}")
        return units


@dataclass(frozen=True)
class Header:
    """What one file says about itself and its set: counts and totals of the types 0 to 5, Mpc/h and Msun/h."""

    path: Path
    counts: tuple[int, ...]
    totals: tuple[int, ...]
    n_files: int
    table: tuple[float, ...]
    box_size: float
    redshift: float
    omega_m: float
    h: float
    omega_b: float | None
    units: Units

    def same_set(self, other: Header) -> bool:
        """True when both can be parts of one snapshot."""
        names = ("totals", "n_files", "table", "box_size", "redshift", "omega_m", "h", "units")
        return all(getattr(self, name) == getattr(other, name) for name in names)


def read(path: Path) -> list[Header]:
    """The checked header of every file of the set that `path` names, in the order of the files.

    FileNotFoundError names the part that is missing, ValueError the file that is foreign or belongs to another set.
    """
    first = _read_one(file_set.first(path, "snapshot"))
    headers = [_read_one(part) for part in file_set.parts(first.path, first.n_files, "snapshot")]
    for header in headers:
        if not header.same_set(first):
            raise ValueError(f"{header.path}: expected a part of the snapshot of {first.path.name}, got another header")
    held = tuple(sum(counts) for counts in zip(*(header.counts for header in headers), strict=True))
    if held != first.totals:
        raise ValueError(f"{path}: expected NumPart_Total {first.totals}, got {held} in {len(headers)} file(s)")
    return headers


def _read_one(path: Path) -> Header:
    with hdf.opened(path) as file:
        if "Header" not in file:
            raise ValueError(f"{path}: expected a Gadget snapshot with a Header, got {', '.join(file) or 'no group'}")
        massive = [f"PartType{i}" for i in (2, 3) if f"PartType{i}/Masses" in file]
        if massive:
            raise ValueError(f"{path}: expected mass in types 0, 1, 4 and 5 only, got {', '.join(massive)}")
        return _header(path, hdf.header(path, file), Units.of(path, file))


def _header(path: Path, attributes: Mapping[str, Any], units: Units) -> Header:
    """The header in our units; ValueError names what is absent, malformed or contradictory."""

    def six(name: str) -> list[float]:
        return hdf.numbers(path, attributes, name, N_TYPES)

    def one(name: str) -> float:
        return hdf.number(path, attributes, name)

    high = six("NumPart_Total_HighWord") if "NumPart_Total_HighWord" in attributes else [0] * N_TYPES
    header = Header(
        path=path,
        counts=tuple(int(n) for n in six("NumPart_ThisFile")),
        totals=tuple(int(n) + (int(m) << 32) for n, m in zip(six("NumPart_Total"), high, strict=True)),
        n_files=int(one("NumFilesPerSnapshot")),
        table=tuple(m * units.mass for m in six("MassTable")),
        box_size=one("BoxSize") / units.per_mpc,
        redshift=one("Redshift"),
        omega_m=one("Omega0"),
        h=one("HubbleParam"),
        omega_b=one("OmegaBaryon") if "OmegaBaryon" in attributes else None,
        units=units,
    )
    _refuse_nonsense(header, one("Time"))
    return header


def _unit(units: Mapping[str, Any], name: str, expected: float) -> float:
    """The file's unit over Gadget's: 1 when absent (Gadget's convention) or equal to three digits, as 1.989e43 g is."""
    factor = float(np.asarray(units.get(name, expected)).ravel()[0]) / expected
    return 1.0 if abs(factor - 1) < 1e-3 else factor


def _refuse_nonsense(header: Header, time: float) -> None:
    """ValueError when the numbers of a header cannot all be true."""
    problems = {
        "BoxSize > 0": not header.box_size > 0,
        "NumFilesPerSnapshot >= 1": header.n_files < 1,
        "Redshift > -1": not header.redshift > -1,
        "Time = 1 / (1 + Redshift)": abs(time * (1 + header.redshift) - 1) > 1e-3,
        "0 < Omega0 <= 1": not 0 < header.omega_m <= 1,
        "HubbleParam from 0.1 to 2": not 0.1 <= header.h <= 2,
        "masses >= 0": min(header.table) < 0,
        "NumPart_ThisFile from 0 to NumPart_Total": any(
            not 0 <= n <= total for n, total in zip(header.counts, header.totals, strict=True)
        ),
        "no mass of type 2 or 3": any(header.table[i] and header.totals[i] for i in (2, 3)),
    }
    for law, broken in problems.items():
        if broken:
            raise ValueError(f"{header.path}: expected a header with {law}, got {header}")
