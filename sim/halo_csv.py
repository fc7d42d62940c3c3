"""Halo catalogues in comma-separated columns x, y, z [comoving Mpc/h], m200c [Msun/h] and, if known, r200c [Mpc/h]."""

from __future__ import annotations

from pathlib import Path

from sim.halo_list import Halos, PeriodicBox, listed
from sim.text_table import TextTable

SUFFIX = ".csv"
_NAMES = ("x", "y", "z", "m200c")


def recognised(path: Path) -> bool:
    return path.suffix == SUFFIX


def stated(path: Path) -> dict[str, float]:  # noqa: ARG001
    """Nothing: the columns are all there is."""
    return {}


def read(path: Path, box: PeriodicBox) -> Halos:
    """Every row; the first line names the columns, of which others are not read."""
    table = TextTable.of(path)
    names = [*_NAMES, *(["r200c"] if table.index("r200c") is not None else [])]
    columns = [column for name in names if (column := table.index(name)) is not None]
    if len(columns) != len(names):
        raise ValueError(f"{path}: expected columns {', '.join(_NAMES)}, got {', '.join(table.names)}")
    values = table.numbers(columns)
    try:
        return listed(values[:, :3], values[:, 3], values[:, 4] if len(names) == 5 else None, box)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
