"""Tables of the parameters of simulations: the CosmoAstroSeed files of CAMELS, and CSV with a header.

Knows nothing of where the simulations are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.text_table import TextTable

_NAME_COLUMNS = ("name", "")
"""What the column of names is called; that of an index has no name."""
_SEED = "seed"
_SAME = {
    "omega_m": ("Omega0", "Omega_m", "OmegaM", "omega_m"),
    "h": ("HubbleParam", "h"),
    "omega_b": ("OmegaBaryon", "Omega_b", "OmegaB", "omega_b"),
    "sigma8": ("sigma8", "sigma_8"),
}
_COSMOLOGY = ("omega_m", "h", "omega_b")


@dataclass(frozen=True)
class ParameterTable:
    """n simulations: `names` of them, values (n, m) of the parameters `param_names`, seed (n,) or None."""

    names: tuple[str, ...]
    param_names: tuple[str, ...]
    values: NDArray[np.float64]
    seeds: NDArray[np.int64] | None

    def row(self, name: str) -> int | None:
        """Where a simulation is; None where it is not."""
        return self.names.index(name) if name in self.names else None

    def cosmology(self, row: int) -> dict[str, float]:
        """omega_m, h and omega_b of a row, as far as the table has them under one of their usual names."""
        columns = {own: [i for i, name in enumerate(self.param_names) if own_name(name) == own] for own in _COSMOLOGY}
        return {own: float(self.values[row, found[0]]) for own, found in columns.items() if found}


def own_name(name: str) -> str:
    """What a configuration calls the parameter that a table calls `name`; `name` itself where it is no cosmology."""
    return next((own for own, names in _SAME.items() if name in names), name)


def read(path: Path, set_name: str) -> ParameterTable:
    """The rows of the set `set_name` (SB35, LH, 1P, CV): those called SB35_0 and so on.

    Without a column of names, or with one of numbers i, row i is {set_name}_{i}. FileNotFoundError; ValueError naming
    the file for a number that is missing or not finite, a name that comes twice, or a table with no row of the set.
    """
    table = TextTable.of(Path(path))
    at = next((i for i, name in enumerate(table.names) if name.lower() in _NAME_COLUMNS), None)
    columns = [i for i in range(len(table.names)) if i != at]
    values = table.numbers(columns)
    names = [f"{set_name}_{i}" for i in range(len(values))] if at is None else _names(table.texts(at), set_name)
    if not np.isfinite(values).all() or len(set(names)) != len(names):
        raise ValueError(f"{path}: expected finite numbers and each name once, got others")
    rows = [i for i, name in enumerate(names) if name.startswith(f"{set_name}_")]
    if not rows:
        raise ValueError(f"{path}: expected simulations called {set_name}_0 and so on, got {', '.join(names[:3])}")
    return _table(tuple(names[i] for i in rows), [table.names[i] for i in columns], values[rows])


def _names(texts: list[str], set_name: str) -> list[str]:
    return [f"{set_name}_{int(text)}" if text.isdecimal() else text for text in texts]


def _table(names: tuple[str, ...], columns: list[str], values: NDArray[np.float64]) -> ParameterTable:
    """The seeds apart from the parameters."""
    is_seed = np.array([name.lower() == _SEED for name in columns])
    seeds = values[:, is_seed][:, 0].astype(np.int64) if is_seed.any() else None
    params = tuple(name for name, seed in zip(columns, is_seed, strict=True) if not seed)
    return ParameterTable(names, params, np.ascontiguousarray(values[:, ~is_seed]), seeds)
