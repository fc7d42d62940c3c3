"""Text files whose first line names their columns, between commas or white space. Knows nothing of what they mean.

The first line may begin with #; other lines that do are comments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_LONGEST = 1 << 16
"""Bytes of a first line; a longer one is of no table."""


@dataclass(frozen=True)
class TextTable:
    """The names of the columns of `path`; a `delimiter` of None is any white space."""

    path: Path
    names: tuple[str, ...]
    delimiter: str | None

    @classmethod
    def of(cls, path: Path) -> TextTable:
        """ValueError when the first line does not name columns; FileNotFoundError."""
        try:
            with path.open(encoding="utf-8") as stream:
                line = stream.readline(_LONGEST).strip()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: expected text, got something else") from error
        delimiter = "," if "," in line else None
        names = tuple(name.strip(" \"'") for name in line.lstrip("# ").split(delimiter))
        if len(names) < 2 or any(_is_number(name) for name in names):
            raise ValueError(f"{path}: expected a first line with the names of columns, got {line[:80]!r}")
        return cls(path, names, delimiter)

    def index(self, name: str) -> int | None:
        """Where the first column of a name is, in capitals or not; None where there is none."""
        lowered = [own.lower() for own in self.names]
        return lowered.index(name.lower()) if name.lower() in lowered else None

    def numbers(self, columns: Sequence[int]) -> NDArray[np.float64]:
        """(n, len(columns)) of some columns; ValueError naming the file and the row that has other than numbers."""
        if next(self._lines(), None) is None:
            return np.empty((0, len(columns)))
        try:
            return np.loadtxt(self._lines(), delimiter=self.delimiter, usecols=columns, ndmin=2)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error

    def texts(self, column: int) -> list[str]:
        """One column as it is written."""
        rows = [line.split(self.delimiter) for line in self._lines()]
        short = [row for row in rows if len(row) != len(self.names)]
        if short:
            raise ValueError(f"{self.path}: expected {len(self.names)} columns, got {len(short[0])}: {short[0][:3]}")
        return [row[column].strip(" \"'\n") for row in rows]

    def comments(self) -> str:
        """The lines after the first that begin with #, up to the first row."""
        found = []
        with self.path.open(encoding="utf-8") as stream:
            next(stream)
            for line in stream:
                if not line.startswith("#"):
                    break
                found.append(line)
        return "".join(found)

    def _lines(self) -> Iterator[str]:
        """The rows."""
        with self.path.open(encoding="utf-8") as stream:
            next(stream)
            yield from (line for line in stream if line.strip() and not line.startswith("#"))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
