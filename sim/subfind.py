"""The halo catalogues of FOF and SubFind in HDF5, as AREPO and CAMELS write them, in one file or many; also our own.

Positions and radii in comoving kpc/h, masses in 1e10 Msun/h, velocities of groups times the scale factor. Trusts no
file: what it declares is compared with what it holds before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from configs.files import replacing
from sim import file_set, hdf
from sim.halo_list import Array, Halos, PeriodicBox, listed
from sim.halos import Catalog
from sim.headers import UNIT_LENGTH_CM, UNIT_MASS_G, UNIT_VELOCITY_CM_PER_S, Units
from sim.units import GADGET_MASS, KPC_PER_MPC

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_COLUMNS = ("GroupPos", "Group_M_Crit200", "Group_R_Crit200")


def recognised(path: Path) -> bool:
    """Whether `path` is an HDF5 file, the name of a set without the number, or a folder of them."""
    try:
        with file_set.first(path, "catalogue").open("rb") as stream:
            return stream.read(len(_SIGNATURE)) == _SIGNATURE or path.suffix in hdf.SUFFIXES
    except FileNotFoundError:
        return False


def stated(path: Path) -> dict[str, float]:
    """box_size [Mpc/h], redshift, omega_m and h of the header; errors as those of `read`."""
    first = _headers(path)[0]
    return {name: getattr(first, name) for name in ("box_size", "redshift", "omega_m", "h")}


def read(path: Path, box: PeriodicBox) -> Halos:
    """Every group of a file, of a set or of its folder, in the order of the files; M200c is 0 where the file says so.

    Centres are GroupPos, of the most bound particle. FileNotFoundError names the part that is missing, ValueError the
    file that is truncated, foreign or inconsistent.
    """
    parts = [_read_groups(header) for header in _headers(path)]
    center, mass, radius = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    try:
        return listed(center, mass, radius, box)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def write(
    path: Path,
    catalog: Catalog,
    redshift: float,
    *,
    omega_m: float,
    h: float,
    columns: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Write a catalogue of ours as one file that readers of CAMELS open; `columns` (h, ...) go to Group by name.

    GroupPos, GroupLen, GroupMass, Group_M_Crit200 and Group_R_Crit200, and where the catalogue has them GroupVel and
    the two of Mean200; float64. Equal content gives equal bytes. ValueError for a column that is not one row a halo or
    has a name that is taken.
    """
    if Path(path).suffix not in hdf.SUFFIXES:
        raise ValueError(f"{path}: expected a name ending in {' or '.join(hdf.SUFFIXES)}")
    groups = _groups(catalog, redshift)
    for name, values in sorted((columns or {}).items()):
        if name in groups or "/" in name or np.shape(values)[:1] != (len(catalog),) or values.dtype.kind not in "iufb":
            raise ValueError(f"{path}: expected a new column of {len(catalog)} numbers, got {name} {np.shape(values)}")
        groups[name] = values
    with replacing(Path(path)) as temporary, h5py.File(temporary, "w") as file:
        file.create_group("Header").attrs.update(_header_attributes(catalog, redshift, omega_m, h))
        file.create_group("Group").update(groups)
        file.create_group("Subhalo")


def _groups(catalog: Catalog, redshift: float) -> dict[str, NDArray[Any]]:
    """The columns of a catalogue in the units of a file."""
    groups: dict[str, NDArray[Any]] = {
        "GroupPos": catalog.center * KPC_PER_MPC,
        "GroupLen": catalog.n_particles,
        "GroupMass": catalog.mass_fof / GADGET_MASS,
        "Group_M_Crit200": catalog.m200c / GADGET_MASS,
        "Group_R_Crit200": catalog.r200c * KPC_PER_MPC,
    }
    if catalog.vel is not None:
        groups["GroupVel"] = catalog.vel / (1 + redshift)
    if catalog.m200m is not None and catalog.r200m is not None:
        groups["Group_M_Mean200"] = catalog.m200m / GADGET_MASS
        groups["Group_R_Mean200"] = catalog.r200m * KPC_PER_MPC
    return groups


def _header_attributes(catalog: Catalog, redshift: float, omega_m: float, h: float) -> dict[str, Any]:
    """What AREPO writes and what yt reads, for one file without subhalos."""
    counts = {"Ngroups": len(catalog), "Nsubgroups": 0, "Nids": 0}
    return {
        **{f"{name}_{which}": np.int64(n) for name, n in counts.items() for which in ("ThisFile", "Total")},
        "NumFiles": np.int32(1),
        "Time": 1 / (1 + redshift),
        "Redshift": float(redshift),
        "BoxSize": catalog.box_size * KPC_PER_MPC,
        "Omega0": float(omega_m),
        "OmegaLambda": 1.0 - omega_m,
        "HubbleParam": float(h),
        "UnitLength_in_cm": UNIT_LENGTH_CM,
        "UnitMass_in_g": UNIT_MASS_G,
        "UnitVelocity_in_cm_per_s": UNIT_VELOCITY_CM_PER_S,
    }


@dataclass(frozen=True)
class _Header:
    """What one file says about itself and its set. Mpc/h, Msun/h."""

    path: Path
    count: int
    total: int
    n_files: int
    box_size: float
    redshift: float
    omega_m: float
    h: float
    units: Units

    def same_set(self, other: _Header) -> bool:
        """True when both can be parts of one catalogue."""
        names = ("total", "n_files", "box_size", "redshift", "omega_m", "h", "units")
        return all(getattr(self, name) == getattr(other, name) for name in names)


def _headers(path: Path) -> list[_Header]:
    """The checked header of every file of the set that `path` names."""
    first = _read_header(file_set.first(path, "catalogue"))
    headers = [_read_header(part) for part in file_set.parts(first.path, first.n_files, "catalogue")]
    for header in headers:
        if not header.same_set(first):
            raise ValueError(
                f"{header.path}: expected a part of the catalogue of {first.path.name}, got another header"
            )
    held = sum(header.count for header in headers)
    if held != first.total:
        raise ValueError(f"{path}: expected Ngroups_Total {first.total}, got {held} in {len(headers)} file(s)")
    return headers


def _read_header(path: Path) -> _Header:
    with hdf.opened(path) as file:
        attributes = hdf.header(path, file)
        if "Ngroups_Total" not in attributes:
            raise ValueError(f"{path}: expected a catalogue with Header/Ngroups_Total, got {', '.join(file)}")

        def number(name: str) -> float:
            return hdf.number(path, attributes, name)

        units = Units.of(path, file)
        header = _Header(
            path=path,
            count=int(number("Ngroups_ThisFile")),
            total=int(number("Ngroups_Total")),
            n_files=int(number("NumFiles")),
            box_size=number("BoxSize") / units.per_mpc,
            redshift=number("Redshift"),
            omega_m=number("Omega0"),
            h=number("HubbleParam"),
            units=units,
        )
    if not (header.box_size > 0 and header.redshift > -1 and 0 <= header.count <= header.total and header.n_files >= 1):
        raise ValueError(
            f"{path}: expected BoxSize > 0, Redshift > -1 and 0 <= Ngroups_ThisFile <= Ngroups_Total, got {header}"
        )
    return header


def _read_groups(header: _Header) -> tuple[Array, Array, Array]:
    """Centres, M200c and R200c of the groups of one file."""
    n = header.count
    if n == 0:
        return np.empty((0, 3)), np.empty(0), np.empty(0)
    with hdf.opened(header.path) as file:
        for name in _COLUMNS:
            hdf.check_dataset(file, header.path, f"Group/{name}", (n, 3) if name == "GroupPos" else (n,))
        pos, mass, radius = (file["Group"][name][...].astype(np.float64) for name in _COLUMNS)
    return pos / header.units.per_mpc, mass * header.units.mass, radius / header.units.per_mpc
