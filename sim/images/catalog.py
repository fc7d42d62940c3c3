"""A catalogue of lenses: comma-separated lens_name, z_lens, z_source, pixel_scale_arcsec; no value is an empty one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from sim.text_table import TextTable

NAME = "lens_name"
NUMBERS = ("z_lens", "z_source", "pixel_scale_arcsec")
UNKNOWN = ("", "-", "nan", "none", "null")


@dataclass(frozen=True)
class Entry:
    """A row; None is what it does not tell."""

    z_lens: float | None = None
    z_source: float | None = None
    pixel_scale_arcsec: float | None = None


def read(path: Path) -> dict[str, Entry]:
    """Rows by name. ValueError for a name that comes twice, or a number below 0 or that is none."""
    table = TextTable.of(path)
    if table.index(NAME) is None:
        raise ValueError(f"{path}: expected a column {NAME}, got {', '.join(table.names)}")
    rows = {name: _texts(table, name) for name in (NAME, *NUMBERS)}
    entries: dict[str, Entry] = {}
    for i, lens in enumerate(rows[NAME]):
        if lens in entries:
            raise ValueError(f"{path}: expected every lens once, got {lens} again")
        entries[lens] = Entry(*(_number(path, lens, name, rows[name][i]) for name in NUMBERS))
    return entries


def entry(catalog: dict[str, Entry], name: str) -> Entry:
    """That of a lens, or of the longest name that its own begins with (a band may follow); one that tells nothing."""
    fitting = [lens for lens in catalog if name == lens or name.startswith((f"{lens}_", f"{lens}."))]
    return catalog[max(fitting, key=len)] if fitting else Entry()


def _texts(table: TextTable, name: str) -> list[str]:
    column = table.index(name)
    return table.texts(column) if column is not None else [""] * len(table.texts(0))


def _number(path: Path, lens: str, name: str, text: str) -> float | None:
    if text.lower() in UNKNOWN:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError(f"{path}: {lens}: {name}: expected a number above 0, got {text!r}")
    return value
