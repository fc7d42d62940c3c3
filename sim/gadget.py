"""The HDF5 snapshots of Gadget and AREPO in the layout of CAMELS, in one file or many.

Positions in kpc/h, masses in 1e10 Msun/h, velocities in sqrt(a) km/s. Trusts no file: what it declares is compared with
what it holds before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from configs.files import replacing
from sim import file_set, hdf, headers
from sim.headers import N_TYPES, UNIT_LENGTH_CM, UNIT_MASS_G, UNIT_VELOCITY_CM_PER_S, Header
from sim.particles import Particles, Snapshot, Species, Tracer, Tracers, wrapped
from sim.units import GADGET_MASS, KPC_PER_MPC

PART_TYPES: dict[Species, int] = {"gas": 0, "dark_matter": 1, "stars": 4, "black_holes": 5}
N_CONVERTED = 1 << 20
"""Particles whose units are converted at a time when a file is written or read."""

_FLAGS = ("Sfr", "Cooling", "StellarAge", "Metals", "Feedback", "DoublePrecision")
_FORMATION = "GFM_StellarFormationTime"

_Block = Mapping[str, NDArray[Any]]


def write(
    path: Path, snapshot: Snapshot, *, n_files: int = 1, attributes: Mapping[str, str | float] | None = None
) -> list[Path]:
    """Write `path`, or `name.0.hdf5`, `name.1.hdf5`... beside it when n_files > 1; the files written.

    Coordinates are float64, so float32 positions in Mpc/h come back bit for bit; velocities and per-particle masses are
    float32 and come back to one unit in the last place. `attributes` go to the group `Darkglass`. Equal content gives
    equal bytes.
    """
    path = Path(path)
    if n_files < 1 or path.suffix not in hdf.SUFFIXES:
        raise ValueError(
            f"{path}: expected a name ending in {' or '.join(hdf.SUFFIXES)} and n_files >= 1, got {n_files}"
        )
    totals = {name: len(part) for name, part in snapshot.particles.items()}
    return [
        _write_whole(file_set.part_path(path, i, n_files), _share(snapshot, i, n_files), totals, n_files, attributes)
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
    file = file_set.part_path(Path(path), i_file, n_files)
    return _write_whole(file, snapshot, totals, n_files, attributes)


def read(path: Path) -> Snapshot:
    """Read a file, any file of a set or the name of the set without the number, or the folder of a set.

    Particles of each species come in the order of the files. Types 2 and 3 are left out when they have no mass
    (tracers) and refused when they have. Units are those in the file, else Gadget's. FileNotFoundError names the part
    that is missing, ValueError the file that is truncated, foreign or inconsistent.
    """
    found = headers.read(path)
    first = found[0]
    return Snapshot(
        particles={name: _read_species(found, i) for name, i in PART_TYPES.items() if first.totals[i]},
        box_size=first.box_size,
        redshift=first.redshift,
        omega_m=first.omega_m,
        h=first.h,
        omega_b=first.omega_b,
    )


def read_tracers(path: Path, species: Collection[Species] | None = None, *, keep_wind: bool = False) -> Tracers:
    """As `read`, positions and masses only, of `species` or of all that there are; an empty one where there are none.

    The wind of AREPO, particles of type 4 that formed at a time (GFM_StellarFormationTime) of 0 or less, is gas that
    has left the star-forming phase and no stars: counted and left out, or one of the stars with `keep_wind`. Files of
    codes without that field have no wind.
    """
    found = headers.read(path)
    first = found[0]
    wanted = [name for name, i in PART_TYPES.items() if (first.totals[i] if species is None else name in species)]
    tracers = {name: _read_tracer(found, PART_TYPES[name], keep_wind=keep_wind) for name in wanted}
    n_held = sum(first.totals[PART_TYPES[name]] for name in wanted)
    return Tracers(
        particles=tracers,
        box_size=first.box_size,
        redshift=first.redshift,
        omega_m=first.omega_m,
        h=first.h,
        omega_b=first.omega_b,
        n_excluded=n_held - sum(map(len, tracers.values())),
    )


def total_mass(path: Path) -> float:
    """Msun/h of all that a snapshot holds, wind too; reads masses alone. Errors as those of `read`."""
    found = headers.read(path)
    total = 0.0
    for i_type in PART_TYPES.values():
        total += found[0].totals[i_type] * found[0].table[i_type]
        if not found[0].table[i_type]:
            blocks = _blocks(found, i_type, ("Masses",))
            total += sum(float(_masses(header, block).sum(dtype=np.float64)) for header, block in blocks)
    return total


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
        "UnitLength_in_cm": UNIT_LENGTH_CM,
        "UnitMass_in_g": UNIT_MASS_G,
        "UnitVelocity_in_cm_per_s": UNIT_VELOCITY_CM_PER_S,
    }


def _by_type(values: Mapping[Species, float], dtype: type[np.generic]) -> NDArray[Any]:
    """(6,) in the order of the particle types, 0 where there is none."""
    table = np.zeros(N_TYPES, dtype)
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


def _read_species(found: list[Header], i_type: int) -> Particles:
    """All particles of one type, file after file."""
    first = found[0]
    n, mass_of_all = first.totals[i_type], first.table[i_type]
    blocks = _blocks(found, i_type, ("Coordinates", "Velocities", "ParticleIDs", *(() if mass_of_all else ("Masses",))))
    pos, vel, ids = np.empty((n, 3), np.float32), np.empty((n, 3), np.float32), np.empty(n, np.uint64)
    mass = np.empty(0 if mass_of_all else n, np.float32)
    stop = 0
    for header, block in blocks:
        rows = slice(stop, stop := stop + len(block["ParticleIDs"]))
        pos[rows] = _positions(header, i_type, block)
        vel[rows] = block["Velocities"] * (header.units.velocity * (1 + header.redshift) ** -0.5)
        ids[rows] = block["ParticleIDs"]
        if not mass_of_all:
            mass[rows] = _masses(header, block)
    return Particles(pos, vel, mass_of_all or mass, ids)


def _read_tracer(found: list[Header], i_type: int, *, keep_wind: bool) -> Tracer:
    """Positions and masses of one type, file after file, without wind unless `keep_wind`."""
    n, mass_of_all = found[0].totals[i_type], found[0].table[i_type]
    names = ["Coordinates", *(() if mass_of_all else ("Masses",))]
    if not keep_wind and i_type == PART_TYPES["stars"] and _any_has(found, f"PartType{i_type}/{_FORMATION}"):
        names.append(_FORMATION)
    pos, mass = np.empty((n, 3), np.float32), np.empty(0 if mass_of_all else n, np.float32)
    stop = 0
    for header, block in _blocks(found, i_type, names):
        kept = _formed(header, block)
        rows = slice(stop, stop := stop + int(np.count_nonzero(kept)))
        pos[rows] = _positions(header, i_type, block)[kept]
        if not mass_of_all:
            mass[rows] = _masses(header, block)[kept]
    return Tracer(pos[:stop], mass_of_all or mass[:stop])


def _any_has(found: list[Header], name: str) -> bool:
    """Whether a file of the set has the data set `name`."""
    for header in found:
        with hdf.opened(header.path) as file:
            if name in file:
                return True
    return False


def _blocks(found: list[Header], i_type: int, names: Sequence[str]) -> Iterator[tuple[Header, _Block]]:
    """The data sets `names` of one type, N_CONVERTED particles at a time, file after file; all are checked first."""
    for header in found:
        _check_group(header, i_type, names)
    return _checked_blocks(found, i_type, names)


def _checked_blocks(found: list[Header], i_type: int, names: Sequence[str]) -> Iterator[tuple[Header, _Block]]:
    for header in found:
        if header.counts[i_type]:
            # Read in here and not by the caller: what HDF5 cannot read then names the file.
            with hdf.opened(header.path) as file:
                group = file[f"PartType{i_type}"]
                for start in range(0, header.counts[i_type], N_CONVERTED):
                    yield header, {name: group[name][start : start + N_CONVERTED] for name in names}


def _check_group(header: Header, i_type: int, names: Sequence[str]) -> None:
    """ValueError unless the file holds the data that its header declares."""
    n = header.counts[i_type]
    with hdf.opened(header.path) as file:
        for name in names if n else ():
            shape = (n, 3) if name in ("Coordinates", "Velocities") else (n,)
            hdf.check_dataset(file, header.path, f"PartType{i_type}/{name}", shape)


def _positions(header: Header, i_type: int, block: _Block) -> NDArray[np.float32]:
    """Mpc/h, wrapped."""
    try:
        # A quotient by 1000 in float64 rounds to the float32 that was written; a product by .001 may not.
        return wrapped((block["Coordinates"] / header.units.per_mpc).astype(np.float32, copy=False), header.box_size)
    except ValueError as error:
        raise ValueError(f"{header.path}: PartType{i_type}: {error}") from error


def _masses(header: Header, block: _Block) -> NDArray[np.float32]:
    """Msun/h; ValueError when one is negative or not finite."""
    mass = (block["Masses"] * np.float64(header.units.mass)).astype(np.float32)
    if not (mass.min() >= 0 and mass.max() < np.inf):
        raise ValueError(f"{header.path}: expected finite Masses >= 0, got {mass.min()} to {mass.max()}")
    return mass


def _formed(header: Header, block: _Block) -> NDArray[np.bool_]:
    """(n,) which particles are no wind."""
    if _FORMATION not in block:
        return np.ones(len(block["Coordinates"]), bool)
    time = block[_FORMATION]
    if not np.isfinite(time).all():
        raise ValueError(f"{header.path}: PartType4/{_FORMATION}: expected finite times, got others")
    return np.asarray(time > 0)
