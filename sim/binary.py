"""Reads Gadget's binary snapshots and initial conditions, formats 1 and 2, of either byte order, in one file or many.

A file is a row of blocks, each between two 4-byte marks that say how long it is: a header of 256 bytes, then POS, VEL,
ID and MASS. Format 2 puts a block of 8 bytes with the name before each (Springel, "User guide for GADGET-2", sec. 6).
Masses are in 1e10 Msun/h, velocities in sqrt(a) km/s. No file says whether lengths are in kpc/h or Mpc/h: its mean
density does. Trusts no file: every mark is compared with the size of the file before anything is allocated.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sim.gadget import PART_TYPES
from sim.particles import Particles, Snapshot, Species, wrapped
from sim.units import GADGET_MASS, KPC_PER_MPC, RHO_CRITICAL

LengthUnit = Literal["kpc/h", "Mpc/h"]

_HEADER_BYTES, _NAME_BYTES, _MARK_BYTES = 256, 8, 4
_MARK_LIMIT = 1 << 32
"""A mark counts modulo this."""
_ORDER = ("HEAD", "POS", "VEL", "ID", "MASS")
"""The blocks of format 1, which have no names; what comes after them is not read."""
_N_TYPES = 6
_FIELDS = "6i 6d 2d 2i 6I i i 4d 2i 6I 64x"
"""The header: npart, mass, time and redshift, flags, npartTotal, flag, num_files, BoxSize, Omega0, OmegaLambda and
HubbleParam, flags, npartTotalHighWord."""
_MOST_RECORDS = 1000
"""A file with more was not written by Gadget."""
_DENSITY_FACTOR = 2.0
"""A box whose mean density is further than this from Omega0 is not in the unit tried."""


@dataclass(frozen=True)
class _Header:
    """What one file says about itself and its set, in the units of the file."""

    path: Path
    order: Literal["<", ">"]
    counts: tuple[int, ...]
    totals: tuple[int, ...]
    table: tuple[float, ...]
    time: float
    redshift: float
    n_files: int
    box_size: float
    omega_m: float
    omega_lambda: float
    h: float
    blocks: Mapping[str, slice]
    """Where in the file the content of each block is, in bytes."""

    def same_set(self, other: _Header) -> bool:
        """True when both can be parts of one snapshot."""
        names = ("order", "totals", "table", "redshift", "n_files", "box_size", "omega_m", "h")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    @property
    def weighed(self) -> tuple[int, ...]:
        """Particles of each type whose masses are in the block MASS."""
        return tuple(0 if mass else count for count, mass in zip(self.counts, self.table, strict=True))


def recognised(path: Path) -> bool:
    """Whether `path` (a file, the name of a set without the number, or the folder of a set) begins as Gadget binary."""
    try:
        with _first_file(path).open("rb") as stream:
            return _byte_order(stream.read(_MARK_BYTES)) is not None
    except (FileNotFoundError, ValueError):
        return False


def read(
    path: Path,
    *,
    length_unit: LengthUnit | None = None,
    species: Collection[Species] | None = None,
    share: tuple[int, int] = (0, 1),
) -> Snapshot:
    """Read a file, any file of a set `name.0`, `name.1`..., the name without the number, or the folder of a set.

    Without `length_unit` it is the one in which the box has the mean density of Omega0 within a factor of two. With
    `species` only those are read, and with `share` (i, n) only the i-th of n equal parts of each. FileNotFoundError
    names the part that is missing, ValueError the file that is truncated, foreign or inconsistent, has particles of
    types 2 or 3, holds none of a species asked for, or whose unit cannot be told.
    """
    headers = _headers(path)
    first = headers[0]
    per_mpc = _per_mpc(headers, length_unit)
    held = {name: i for name, i in PART_TYPES.items() if first.totals[i]}
    wanted = held if species is None else {name: i for name, i in held.items() if name in species}
    if species is not None and len(wanted) != len(set(species)):
        raise ValueError(f"{first.path}: expected {', '.join(species)}, got {', '.join(held)}")
    return Snapshot(
        particles={name: _read_species(headers, i, per_mpc, share) for name, i in wanted.items()},
        box_size=first.box_size / per_mpc,
        redshift=first.redshift,
        omega_m=first.omega_m,
        h=first.h,
    )


def _first_file(path: Path) -> Path:
    """A file of the set: `path`, its part 0, or part 0 of the only set in a folder."""
    if path.is_dir():
        found = sorted(file for file in path.glob("[!.]*.0") if file.is_file())
        if len(found) > 1:
            raise ValueError(f"{path}: expected one snapshot, got {', '.join(file.name for file in found[:4])}")
    else:
        found = [file for file in (path, path.with_name(f"{path.name}.0")) if file.is_file()]
    if not found:
        raise FileNotFoundError(f"{path}: expected a Gadget binary file, found none")
    return found[0]


def _byte_order(mark: bytes) -> Literal["<", ">"] | None:
    """The byte order in which the first mark of a file is that of a header or of its name."""
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        if len(mark) == _MARK_BYTES and struct.unpack(f"{order}I", mark)[0] in (_HEADER_BYTES, _NAME_BYTES):
            return order
    return None


def _headers(path: Path) -> list[_Header]:
    """The checked header of every file of the set that `path` names."""
    first = _read_header(_first_file(Path(path)))
    headers = [first, *(_read_header(part) for part in _files(first) if part != first.path)]
    headers.sort(key=lambda header: _part(header.path) if first.n_files > 1 else 0)
    for header in headers:
        if not header.same_set(first):
            raise ValueError(f"{header.path}: expected a part of the snapshot of {first.path.name}, got another header")
    held = tuple(sum(counts) for counts in zip(*(header.counts for header in headers), strict=True))
    if held != first.totals:
        raise ValueError(
            f"{path}: expected {first.totals} particles of each type, got {held} in {len(headers)} file(s)"
        )
    return headers


def _files(first: _Header) -> list[Path]:
    """Every file of the set of `first`; FileNotFoundError names one that is missing."""
    if first.n_files == 1:
        return [first.path]
    stem = first.path.name.removesuffix(f".{_part(first.path)}")
    files: list[Path] = []
    for i in range(first.n_files):
        files.append(first.path.with_name(f"{stem}.{i}"))
        if not files[-1].is_file():
            raise FileNotFoundError(f"{files[-1]}: part {i} of a snapshot in {first.n_files} files is missing")
    return files


def _part(path: Path) -> int:
    """The number at the end of the name of one of many files."""
    match = re.fullmatch(r".*\.(\d+)", path.name)
    if match is None:
        raise ValueError(f"{path}: expected a name like snap_090.0 of one of several files")
    return int(match[1])


def _read_header(path: Path) -> _Header:
    """The header of one file, which fits its blocks."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        order = _byte_order(stream.read(_MARK_BYTES))
        if order is None:
            raise ValueError(f"{path}: expected a Gadget binary file, which begins with 256 or 8, got something else")
        blocks = _named(path, stream, list(_records(path, stream, order, size)))
        header = _header(path, order, _bytes(stream, blocks["HEAD"]), blocks)
    _refuse_nonsense(header)
    for name in _ORDER[1:]:
        _item_size(header, name)
    return header


def _records(path: Path, stream: BinaryIO, order: str, size: int) -> Iterator[slice]:
    """Where the content of each record is. ValueError unless the marks of all of them agree to the end of the file."""
    begin, n = 0, 0
    while begin < size:
        mark = _mark(stream, order, begin)
        ends = [] if mark is None else range(begin + _MARK_BYTES + mark, size - _MARK_BYTES + 1, _MARK_LIMIT)
        end = next((end for end in ends if _mark(stream, order, end) == mark), None)
        n += 1
        if end is None or n > _MOST_RECORDS:
            raise ValueError(
                f"{path}: expected record {n}, of {mark} bytes at byte {begin}, to be closed by {mark}, and at most "
                f"{_MOST_RECORDS} of them; got a file of {size} bytes"
            )
        yield slice(begin + _MARK_BYTES, end)
        begin = end + _MARK_BYTES


def _mark(stream: BinaryIO, order: str, at: int) -> int | None:
    """The mark at byte `at`, None where the file ends before."""
    stream.seek(at)
    mark = stream.read(_MARK_BYTES)
    return struct.unpack(f"{order}I", mark)[0] if len(mark) == _MARK_BYTES else None


def _bytes(stream: BinaryIO, where: slice) -> bytes:
    stream.seek(where.start)
    return stream.read(where.stop - where.start)


def _named(path: Path, stream: BinaryIO, records: list[slice]) -> dict[str, slice]:
    """The blocks by name: what format 2 says, or the order of format 1."""
    sizes = [record.stop - record.start for record in records]
    if sizes[0] == _NAME_BYTES:
        blocks = _pairs(path, stream, records, sizes)
    else:
        blocks = dict(zip(_ORDER, records, strict=False))
    head = blocks.get("HEAD", slice(0, 0))
    if head.stop - head.start != _HEADER_BYTES:
        raise ValueError(f"{path}: expected a header of {_HEADER_BYTES} bytes, got {head.stop - head.start}")
    return blocks


def _pairs(path: Path, stream: BinaryIO, records: list[slice], sizes: list[int]) -> dict[str, slice]:
    """The blocks of format 2: each after a record with its name."""
    if len(records) % 2 or set(sizes[::2]) != {_NAME_BYTES}:
        raise ValueError(f"{path}: expected a record of {_NAME_BYTES} bytes with a name before each block, got {sizes}")
    names = [_bytes(stream, record)[:4].decode("ascii", "replace").strip() for record in records[::2]]
    if len(set(names)) != len(names):
        raise ValueError(f"{path}: expected each block once, got {', '.join(names)}")
    return dict(zip(names, records[1::2], strict=True))


def _header(path: Path, order: Literal["<", ">"], content: bytes, blocks: Mapping[str, slice]) -> _Header:
    """The header as numbers."""
    fields = struct.unpack(order + _FIELDS, content)
    low, high = fields[16:22], fields[30:36]
    return _Header(
        path=path,
        order=order,
        counts=fields[:6],
        table=fields[6:12],
        time=fields[12],
        redshift=fields[13],
        totals=tuple(n + (m << 32) for n, m in zip(low, high, strict=True)),
        n_files=fields[23],
        box_size=fields[24],
        omega_m=fields[25],
        omega_lambda=fields[26],
        h=fields[27],
        blocks=blocks,
    )


def _refuse_nonsense(header: _Header) -> None:
    """ValueError when the numbers of a header cannot all be true."""
    numbers = (*header.table, header.time, header.redshift, header.box_size, header.omega_m, header.h)
    finite = bool(np.isfinite(numbers).all())
    problems = {
        "finite numbers": not finite,
        "BoxSize > 0": not header.box_size > 0,
        "0 < Omega0 <= 1": not 0 < header.omega_m <= 1,
        "Omega0 + OmegaLambda = 1": not abs(header.omega_m + header.omega_lambda - 1) < 1e-3,
        "HubbleParam from 0.1 to 2": not 0.1 <= header.h <= 2,
        "num_files >= 1": header.n_files < 1,
        "Time = 1 / (1 + redshift)": not (header.time > 0 and abs(header.time * (1 + header.redshift) - 1) < 1e-3),
        "masses >= 0": min(header.table) < 0,
        "npart from 0 to npartTotal": any(
            not 0 <= n <= total for n, total in zip(header.counts, header.totals, strict=True)
        ),
        "particles": not any(header.totals),
        "no particle of type 2 or 3": bool(header.totals[2] or header.totals[3]),
    }
    for law, broken in problems.items():
        if broken:
            raise ValueError(f"{header.path}: expected a header with {law}, got {_summary(header)}")


def _summary(header: _Header) -> str:
    """The numbers of a header in one line."""
    return (
        f"npart {header.counts}, npartTotal {header.totals}, mass {header.table}, time {header.time}, redshift "
        f"{header.redshift}, num_files {header.n_files}, BoxSize {header.box_size}, Omega0 {header.omega_m}, "
        f"OmegaLambda {header.omega_lambda}, HubbleParam {header.h}"
    )


def _item_size(header: _Header, name: str) -> int:
    """Bytes of one number of a block, 4 or 8; ValueError when the block holds more or fewer of them than it must."""
    n_items = sum(header.weighed if name == "MASS" else header.counts) * (3 if name in ("POS", "VEL") else 1)
    if n_items == 0:
        return 4
    where = header.blocks.get(name)
    size = where.stop - where.start if where else 0
    if size not in (4 * n_items, 8 * n_items):
        expected = f"{n_items} numbers in the block {name}, {4 * n_items} or {8 * n_items} bytes"
        raise ValueError(f"{header.path}: expected {expected}, got {size} bytes")
    return size // n_items


def _per_mpc(headers: list[_Header], length_unit: LengthUnit | None) -> float:
    """Units of the file in a Mpc/h."""
    scales: dict[str, float] = dict(zip(get_args(LengthUnit), (KPC_PER_MPC, 1.0), strict=True))
    if length_unit is not None:
        if length_unit not in scales:
            raise ValueError(f"length_unit: expected {' or '.join(scales)}, got {length_unit}")
        return scales[length_unit]
    first = headers[0]
    density = _total_mass(headers) / (first.omega_m * RHO_CRITICAL)
    ratios = {unit: density / (first.box_size / scale) ** 3 for unit, scale in scales.items()}
    for unit, ratio in ratios.items():
        if 1 / _DENSITY_FACTOR < ratio < _DENSITY_FACTOR:
            return scales[unit]
    got = " and ".join(f"{ratio:.3g} in {unit}" for unit, ratio in ratios.items())
    raise ValueError(f"{first.path}: expected a box of the mean density of its Omega0, got {got}: give length_unit")


def _total_mass(headers: list[_Header]) -> float:
    """Of all particles of all files, Msun/h."""
    first = headers[0]
    total = float(sum(n * mass for n, mass in zip(first.totals, first.table, strict=True)))
    for header in headers:
        if sum(header.weighed):
            total += float(_block(header, "MASS", 0, sum(header.weighed)).sum(dtype=np.float64))
    return total * GADGET_MASS


def _read_species(headers: list[_Header], i_type: int, per_mpc: float, share: tuple[int, int]) -> Particles:
    """A share of the particles of one type, file after file."""
    first = headers[0]
    begin, end = (i * first.totals[i_type] // share[1] for i in (share[0], share[0] + 1))
    n, mass_of_all = end - begin, first.table[i_type]
    pos, vel, ids = np.empty((n, 3), np.float32), np.empty((n, 3), np.float32), np.empty(n, np.uint64)
    mass = np.empty(0 if mass_of_all else n, np.float32)
    at = -begin
    for header in headers:
        count = header.counts[i_type]
        low, high = max(0, -at), min(count, n - at)
        rows, skip = slice(at + low, at + high), sum(header.counts[:i_type]) + low
        at += count
        if high <= low:
            continue
        # A quotient by 1000 in float64 rounds to the float32 that was written; a product by .001 may not.
        pos[rows] = _vectors(header, "POS", skip, high - low) / np.float64(per_mpc)
        vel[rows] = _vectors(header, "VEL", skip, high - low) * (1 + first.redshift) ** -0.5
        ids[rows] = _block(header, "ID", skip, high - low)
        if not mass_of_all:
            skip += sum(header.weighed[:i_type]) - sum(header.counts[:i_type])
            mass[rows] = _block(header, "MASS", skip, high - low) * np.float64(GADGET_MASS)
    pos = _inside(first, i_type, pos, vel, first.box_size / per_mpc)
    return Particles(pos, vel, mass_of_all * GADGET_MASS or mass, ids)


def _inside(
    header: _Header, i_type: int, pos: NDArray[np.float32], vel: NDArray[np.float32], box_size: float
) -> NDArray[np.float32]:
    """The positions wrapped; ValueError naming the file when they or the velocities cannot be those of a box."""
    try:
        if not np.isfinite(vel).all():
            raise ValueError("expected finite velocities, got others")
        return wrapped(pos, box_size)
    except ValueError as error:
        raise ValueError(f"{header.path}: type {i_type}: {error}") from error


def _vectors(header: _Header, name: str, skip: int, count: int) -> NDArray[Any]:
    """(count, 3) of a block of vectors."""
    return _block(header, name, 3 * skip, 3 * count).reshape(-1, 3)


def _block(header: _Header, name: str, skip: int, count: int) -> NDArray[Any]:
    """(count,) numbers of a block after the first `skip`, as they are in the file."""
    size = _item_size(header, name)
    kind = "u" if name == "ID" else "f"
    begin = header.blocks[name].start + skip * size
    return np.fromfile(header.path, np.dtype(f"{header.order}{kind}{size}"), count, offset=begin)
