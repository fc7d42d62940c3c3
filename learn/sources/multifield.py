"""The CAMELS Multifield Dataset as it is on disk (Villaescusa-Navarro et al. 2022, arXiv:2109.10915).

`Maps_{field}_{suite}_{set}_z=0.00.npy` or .hdf5: surface densities [Msun/h/(Mpc/h)^2], `maps_per_simulation` a row of
`params_{set}_{suite}.txt` (once `params_{suite}.txt`). Files may be in folders called after the suite and Nbody, as
they are published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs import Multifield
from learn.data import About, Batch, Split
from learn.sources.stack import MapStack
from sim import designs
from sim.parameter_table import own_name
from sim.shards import INPUT_CHANNELS, TARGET_CHANNELS, UNIT
from sim.splits import split as parted

TARGET_FIELDS = ("Mtot", "Mgas", "Mstar")
"""In the order of TARGET_CHANNELS."""

MAX_TABLE_BYTES = 64 * 2**20
Array = NDArray[np.float32]


class MultifieldSource:
    """The maps of one split; a file is mapped into memory when one of its maps is first asked for, in each process."""

    def __init__(self, config: Multifield, split: Split) -> None:
        self.config = config
        self._table_path = find_table(config)
        self._params, param_names = read_table(self._table_path, config)
        self._stacks = {redshift: open_stacks(config, redshift) for redshift in config.redshifts}
        refuse_other_lengths(self._all_stacks(), len(self._params) * config.maps_per_simulation)
        self._maps: list[tuple[float, int]] = []
        self.simulations: Mapping[str, range] = {name: self._list_maps(name) for name in self._names(split)}
        if not self._maps:
            raise ValueError(
                f"{config.folder}: simulations in the {split} split, found none with shares {config.split}"
            )
        self.about = self._describe(param_names)

    def __len__(self) -> int:
        return len(self._maps)

    def read(self, indices: Sequence[int]) -> Batch:
        """The maps with these indices, as stored. ValueError names the file of a map with impossible pixels."""
        return Batch.stacked((self._read_one(i) for i in indices), indices)

    def close(self) -> None:
        """Close the files; reading opens them again."""
        for stack in self._all_stacks():
            stack.close()

    def _all_stacks(self) -> Iterator[MapStack]:
        for stacks in self._stacks.values():
            yield from stacks

    def _names(self, split: Split) -> tuple[str, ...]:
        """The simulations of a split."""
        names = [f"{self.config.set_name}_{i}" for i in range(len(self._params))]
        return parted(names, self.config.split, self.config.seed)[split]

    def _list_maps(self, name: str) -> range:
        """Add the maps of a simulation at every redshift; their indices."""
        start, n = len(self._maps), self.config.maps_per_simulation
        first = int(name.rsplit("_", 1)[1]) * n
        self._maps += [(redshift, first + i) for redshift in self.config.redshifts for i in range(n)]
        return range(start, len(self._maps))

    def _read_one(self, index: int) -> tuple[Array, ...]:
        redshift, row = self._maps[index]
        dark, *baryonic = (stack.read(row) for stack in self._stacks[redshift])
        params = np.append(self._params[row // self.config.maps_per_simulation], redshift)
        return dark[None], np.stack(baryonic), params.astype(np.float32)

    def _describe(self, param_names: tuple[str, ...]) -> About:
        n_pixels = next(self._all_stacks()).n_pixels
        return About(
            input_channels=INPUT_CHANNELS,
            target_channels=TARGET_CHANNELS,
            unit=UNIT,
            pixel_size=self.config.box_size / n_pixels,
            box_size=self.config.box_size,
            depth=self.config.depth,
            periodic=True,
            param_names=(*param_names, "redshift"),
            data_sha256=self._identity(),
        )

    def _identity(self) -> str:
        """Of what was read and how it is parted, not of where it is."""
        told = self.config.model_dump_json(exclude={"folder"})
        parts = [told, self._table_path.read_text(), *(stack.digest() for stack in self._all_stacks())]
        self.close()
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def open_stacks(config: Multifield, redshift: float) -> tuple[MapStack, ...]:
    """The three targets at one redshift, after the gravity-only matter: the Mcdm of their own run feels the baryons."""
    wanted = (("Mtot", f"Nbody_{config.suite}"), *((field, config.suite) for field in TARGET_FIELDS))
    return tuple(MapStack(find_maps(config, *one, redshift), f"Maps_{one[0]}") for one in wanted)


def find_maps(config: Multifield, field: str, suite: str, redshift: float) -> Path:
    """The one file of a field."""
    stem = f"Maps_{field}_{suite}_{config.set_name}_z={redshift:.2f}"
    place = "Nbody" if suite.startswith("Nbody_") else suite
    return only(config.folder, place, (f"{stem}.npy", f"{stem}.hdf5"))


def find_table(config: Multifield) -> Path:
    """The table of parameters, of whose names the older one is that of the set LH."""
    older = (f"params_{config.suite}.txt",) if config.set_name == "LH" else ()
    return only(config.folder, config.suite, (f"params_{config.set_name}_{config.suite}.txt", *older))


def only(folder: Path, place: str, names: Sequence[str]) -> Path:
    """The one file of these names in `folder` or `folder`/`place`; FileNotFoundError, or ValueError for several."""
    found = [path for parent in (folder, folder / place) for name in names if (path := parent / name).is_file()]
    if not found:
        raise FileNotFoundError(f"{folder}: expected {' or '.join(names)}, there or in {place}, found none")
    if len(found) > 1:
        raise ValueError(f"{folder}: expected one of {', '.join(names)}, got {', '.join(map(str, found))}")
    return found[0]


def read_table(path: Path, config: Multifield) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The parameters (n, p) of the simulations, omega_b and h among them, and their names."""
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise ValueError(f"{path}: expected at most {MAX_TABLE_BYTES} bytes, got {path.stat().st_size}")
    try:
        lines = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
        table = np.loadtxt(lines, ndmin=2) if lines else np.empty((0, 0))
    except ValueError as error:
        raise ValueError(f"{path}: expected rows of numbers, got: {error}") from error
    if not table.size or not np.isfinite(table).all():
        raise ValueError(f"{path}: expected finite numbers, got a table {table.shape} of others")
    names = column_names(path, table.shape[1], config)
    constants = {name: value for name, value in (("omega_b", config.omega_b), ("h", config.h)) if name not in names}
    columns = np.broadcast_to(np.array(list(constants.values())), (len(table), len(constants)))
    return np.hstack([table, columns]), (*names, *constants)


def column_names(path: Path, n_columns: int, config: Multifield) -> tuple[str, ...]:
    """What the columns of a table are called: as configured, or as published for 6 and for 28 columns."""
    known = {len(designs.HYPERCUBE): tuple(designs.HYPERCUBE)}
    if config.suite == "IllustrisTNG":
        known |= {n: designs.NAMES[:n] for n in (28, 35)}  # SB28, SB35
    names = config.param_names or tuple(map(own_name, known.get(n_columns, ())))
    if len(names) != n_columns or len(set(names)) < n_columns or "redshift" in names:
        expected = "param_names, each once" if not names else f"{len(names)} columns, {', '.join(names)}, each once"
        raise ValueError(f"{path}: expected {expected}, got {n_columns} columns")
    return names


def refuse_other_lengths(stacks: Iterator[MapStack], n_maps: int) -> None:
    """ValueError names the first file that has not the maps of every row of the table, or maps of another size."""
    n_pixels = 0
    for stack in stacks:
        if stack.n_maps != n_maps:
            raise ValueError(f"{stack.path}: expected {n_maps} maps (maps_per_simulation a row), got {stack.n_maps}")
        if n_pixels and stack.n_pixels != n_pixels:
            raise ValueError(f"{stack.path}: expected maps of {n_pixels} pixels as in the others, got {stack.n_pixels}")
        n_pixels = stack.n_pixels
