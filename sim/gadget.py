"""The HDF5 snapshots of Gadget and AREPO in the layout of CAMELS, in one file or many.

Positions in kpc/h, masses in 1e10 Msun/h, velocities in sqrt(a) km/s. Trusts no file: what it declares is compared with
what it holds before anything is allocated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from astropy import constants
from numpy.typing import NDArray

from configs.files import replacing
from sim.particles import Particles, Snapshot, Species, wrapped
from sim.units import GADGET_MASS, KPC_PER_MPC

SUFFIXES = (".hdf5", ".h5")
PART_TYPES: dict[Species, int] = {"gas": 0, "dark_matter": 1, "stars": 4, "black_holes": 5}

_N_TYPES = 6
_FLAGS = ("Sfr", "Cooling", "StellarAge", "Metals", "Feedback", "DoublePrecision")
DEFLATE_LIMIT = 1032
"""Deflate never packs bytes tighter than this: who declares more is lying."""
N_CONVERTED = 1 << 20
"""Particles whose units are converted at a time when a file is written."""

_UNIT_LENGTH_CM = constants.kpc.to_value("cm")
_UNIT_MASS_G = GADGET_MASS * constants.M_sun.to_value("g")
_UNIT_VELOCITY_CM_PER_S = 1e5


def write(
    path: Path, snapshot: Snapshot, *, n_files: int = 1, attributes: Mapping[str, str | float] | None = None
) -> list[Path]:
    """Write `path`, or `name.0.hdf5`, `name.1.hdf5`... beside it when n_files > 1; the files written.

    Coordinates are float64, so float32 positions in Mpc/h come back bit for bit; velocities and per-particle masses are
    float32 and come back to one unit in the last place. `attributes` go to the group `Darkglass`. Equal content gives
    equal bytes.
    """
    path = Path(path)
    if n_files < 1 or path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: expected a name ending in {' or '.join(SUFFIXES)} and n_files >= 1, got {n_files}")
    totals = {name: len(part) for name, part in snapshot.particles.items()}
    return [
        _write_whole(_part_path(path, i, n_files), _share(snapshot, i, n_files), totals, n_files, attributes)
        for i in range(n_files)
    ]


def write_part(
    path: Path,
    snapshot: Snapshot,
    i_file: int,
    n_files: int,
    totals: Mapping[Species, int],
    *,
    attributes: Mapping[str, str | float] | None = None,
) -> Path:
    """Write file `i_file` of a snapshot of `n_files` files, as `write` names and lays them out; the file written.

    `snapshot` holds the particles of this file alone, `totals` how many of each species all files hold together: each
    writer of a set needs to know no more of the others.
    """
    file = _part_path(Path(path), i_file, n_files)
    return _write_whole(file, snapshot, totals, n_files, attributes)


def read(path: Path) -> Snapshot:
    """Read a file, any file of a set or the name of the set without the number, or the folder of a set.

    Particles of each species come in the order of the files. Types 2 and 3 are left out when they have no mass
    (tracers) and refused when they have. Units are those in the file, else Gadget's. FileNotFoundError names the part
    that is missing, ValueError the file that is truncated, foreign or inconsistent.
    """
    headers = _headers(path)
    first = headers[0]
    return Snapshot(
        particles={name: _read_species(headers, i) for name, i in PART_TYPES.items() if first.totals[i]},
        box_size=first.box_size,
        redshift=first.redshift,
        omega_m=first.omega_m,
        h=first.h,
        omega_b=first.omega_b,
    )


def _part_path(path: Path, i_file: int, n_files: int) -> Path:
    """The name of one file of a set."""
    return path if n_files == 1 else path.with_suffix(f".{i_file}{path.suffix}")


def _share(snapshot: Snapshot, i_file: int, n_files: int) -> Snapshot:
    """What one of `n_files` equal files holds of every species: views."""
    return replace(snapshot, particles={name: _cut(part, i_file, n_files) for name, part in snapshot.particles.items()})


def _cut(part: Particles, i_file: int, n_files: int) -> Particles:
    cut = slice(i_file * len(part) // n_files, (i_file + 1) * len(part) // n_files)
    mass = part.mass[cut] if isinstance(part.mass, np.ndarray) else part.mass
    return Particles(part.pos[cut], part.vel[cut], mass, part.ids[cut])


def _write_whole(
    file: Path,
    snapshot: Snapshot,
    totals: Mapping[Species, int],
    n_files: int,
    attributes: Mapping[str, str | float] | None,
) -> Path:
    """Write one file of a set, whole or not at all."""
    with replacing(file) as temporary, h5py.File(temporary, "w") as out:
        out.create_group("Header").attrs.update(_header_attributes(snapshot, totals, n_files))
        for name, part in snapshot.particles.items():
            if len(part):
                _write_particles(out.create_group(f"PartType{PART_TYPES[name]}"), part, snapshot.scale_factor)
        if attributes:
            out.create_group("Darkglass").attrs.update(dict(sorted(attributes.items())))
    return file


def _header_attributes(snapshot: Snapshot, totals: Mapping[Species, int], n_files: int) -> dict[str, Any]:
    """What AREPO writes and what yt and pynbody read, in the header of a file that holds `snapshot`."""
    parts = snapshot.particles
    total = _by_type(totals, np.uint64)
    table = {name: part.mass / GADGET_MASS for name, part in parts.items() if not isinstance(part.mass, np.ndarray)}
    return {
        "NumPart_ThisFile": _by_type({name: len(part) for name, part in parts.items()}, np.int32),
        "NumPart_Total": (total & np.uint64(0xFFFFFFFF)).astype(np.uint32),
        "NumPart_Total_HighWord": (total >> np.uint64(32)).astype(np.uint32),
        "NumFilesPerSnapshot": np.int32(n_files),
        "MassTable": _by_type(table, np.float64),
        "Time": float(snapshot.scale_factor),
        "Redshift": float(snapshot.redshift),
        "BoxSize": snapshot.box_size * KPC_PER_MPC,
        "Omega0": float(snapshot.omega_m),
        "OmegaLambda": 1.0 - snapshot.omega_m,
        **({} if snapshot.omega_b is None else {"OmegaBaryon": float(snapshot.omega_b)}),
        "HubbleParam": float(snapshot.h),
        **{f"Flag_{flag}": np.int32(0) for flag in _FLAGS},
        "UnitLength_in_cm": _UNIT_LENGTH_CM,
        "UnitMass_in_g": _UNIT_MASS_G,
        "UnitVelocity_in_cm_per_s": _UNIT_VELOCITY_CM_PER_S,
    }


def _by_type(values: Mapping[Species, float], dtype: type[np.generic]) -> NDArray[Any]:
    """(6,) in the order of the particle types, 0 where there is none."""
    table = np.zeros(_N_TYPES, dtype)
    for name, value in values.items():
        table[PART_TYPES[name]] = value
    return table


def _write_particles(group: h5py.Group, part: Particles, scale_factor: float) -> None:
    """The data sets of one species, converted N_CONVERTED particles at a time."""
    _write_converted(group, "Coordinates", part.pos, np.float64, lambda pos: np.multiply(pos, KPC_PER_MPC, dtype="f8"))
    _write_converted(group, "Velocities", part.vel, np.float32, lambda vel: vel / np.float64(scale_factor) ** 0.5)
    group["ParticleIDs"] = part.ids.astype(np.uint64, copy=False)
    if isinstance(part.mass, np.ndarray):
        _write_converted(group, "Masses", part.mass, np.float32, lambda mass: mass / np.float64(GADGET_MASS))


def _write_converted(
    group: h5py.Group,
    name: str,
    values: NDArray[Any],
    dtype: type[np.generic],
    convert: Callable[[NDArray[Any]], NDArray[np.float64]],
) -> None:
    """`values` in the units of the file, without a copy of them all in float64."""
    data = group.create_dataset(None, values.shape, dtype)
    for start in range(0, len(values), N_CONVERTED):
        data[start : start + N_CONVERTED] = convert(values[start : start + N_CONVERTED]).astype(dtype, copy=False)
    group[name] = data


@dataclass(frozen=True)
class _Header:
    """What one file says about itself and its set. Mpc/h, Msun/h; `per_mpc`, `mass`, `velocity` convert its data."""

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
    per_mpc: float
    mass: float
    velocity: float

    def same_set(self, other: _Header) -> bool:
        """True when both can be parts of one snapshot."""
        names = ("totals", "n_files", "table", "box_size", "redshift", "per_mpc", "mass", "velocity")
        return all(getattr(self, name) == getattr(other, name) for name in names)


def _headers(path: Path) -> list[_Header]:
    """The checked header of every file of the set that `path` names."""
    first = _read_header(_first_file(path))
    headers = [_read_header(part) for part in _files(first)]
    for header in headers:
        if not header.same_set(first):
            raise ValueError(f"{header.path}: expected a part of the snapshot of {first.path.name}, got another header")
    held = tuple(sum(counts) for counts in zip(*(header.counts for header in headers), strict=True))
    if held != first.totals:
        raise ValueError(f"{path}: expected NumPart_Total {first.totals}, got {held} in {len(headers)} file(s)")
    return headers


def _first_file(path: Path) -> Path:
    """A file of the set: `path`, its part 0, or the first file of a folder."""
    if path.is_dir():
        found = sorted(file for suffix in SUFFIXES for file in path.glob(f"[!.]*{suffix}"))
        stems = sorted({re.sub(r"(\.\d+)?\.(hdf5|h5)$", "", file.name) for file in found})
        if len(stems) > 1:
            raise ValueError(f"{path}: expected the files of one snapshot, got {', '.join(stems[:4])}")
    else:
        found = [file for file in (path, path.with_suffix(f".0{path.suffix}")) if file.is_file()]
    if not found:
        raise FileNotFoundError(f"{path}: expected a snapshot ending in {' or '.join(SUFFIXES)}, found none")
    return found[0]


def _files(first: _Header) -> list[Path]:
    """Every file of the set of `first`; FileNotFoundError names one that is missing."""
    if first.n_files == 1:
        return [first.path]
    match = re.fullmatch(r"(.*)\.\d+(\.(?:hdf5|h5))", first.path.name)
    if match is None:
        raise ValueError(f"{first.path}: expected a name like snap_090.0.hdf5 of one of {first.n_files} files")
    files: list[Path] = []
    for i in range(first.n_files):
        files.append(first.path.with_name(f"{match[1]}.{i}{match[2]}"))
        if not files[-1].is_file():
            raise FileNotFoundError(f"{files[-1]}: part {i} of a snapshot in {first.n_files} files is missing")
    return files


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """`path` open for reading; what HDF5 cannot read is a ValueError that names the file."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        raise ValueError(f"{path}: expected a whole HDF5 file: {error}") from error


def _read_header(path: Path) -> _Header:
    with _opened(path) as file:
        if "Header" not in file:
            raise ValueError(f"{path}: expected a Gadget snapshot with a Header, got {', '.join(file) or 'no group'}")
        massive = [f"PartType{i}" for i in (2, 3) if f"PartType{i}/Masses" in file]
        if massive:
            raise ValueError(f"{path}: expected mass in types 0, 1, 4 and 5 only, got {', '.join(massive)}")
        units = {
            key: value
            for group in ("Units", "Parameters", "Header")
            if group in file
            for key, value in file[group].attrs.items()
            if key.startswith("Unit")
        }
        return _header(path, dict(file["Header"].attrs), units)


def _header(path: Path, attributes: Mapping[str, Any], units: Mapping[str, Any]) -> _Header:
    """The header in our units; ValueError names what is absent, malformed or contradictory."""

    def numbers(name: str, size: int) -> list[float]:
        value = np.asarray(attributes.get(name))
        if value.size != size or value.dtype.kind not in "iuf" or not np.isfinite(value).all():
            raise ValueError(f"{path}: expected {size} number(s) in Header/{name}, got {value.tolist()}")
        return value.ravel().tolist()

    per_mpc = KPC_PER_MPC / _unit(units, "UnitLength_in_cm", _UNIT_LENGTH_CM)
    mass = _unit(units, "UnitMass_in_g", _UNIT_MASS_G) * GADGET_MASS
    has_high = "NumPart_Total_HighWord" in attributes
    high = numbers("NumPart_Total_HighWord", _N_TYPES) if has_high else [0] * _N_TYPES
    header = _Header(
        path=path,
        counts=tuple(int(n) for n in numbers("NumPart_ThisFile", _N_TYPES)),
        totals=tuple(int(n) + (int(m) << 32) for n, m in zip(numbers("NumPart_Total", _N_TYPES), high, strict=True)),
        n_files=int(numbers("NumFilesPerSnapshot", 1)[0]),
        table=tuple(m * mass for m in numbers("MassTable", _N_TYPES)),
        box_size=numbers("BoxSize", 1)[0] / per_mpc,
        redshift=numbers("Redshift", 1)[0],
        omega_m=numbers("Omega0", 1)[0],
        h=numbers("HubbleParam", 1)[0],
        omega_b=numbers("OmegaBaryon", 1)[0] if "OmegaBaryon" in attributes else None,
        per_mpc=per_mpc,
        mass=mass,
        velocity=_unit(units, "UnitVelocity_in_cm_per_s", _UNIT_VELOCITY_CM_PER_S),
    )
    _refuse_nonsense(header, numbers("Time", 1)[0])
    return header


def _unit(units: Mapping[str, Any], name: str, expected: float) -> float:
    """The file's unit over Gadget's: 1 when absent (Gadget's convention) or equal to three digits, as 1.989e43 g is."""
    factor = float(np.asarray(units.get(name, expected)).ravel()[0]) / expected
    return 1.0 if abs(factor - 1) < 1e-3 else factor


def _refuse_nonsense(header: _Header, time: float) -> None:
    """ValueError when the numbers of a header cannot all be true."""
    problems = {
        "BoxSize > 0": not header.box_size > 0,
        "units > 0": not (header.per_mpc > 0 and header.mass > 0 and header.velocity > 0),
        "NumFilesPerSnapshot >= 1": header.n_files < 1,
        "Redshift > -1": not header.redshift > -1,
        "Time = 1 / (1 + Redshift)": abs(time * (1 + header.redshift) - 1) > 1e-3,
        "NumPart_ThisFile from 0 to NumPart_Total": any(
            not 0 <= n <= total for n, total in zip(header.counts, header.totals, strict=True)
        ),
        "no mass of type 2 or 3": any(header.table[i] and header.totals[i] for i in (2, 3)),
    }
    for law, broken in problems.items():
        if broken:
            raise ValueError(f"{header.path}: expected a header with {law}, got {header}")


def _read_species(headers: list[_Header], i_type: int) -> Particles:
    """All particles of one type, file after file."""
    first = headers[0]
    for header in headers:
        _check_group(header, i_type)
    n, mass_of_all = first.totals[i_type], first.table[i_type]
    pos, vel, ids = np.empty((n, 3), np.float32), np.empty((n, 3), np.float32), np.empty(n, np.uint64)
    mass = np.empty(0 if mass_of_all else n, np.float32)
    stop = 0
    for header in headers:
        share = slice(stop, stop := stop + header.counts[i_type])
        if share.stop > share.start:
            with _opened(header.path) as file:
                group = file[f"PartType{i_type}"]
                # A quotient by 1000 in float64 rounds to the float32 that was written; a product by .001 may not.
                pos[share] = group["Coordinates"][...] / header.per_mpc
                vel[share] = group["Velocities"][...] * (header.velocity * (1 + header.redshift) ** -0.5)
                ids[share] = group["ParticleIDs"][...]
                if not mass_of_all:
                    mass[share] = group["Masses"][...] * np.float64(header.mass)
    try:
        pos = wrapped(pos, first.box_size)
    except ValueError as error:
        raise ValueError(f"{first.path}: PartType{i_type}: {error}") from error
    return Particles(pos, vel, mass_of_all or mass, ids)


def _check_group(header: _Header, i_type: int) -> None:
    """ValueError unless the file holds the data that its header declares."""
    n = header.counts[i_type]
    shapes: dict[str, tuple[int, ...]] = {"Coordinates": (n, 3), "Velocities": (n, 3), "ParticleIDs": (n,)}
    if not header.table[i_type]:
        shapes["Masses"] = (n,)
    with _opened(header.path) as file:
        for name, shape in shapes.items() if n else ():
            where = f"PartType{i_type}/{name}"
            _check_dataset(file.get(where), shape, f"{header.path}: {where}")


def _check_dataset(dataset: object, shape: tuple[int, ...], where: str) -> None:
    """ValueError unless `dataset` has numbers of this shape and enough bytes to back them."""
    if not isinstance(dataset, h5py.Dataset) or dataset.shape != shape or dataset.dtype.kind not in "iuf":
        raise ValueError(f"{where}: expected numbers of shape {shape}, got {dataset}")
    stored = dataset.id.get_storage_size() * (DEFLATE_LIMIT if dataset.compression else 1)
    if dataset.nbytes > stored:
        raise ValueError(f"{where}: expected {dataset.nbytes} bytes, at most {stored} are there")
