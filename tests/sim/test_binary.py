"""Gadget's binary files: what any code could have written is read bit for bit, what is broken is refused by name."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws import check_same_snapshot

from sim import binary, snapshot
from sim.gadget import PART_TYPES
from sim.particles import Particles, Snapshot
from sim.units import RHO_CRITICAL

BOX, OMEGA_M, REDSHIFT = 50.0, 0.3, 0.5
LAYOUTS = pytest.mark.parametrize("layout", [1, 2])
ORDERS = pytest.mark.parametrize("order", ["<", ">"])


def particles(n: int, seed: int, mass: float | np.ndarray) -> Particles:
    rng = np.random.default_rng(seed)
    return Particles(
        pos=(rng.random((n, 3)) * BOX).astype(np.float32) % np.float32(BOX),
        vel=rng.normal(0, 300, (n, 3)).astype(np.float32),
        mass=mass,
        ids=rng.permutation(n).astype(np.uint64) + np.uint64(1),
    )


def shares(n: int) -> np.ndarray:
    """Masses that differ but fill 1/10 of the box [Msun/h]."""
    mass = np.linspace(0.5, 1.5, n)
    return (mass / mass.sum() * 0.1 * OMEGA_M * RHO_CRITICAL * BOX**3).astype(np.float32)


@pytest.fixture
def hydro() -> Snapshot:
    """Three species that fill the box with Omega0; dark matter has one mass."""
    mass = 0.8 * OMEGA_M * RHO_CRITICAL * BOX**3 / 60
    parts = {
        "gas": particles(41, 1, shares(41)),
        "dark_matter": particles(60, 2, mass),
        "stars": particles(7, 3, shares(7)),
    }
    return Snapshot(parts, BOX, REDSHIFT, OMEGA_M, 0.7)


def header(parts: dict[int, Particles], counts: list[int], per_mpc: float, n_files: int, **changes: Any) -> list[Any]:
    """The fields of the header in order."""
    table = [0.0] * 6
    for i, part in parts.items():
        table[i] = 0.0 if isinstance(part.mass, np.ndarray) else part.mass / 1e10
    totals = [len(parts[i]) if i in parts else 0 for i in range(6)]
    fields = {
        "npart": counts, "mass": table, "time": [1 / (1 + REDSHIFT)], "redshift": [REDSHIFT], "flags": [0, 0],
        "npartTotal": totals, "cooling": [0], "num_files": [n_files], "BoxSize": [BOX * per_mpc],
        "Omega0": [OMEGA_M], "OmegaLambda": [1 - OMEGA_M], "HubbleParam": [0.7], "more": [0, 0], "high": [0] * 6,
    }  # fmt: skip
    fields |= changes
    return [value for values in fields.values() for value in values]


def record(order: str, content: bytes) -> bytes:
    """Content between its two marks."""
    mark = struct.pack(f"{order}I", len(content))
    return mark + content + mark


def write(
    path: Path,
    found: Snapshot,
    *,
    layout: int = 1,
    order: str = "<",
    real: str = "f8",
    ids: str = "u4",
    n_files: int = 1,
    per_mpc: float = 1000.0,
    extra: bool = False,
    **changes: Any,
) -> list[Path]:
    """Write as Gadget does; `real` is the type of positions, velocities and masses; `extra` adds a block U."""
    parts = {PART_TYPES[name]: part for name, part in found.particles.items()}
    paths = [path] if n_files == 1 else [path.with_name(f"{path.name}.{i}") for i in range(n_files)]
    for i_file, file in enumerate(paths):
        rows = {i: slice(i_file * len(p) // n_files, (i_file + 1) * len(p) // n_files) for i, p in parts.items()}
        counts = [rows[i].stop - rows[i].start if i in rows else 0 for i in range(6)]
        fields = header(parts, counts, per_mpc, n_files, **changes)
        blocks = {"HEAD": struct.pack(f"{order}6i6d2d2i6Iii4d2i6I64x", *fields)}
        arrays: dict[str, list[np.ndarray]] = {"POS ": [], "VEL ": [], "ID  ": [], "MASS": []}
        for i, part in sorted(parts.items()):
            arrays["POS "].append(part.pos[rows[i]].astype(np.float64) * per_mpc)
            arrays["VEL "].append(part.vel[rows[i]].astype(np.float64) / found.scale_factor**0.5)
            arrays["ID  "].append(part.ids[rows[i]])
            if isinstance(part.mass, np.ndarray):
                arrays["MASS"].append(part.mass[rows[i]].astype(np.float64) / 1e10)
        for name, values in arrays.items():
            kind = np.dtype(order + (ids if name == "ID  " else real))
            blocks[name] = b"".join(value.astype(kind).tobytes() for value in values)
        if extra:
            blocks["U   "] = b"\x01" * 4 * counts[0]
        content = b""
        for name, block in blocks.items():
            if not block:
                continue
            if layout == 2:
                content += record(order, name.encode() + struct.pack(f"{order}I", len(block) + 8))
            content += record(order, block)
        file.write_bytes(content)
    return paths


@LAYOUTS
@ORDERS
@pytest.mark.parametrize(("real", "ids", "per_mpc"), [("f8", "u4", 1000.0), ("f4", "u8", 1.0), ("f8", "u8", 1.0)])
def test_what_was_written_is_read(
    tmp_path: Path, hydro: Snapshot, layout: int, order: str, real: str, ids: str, per_mpc: float
) -> None:
    """In kpc/h or Mpc/h, which the density tells."""
    path = tmp_path / "snap_090"
    write(path, hydro, layout=layout, order=order, real=real, ids=ids, per_mpc=per_mpc, extra=True)
    check_same_snapshot(binary.read(path), hydro)
    assert binary.recognised(path)


def test_velocities_at_redshift_zero_come_back_bit_for_bit(tmp_path: Path, hydro: Snapshot) -> None:
    now = Snapshot(hydro.particles, BOX, 0.0, OMEGA_M, 0.7)
    write(tmp_path / "ics", now, time=[1.0], redshift=[0.0], real="f4", per_mpc=1.0)
    np.testing.assert_array_equal(binary.read(tmp_path / "ics").particles["gas"].vel, now.particles["gas"].vel)


@LAYOUTS
@pytest.mark.parametrize("n_files", [2, 3, 11])
def test_many_files_are_one_snapshot(tmp_path: Path, hydro: Snapshot, layout: int, n_files: int) -> None:
    """In the order of their numbers, of which 10 comes after 9; some hold none of a species."""
    files = write(tmp_path / "snap", hydro, layout=layout, n_files=n_files)
    for path in (files[0], files[-1], files[0].with_name("snap"), files[0].parent):
        check_same_snapshot(binary.read(path), hydro)
        assert binary.recognised(path)


@pytest.mark.parametrize("n_files", [1, 4])
@pytest.mark.parametrize("n_shares", [1, 2, 3, 9])
def test_shares_add_up_to_the_whole(tmp_path: Path, hydro: Snapshot, n_files: int, n_shares: int) -> None:
    write(tmp_path / "snap", hydro, n_files=n_files)
    parts = [binary.read(tmp_path / "snap", share=(i, n_shares)) for i in range(n_shares)]
    together = {}
    for name, whole in hydro.particles.items():
        held = [part.particles[name] for part in parts]
        assert max(map(len, held)) - min(map(len, held)) <= 1
        pos, vel, ids = (np.concatenate([getattr(h, field) for h in held]) for field in ("pos", "vel", "ids"))
        one = not isinstance(whole.mass, np.ndarray)
        together[name] = Particles(pos, vel, held[0].mass if one else np.concatenate([h.mass for h in held]), ids)
    check_same_snapshot(Snapshot(together, BOX, REDSHIFT, OMEGA_M, 0.7), hydro)


def test_only_the_species_asked_for_are_read(tmp_path: Path, hydro: Snapshot) -> None:
    write(tmp_path / "snap", hydro)
    for names in (["stars"], ["dark_matter", "stars"], ["gas"]):
        expected = Snapshot({name: hydro.particles[name] for name in names}, BOX, REDSHIFT, OMEGA_M, 0.7)
        check_same_snapshot(binary.read(tmp_path / "snap", species=names), expected)
    with pytest.raises(ValueError, match="expected gas, black_holes, got gas, dark_matter, stars"):
        binary.read(tmp_path / "snap", species=["gas", "black_holes"])


@pytest.mark.parametrize(("density", "words"), [(0.4, "0.4 in kpc/h and 4e-10 in Mpc/h"), (3e-5, "give length_unit")])
def test_a_length_unit_that_the_density_does_not_tell_is_asked_for(
    tmp_path: Path, hydro: Snapshot, density: float, words: str
) -> None:
    part = hydro.particles["dark_matter"]
    thin = Particles(part.pos, part.vel, density / 0.8 * part.mass, part.ids)
    path = tmp_path / "thin"
    write(path, Snapshot({"dark_matter": thin}, BOX, REDSHIFT, OMEGA_M, 0.7))
    with pytest.raises(ValueError, match=words):
        binary.read(path)
    assert binary.read(path, length_unit="kpc/h").box_size == BOX
    assert binary.read(path, length_unit="Mpc/h").box_size == 1000 * BOX
    with pytest.raises(ValueError, match="expected kpc/h or Mpc/h, got pc"):
        binary.read(path, length_unit="pc")  # type: ignore[arg-type]


@LAYOUTS
def test_every_truncation_is_refused(tmp_path: Path, hydro: Snapshot, layout: int) -> None:
    """And so is every byte too many."""
    path = tmp_path / "snap"
    write(path, hydro, layout=layout, real="f4")
    whole = path.read_bytes()
    for n in [*range(0, 300, 4), *range(300, len(whole), 29), *range(len(whole) - 40, len(whole))]:
        path.write_bytes(whole[:n])
        with pytest.raises(ValueError, match="snap: expected"):
            binary.read(path)
    for tail in (b"\0", b"\0\0\0\0", b"1234567", b"\0" * 9):
        path.write_bytes(whole + tail)
        with pytest.raises(ValueError, match="snap: expected"):
            binary.read(path)


def test_every_changed_mark_is_refused(tmp_path: Path, hydro: Snapshot) -> None:
    path = tmp_path / "snap"
    write(path, hydro, layout=2)
    whole = path.read_bytes()
    at, marks = 0, []
    while at < len(whole):
        size = struct.unpack_from("<I", whole, at)[0]
        marks += [at, at + size + 4]
        at += size + 8
    assert len(marks) == 20
    for mark in marks:
        for change in (1, 4, -4, 2**31):
            value = (struct.unpack_from("<I", whole, mark)[0] + change) % 2**32
            path.write_bytes(whole[:mark] + struct.pack("<I", value) + whole[mark + 4 :])
            with pytest.raises(ValueError, match="snap: expected"):
                binary.read(path)


def test_garbage_is_refused(tmp_path: Path) -> None:
    """Also when it begins as a file of Gadget would."""
    rng = np.random.default_rng(5)
    path = tmp_path / "noise"
    for begin in (b"", struct.pack("<I", 256), struct.pack(">I", 256), struct.pack("<I", 8)):
        for n in (0, 1, 255, 256, 260, 264, 4096):
            path.write_bytes(begin + rng.bytes(n))
            with pytest.raises(ValueError, match="noise: expected"):
                binary.read(path)
    for order in "<>":
        path.write_bytes(record(order, rng.bytes(256)) + record(order, rng.bytes(120)))
        with pytest.raises(ValueError, match="noise: expected"):
            binary.read(path)
    path.write_bytes(record("<", bytes(256)) + record("<", b"") * 100_000)
    with pytest.raises(ValueError, match="at most 1000"):
        binary.read(path)


def test_a_file_that_declares_more_than_it_holds_allocates_nothing(tmp_path: Path, hydro: Snapshot) -> None:
    path = tmp_path / "snap"
    n = 2**31 - 1
    write(path, hydro, npart=[0, n, 0, 0, 0, 0], npartTotal=[0, n, 0, 0, 0, 0])
    with pytest.raises(ValueError, match=f"{3 * n} numbers in the block POS, {12 * n} or {24 * n} bytes, got 2592"):
        binary.read(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"npart": [41, -1, 0, 0, 7, 0]}, "npart from 0 to npartTotal"),
        ({"npartTotal": [41, 59, 0, 0, 7, 0]}, "npart from 0 to npartTotal"),
        ({"npartTotal": [41, 61, 0, 0, 7, 0]}, r"expected \(41, 61, 0, 0, 7, 0\) particles of each type"),
        ({"high": [0, 1, 0, 0, 0, 0]}, r"expected \(41, 4294967356, 0, 0, 7, 0\) particles of each type"),
        ({"npart": [0] * 6, "npartTotal": [0] * 6}, "a header with particles"),
        ({"npart": [41, 60, 1, 0, 6, 0], "npartTotal": [41, 60, 1, 0, 6, 0]}, "no particle of type 2 or 3"),
        ({"npart": [42, 60, 0, 0, 6, 0], "npartTotal": [42, 60, 0, 0, 6, 0], "mass": [0, 0, 0, 0, 0, 0]}, "block MASS"),
        ({"npart": [41, 59, 0, 0, 7, 0], "npartTotal": [41, 59, 0, 0, 7, 0]}, "321 numbers in the block POS"),
        ({"mass": [0, -1.0, 0, 0, 0, 0]}, "masses >= 0"),
        ({"mass": [0, float("nan"), 0, 0, 0, 0]}, "finite numbers"),
        ({"time": [0.5]}, r"Time = 1 / \(1 \+ redshift\)"),
        ({"time": [0.0], "redshift": [0.0]}, r"Time = 1 / \(1 \+ redshift\)"),
        ({"BoxSize": [0.0]}, "BoxSize > 0"),
        ({"BoxSize": [float("inf")]}, "finite numbers"),
        ({"Omega0": [0.0]}, "0 < Omega0"),
        ({"OmegaLambda": [0.6]}, r"Omega0 \+ OmegaLambda = 1"),
        ({"HubbleParam": [70.0]}, "HubbleParam from 0.1 to 2"),
        ({"num_files": [0]}, "num_files >= 1"),
        ({"num_files": [2]}, "a name like snap_090.0"),
        ({"BoxSize": [20000.0]}, "mean density of its Omega0, got 15.6 in kpc/h"),
    ],
)
def test_a_header_that_cannot_be_is_refused(
    tmp_path: Path, hydro: Snapshot, changes: dict[str, Any], words: str
) -> None:
    path = tmp_path / "snap"
    write(path, hydro, **changes)
    with pytest.raises(ValueError, match=words) as error:
        binary.read(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("field", ["pos", "vel"])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, hydro: Snapshot, field: str) -> None:
    getattr(hydro.particles["stars"], field)[3, 1] = np.nan
    write(tmp_path / "snap", hydro)
    with pytest.raises(ValueError, match=r"snap: type 4: expected finite"):
        binary.read(tmp_path / "snap")


def test_blocks_of_format_2_are_found_by_name(tmp_path: Path, hydro: Snapshot) -> None:
    path = tmp_path / "snap"
    write(path, hydro, layout=2, extra=True)
    whole, at, pairs = path.read_bytes(), 0, []
    for _ in range(6):
        size = struct.unpack_from("<I", whole, at + 12)[0]
        end = at + 16 + 8 + struct.unpack_from("<I", whole, at + 16)[0]
        assert struct.unpack_from("<I", whole, at + 8)[0] == end - at - 16
        pairs.append(whole[at:end])
        at = end
        assert size == 8
    path.write_bytes(b"".join([pairs[0], *pairs[:0:-1]]))
    check_same_snapshot(binary.read(path), hydro)
    for broken, words in ((pairs[:-2] + pairs[-1:], "block MASS"), ([*pairs, pairs[1]], "each block once")):
        path.write_bytes(b"".join(broken))
        with pytest.raises(ValueError, match=words):
            binary.read(path)


def test_missing_and_foreign_parts_are_named(tmp_path: Path, hydro: Snapshot) -> None:
    files = write(tmp_path / "snap", hydro, n_files=3)
    others = write(tmp_path / "other", hydro, n_files=3, BoxSize=[50001.0])
    whole = files[1].read_bytes()
    files[1].write_bytes(others[1].read_bytes())
    with pytest.raises(ValueError, match=r"snap\.1: expected a part of the snapshot of snap\.0"):
        binary.read(tmp_path / "snap")
    files[1].write_bytes(files[2].read_bytes())
    with pytest.raises(ValueError, match=r"particles of each type, got .* in 3 file"):
        binary.read(files[0])
    files[1].write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=r"snap\.1: expected record"):
        binary.read(files[0])
    files[1].unlink()
    with pytest.raises(FileNotFoundError, match=r"snap\.1: part 1 of a snapshot in 3 files is missing"):
        binary.read(files[0])
    with pytest.raises(FileNotFoundError, match="none: expected a Gadget binary file"):
        binary.read(tmp_path / "none")
    with pytest.raises(ValueError, match=r"expected one snapshot, got other\.0, snap\.0"):
        binary.read(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [lambda path: path.unlink(), lambda path: path.write_bytes(b"\x89HDF\r\n"), lambda path: path.write_bytes(b"")],
)
def test_other_files_are_not_recognised(tmp_path: Path, hydro: Snapshot, damage: Callable[[Path], Any]) -> None:
    write(tmp_path / "snap", hydro)
    assert binary.recognised(tmp_path / "snap")
    damage(tmp_path / "snap")
    assert not binary.recognised(tmp_path / "snap")
    assert not binary.recognised(tmp_path)


def test_a_snapshot_of_any_format_is_read_by_one_function(tmp_path: Path, hydro: Snapshot) -> None:
    files = write(tmp_path / "snap", hydro, n_files=2)
    for path in (*files, tmp_path / "snap", tmp_path):
        check_same_snapshot(snapshot.read(path), hydro)


def test_the_real_initial_conditions(real_data: Path) -> None:
    found = binary.read(real_data / "nbody" / "arepo_l50n32" / "L50n32_ics")
    part = found.particles["dark_matter"]
    assert (list(found.particles), found.box_size, found.redshift, found.omega_m) == (
        ["dark_matter"],
        50.0,
        127.0,
        0.3089,
    )
    np.testing.assert_array_equal(np.sort(part.ids), np.arange(1, 32**3 + 1))
    np.testing.assert_allclose(part.total_mass / 50.0**3, 0.3089 * RHO_CRITICAL, rtol=1e-4)
    # The growing mode: a lattice displaced by psi moves at a H f psi, f = 1 at z = 127.
    index = (part.ids.astype(np.int64) - 1)[:, None] // [1024, 32, 1] % 32
    psi = (part.pos - index * 50 / 32 + 25) % 50 - 25
    rate = 100 * np.sqrt(0.3089 * 128**3 + 0.6911) / 128
    np.testing.assert_allclose(part.vel, rate * psi, rtol=0, atol=0.02 * part.vel.std())
