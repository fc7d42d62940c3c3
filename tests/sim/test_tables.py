from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from configs import Box, Cosmology
from sim import tables
from sim.power import PowerTable, linear_power
from sim.tables import input_power, read_power

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
BOX = Box(cosmology=PLANCK, box_size=100.0, n_particles=32, seed=0)
LOW, HIGH = 2 * np.pi / 100, np.sqrt(3) * np.pi * 32 / 100


def box_of(path: Path, **other: object) -> Box:
    return BOX.model_copy(update={"power_table": path, **other})


def written(path: Path, table: PowerTable) -> Path:
    np.savetxt(path, np.column_stack([table.k, table.pk]), header="k P")
    return path


def cut(table: PowerTable, low: float, high: float) -> PowerTable:
    k = np.geomspace(low, high, 400)
    return PowerTable(k, table(k))


def test_without_a_table_it_is_cambs() -> None:
    assert input_power(BOX) is linear_power(PLANCK)


def test_a_table_comes_back_as_it_is(tmp_path: Path) -> None:
    table = linear_power(PLANCK)
    found = input_power(box_of(written(tmp_path / "p.txt", table)))
    np.testing.assert_array_equal(found.k, table.k)
    np.testing.assert_array_equal(found.pk, table.pk)


def test_comments_blank_lines_and_tabs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(
        b"\xef\xbb\xbf# k P\r\n\r\n1e-3\t10 # first\r\n  .01 9\n1,0 # no\n".replace(b"1,0 # no", b"1 8\n2.5 7")
    )
    table = read_power(path)
    np.testing.assert_array_equal(table.k, [1e-3, 0.01, 1, 2.5])
    np.testing.assert_array_equal(table.pk, [10, 9, 8, 7])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0.5", "line 4: expected two numbers, got '0.5'"),
        ("0.5 1 2", "line 4: expected two numbers, got '0.5 1 2'"),
        ("0.5 many", "line 4: expected two numbers, got '0.5 many'"),
        ("0.5 nan", "line 4: expected finite numbers above 0, got 0.5 nan"),
        ("inf 1", "line 4: expected finite numbers above 0, got inf 1"),
        ("0.5 0", "line 4: expected finite numbers above 0, got 0.5 0"),
        ("-0.5 1", "line 4: expected finite numbers above 0, got -0.5 1"),
        ("0.2 1", "line 4: expected k above 0.2 of the row before, got 0.2"),
        ("0.1 1", "line 4: expected k above 0.2 of the row before, got 0.1"),
        ("\ufffd\x00", "line 4: expected two numbers"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "p.txt"
    path.write_text(f"# k P\n0.1 2\n0.2 1\n{line}\n1 1\n2 1\n3 1\n", encoding="utf-8")
    with pytest.raises(ValueError) as error:
        read_power(path)
    assert f"power_table {path} {message}" in str(error.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.npy"
    np.save(path, np.ones((4, 2)))
    with pytest.raises(ValueError, match="line 1: expected two numbers"):
        read_power(path)


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text("0.1 2\n0.2 1\n0.3 1\n")
    with pytest.raises(ValueError, match="expected at least 4 rows, got 3"):
        read_power(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.txt"):
        with pytest.raises(FileNotFoundError, match=f"power_table: expected a file, found none at {path}"):
            read_power(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    with path.open("wb") as file:
        file.truncate(tables.MAX_BYTES + 1)
    with pytest.raises(ValueError, match="expected at most 67108864 bytes, got 67108865"):
        read_power(path)


def test_just_the_modes_of_the_box_are_enough(tmp_path: Path) -> None:
    path = written(tmp_path / "p.txt", cut(linear_power(PLANCK), LOW, HIGH))
    table = input_power(box_of(path))
    # The modes of a mesh are numbers of 32 bits.
    assert np.isfinite(table(np.array([np.float32(LOW), np.float32(HIGH)]))).all()


@pytest.mark.parametrize(("low", "high"), [(1.01, 1.0), (1.0, 0.99)])
def test_a_mode_that_is_not_covered_is_refused(tmp_path: Path, low: float, high: float) -> None:
    path = written(tmp_path / "p.txt", cut(linear_power(PLANCK), LOW * low, HIGH * high))
    with pytest.raises(ValueError) as error:
        input_power(box_of(path))
    covered = f"got {LOW * low:g} to {HIGH * high:g}"
    assert str(error.value) == f"power_table {path}: expected k from 0.0628319 to 1.74125 h/Mpc of its modes, {covered}"


def test_a_box_smaller_than_cambs_scales_is_refused() -> None:
    with pytest.raises(ValueError, match=r"box: expected k from 62.8319 to 1741.25 h/Mpc .*, got 0.0001 to 1000"):
        input_power(BOX.model_copy(update={"box_size": 0.1}))


@pytest.mark.parametrize("n_rows", [60, 4000])
def test_another_sigma8_is_refused(tmp_path: Path, n_rows: int) -> None:
    k = np.geomspace(1e-3, 5, n_rows)
    for factor in (0.97, 1.03):
        path = written(tmp_path / "p.txt", PowerTable(k, linear_power(PLANCK)(k) * factor))
        with pytest.raises(ValueError, match=r"expected sigma8=0.81 of the cosmology within 1 %, got 0\.[78]"):
            input_power(box_of(path))
        path = written(tmp_path / "p.txt", PowerTable(k, linear_power(PLANCK)(k) * (1 + (factor - 1) / 2)))
        input_power(box_of(path))


def test_a_table_too_narrow_for_sigma8_is_not_checked(tmp_path: Path) -> None:
    narrow = cut(linear_power(PLANCK), 0.01, 4)
    table = input_power(box_of(written(tmp_path / "p.txt", PowerTable(narrow.k, 2 * narrow.pk))))
    np.testing.assert_array_equal(table.pk, 2 * narrow.pk)
