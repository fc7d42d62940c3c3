"""The halo lists of Rockstar in text: out_*.list, halos_*.ascii, and those of consistent-trees.

Masses in Msun/h, positions in comoving Mpc/h. Columns are found by name: the first called M200c, which is that of the
mass definition of the run where it is 200c.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from sim.halo_list import Halos, PeriodicBox, listed
from sim.text_table import TextTable

_STATED = {
    "box_size": r"^#\s*Box size:\s*([-+.\deE]+)",
    "scale": r"^#\s*a\s*=\s*([-+.\deE]+)",
    "omega_m": r"^#.*\bOm\s*=\s*([-+.\deE]+)",
    "h": r"^#.*\bh\s*=\s*([-+.\deE]+)",
}
_UNITS = {"Masses": "Msun / h", "Positions": "Mpc / h"}


def recognised(path: Path) -> bool:
    """Whether the first line is # and the names of columns, among them an ID."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return re.match(rb"#\s*(scale\(0\)\s+)?id\b", stream.readline(1 << 16), re.IGNORECASE) is not None


def stated(path: Path) -> dict[str, float]:
    """box_size [Mpc/h], redshift, omega_m and h, as far as the comments say them."""
    comments = TextTable.of(path).comments()
    matches = {name: re.search(pattern, comments, re.MULTILINE) for name, pattern in _STATED.items()}
    found = {name: float(match[1]) for name, match in matches.items() if match}
    if "scale" in found:
        found["redshift"] = 1 / found.pop("scale") - 1
    return found


def read(path: Path, box: PeriodicBox) -> Halos:
    """Every halo that is in no other; `number` counts all rows of the list.

    R200c is computed from M200c. A column PID says which halos are in others; lists without it (halos_*.ascii, and
    out_*.list before find_parents) have no such knowledge, and all their rows are halos. ValueError names a column that
    is missing.
    """
    table = _table(path)
    names = ["m200c", "x", "y", "z", *(["pid"] if table.index("pid") is not None else [])]
    columns = [table.index(name) for name in names]
    missing = [name for name, column in zip(names, columns, strict=True) if column is None]
    if missing:
        raise ValueError(f"{path}: expected columns M200c, X, Y and Z, got no {', '.join(missing)}")
    values = table.numbers([column for column in columns if column is not None])
    try:
        halos = listed(values[:, 1:4], values[:, 0], None, box)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return halos.taken(values[:, 4] < 0) if len(names) == 5 else halos


def _table(path: Path) -> TextTable:
    """The table, without the numbers that consistent-trees adds to names; ValueError when it says other units."""
    table = TextTable.of(path)
    comments = table.comments()
    for quantity, unit in _UNITS.items():
        match = re.search(rf"^#\s*Units:\s*{quantity} in (.*)", comments, re.MULTILINE)
        if match and not match[1].startswith(unit):
            raise ValueError(f"{path}: expected {quantity} in {unit}, got {match[1]}")
    return replace(table, names=tuple(re.sub(r"\(\d+\)$", "", name) for name in table.names))
