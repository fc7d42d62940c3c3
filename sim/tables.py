"""The linear power spectrum that a box starts from: CAMB's, or a text file. Knows nothing of random fields."""

from __future__ import annotations

from math import inf
from pathlib import Path

import numpy as np

from configs import Box
from sim.power import PowerTable, linear_power

MAX_BYTES = 64 * 2**20
MIN_ROWS = 4
"""A cubic needs as many."""
SIGMA8_RANGE = (1e-3, 5.0)
"""h/Mpc; what lies outside is 0.01 % of sigma8."""
SIGMA8_TOLERANCE = 0.01


def input_power(box: Box) -> PowerTable:
    """Linear P(k) at z=0 of all modes of the box's particles: of `box.power_table` as it is, else of CAMB.

    ValueError when the modes are not covered, a table cannot be read, or it is wide enough to have a sigma8 and that
    is not the cosmology's within 1 %; FileNotFoundError.
    """
    if box.power_table is None:
        power, where = linear_power(box.cosmology), "box"
    else:
        power, where = read_power(box.power_table), f"power_table {box.power_table}"
    low, high = 2 * np.pi / box.box_size, np.sqrt(3) * np.pi * box.n_particles / box.box_size
    if not power.covers(low, high):
        covered = f"{power.k[0]:g} to {power.k[-1]:g}"
        raise ValueError(f"{where}: expected k from {low:g} to {high:g} h/Mpc of its modes, got {covered}")
    if box.power_table is not None:
        _refuse_other_sigma8(power, box.cosmology.sigma8, where)
    return power


def read_power(path: Path) -> PowerTable:
    """Rows of k [h/Mpc], rising, and P(k) [(Mpc/h)^3]; what follows a # is a comment.

    ValueError naming file and line; FileNotFoundError.
    """
    _refuse_file(path)
    rows: list[tuple[float, float]] = []
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for i_line, line in enumerate(lines, 1):
            words = line.partition("#")[0].split()
            if words:
                rows.append(_row(words, rows[-1][0] if rows else 0.0, f"power_table {path} line {i_line}"))
    if len(rows) < MIN_ROWS:
        raise ValueError(f"power_table {path}: expected at least {MIN_ROWS} rows, got {len(rows)}")
    k, pk = np.array(rows).T
    return PowerTable(k, pk)


def _refuse_file(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"power_table: expected a file, found none at {path}")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"power_table {path}: expected at most {MAX_BYTES} bytes, got {path.stat().st_size}")


def _row(words: list[str], above: float, where: str) -> tuple[float, float]:
    """(k, P) of a line, with k more than `above`."""
    try:
        k, pk = map(float, words)
    except ValueError:
        raise ValueError(f"{where}: expected two numbers, got {' '.join(words)[:80]!r}") from None
    if not (0 < k < inf and 0 < pk < inf):
        raise ValueError(f"{where}: expected finite numbers above 0, got {words[0]} {words[1]}")
    if k <= above:
        raise ValueError(f"{where}: expected k above {above:g} of the row before, got {k:g}")
    return k, pk


def _refuse_other_sigma8(power: PowerTable, sigma8: float, where: str) -> None:
    """Unless the table is too narrow to say. A coarse one is interpolated first."""
    if not power.covers(*SIGMA8_RANGE):
        return
    k = np.geomspace(*SIGMA8_RANGE, 2048)
    found = PowerTable(k, power(k)).sigma(8.0)
    if abs(found / sigma8 - 1) > SIGMA8_TOLERANCE:
        raise ValueError(f"{where}: expected sigma8={sigma8:g} of the cosmology within 1 %, got {found:.4g}")
