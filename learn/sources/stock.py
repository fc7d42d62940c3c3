"""Density fields of simulations on disk, one at a time: maps that a run made, cubes of its particles, maps of shards.

Knows where the fields of a simulation are and which parameters it has; nothing of splits or of learning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from learn.sources.files import OpenFiles
from sim.mesh import paint
from sim.outputs import maps_path
from sim.shards import UNIT, Manifest, file_hash, read_manifest
from sim.snapshot import output_path, read_tracers

Array = NDArray[np.float32]
VOLUME_UNIT = "Msun/h / (Mpc/h)^3"
RECORD, MANIFEST = "box.json", "manifest.json"
N_AXES = 3
KEPT = 2**30
"""Bytes of painted cubes that a process keeps: a snapshot takes longer to read than a cube to learn."""


class Stock(Protocol):
    """The simulations of a folder and their fields."""

    names: tuple[str, ...]
    box_size: float
    depth: float
    unit: str

    def n_fields(self, name: str) -> int: ...

    def parameters(self, name: str, i_field: int) -> Mapping[str, float]:
        """Of one field, by name."""
        ...

    def read(self, name: str, i_field: int) -> Array:
        """One field (P, P) or (P, P, P), as it is stored."""
        ...

    def identity(self, name: str) -> str:
        """A hash of what the simulation is."""
        ...

    def close(self) -> None: ...


class Boxes:
    """The runs that `simulate` wrote: their records, and which output is of the redshift."""

    unit = UNIT

    def __init__(self, folder: Path, redshift: float) -> None:
        self.folder, self.redshift = folder, redshift
        self.names = tuple(sorted(path.parent.name for path in folder.glob(f"*/{RECORD}")))
        if not self.names:
            raise FileNotFoundError(f"{folder}: expected simulations with a {RECORD}, found none")
        self._records = {name: self._record(name) for name in self.names}
        sizes = {float(record["box_size"]) for record in self._records.values()}
        if len(sizes) > 1:
            raise ValueError(f"{folder}: expected boxes of one size, got {sorted(sizes)} Mpc/h")
        (self.box_size,) = sizes
        self.depth = self.box_size

    def n_fields(self, _name: str) -> int:
        return N_AXES

    def parameters(self, name: str, _i_field: int) -> Mapping[str, float]:
        return {**self._records[name]["cosmology"], "redshift": self.redshift}

    def read(self, name: str, i_field: int) -> Array:
        """The map along one axis."""
        path = maps_path(self.folder / name, self._output(name))
        if not path.is_file():
            raise FileNotFoundError(f"{path}: expected the maps of a run with map_pixels, found none")
        try:
            with h5py.File(path) as file:
                return np.asarray(file["surface_density"][i_field])
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"{path}: expected whole maps, got: {error}") from error

    def identity(self, name: str) -> str:
        """Of the configuration of the run, which decides its maps."""
        return file_hash(self.folder / name / RECORD)

    def close(self) -> None:
        """Nothing stays open."""

    def _record(self, name: str) -> dict[str, Any]:
        """The configuration of a run."""
        path = self.folder / name / RECORD
        try:
            record = json.loads(path.read_text())["box"]
            return {key: record[key] for key in ("box_size", "redshifts", "cosmology")}
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: expected the record of a simulation, got: {error}") from error

    def _output(self, name: str) -> int:
        """The number of the output at the redshift."""
        found = np.asarray(self._records[name]["redshifts"], float)
        i_output = int(np.argmin(np.abs(found - self.redshift)))
        if abs(found[i_output] - self.redshift) > 1e-6:
            raise ValueError(f"{self.folder / name}: expected an output at redshift {self.redshift:g}, got {found}")
        return i_output


class Cubes(Boxes):
    """The same runs as cubes: mass in cells over their volume."""

    unit = VOLUME_UNIT

    def __init__(self, folder: Path, redshift: float, n_cells: int) -> None:
        super().__init__(folder, redshift)
        self.n_cells = n_cells
        self._cubes: dict[str, Array] = {}

    def n_fields(self, _name: str) -> int:
        return 1

    def read(self, name: str, _i_field: int) -> Array:
        """The particles of a snapshot on a mesh (CIC), kept in memory while there are few."""
        if name in self._cubes:
            return self._cubes[name]
        cube = self._painted(name)
        if (1 + len(self._cubes)) * cube.nbytes <= KEPT:
            self._cubes[name] = cube
        return cube

    def _painted(self, name: str) -> Array:
        box = read_tracers(output_path(self.folder / name, self._output(name)), ["dark_matter"])
        matter, volume = box["dark_matter"], (box.box_size / self.n_cells) ** 3
        if np.ndim(matter.mass):
            raise ValueError(f"{self.folder / name}: expected particles of one mass, got many masses")
        return paint(matter.pos, box.box_size, self.n_cells) * np.float32(float(matter.mass) / volume)


class ShardMaps:
    """The dark matter of pair shards."""

    unit = UNIT

    def __init__(self, folder: Path, redshift: float) -> None:
        self.folder, self.redshift = folder, redshift
        self.manifest: Manifest = read_manifest(folder)
        self.box_size, self.depth = self.manifest.box_size, self.manifest.depth
        self._shards = {entry.simulation: entry for entry in self.manifest.shards}
        self.names = tuple(sorted(self._shards))
        self._files = OpenFiles()

    def n_fields(self, name: str) -> int:
        return self._shards[name].n_maps

    def parameters(self, name: str, i_field: int) -> Mapping[str, float]:
        """ValueError for a map of another redshift."""
        row = self._files[self.folder / self._shards[name].file]["params"][i_field]
        found = dict(zip(self.manifest.param_names, map(float, row), strict=True))
        if abs(found.get("redshift", self.redshift) - self.redshift) > 1e-6:
            raise ValueError(f"{self.folder}: expected redshift {self.redshift:g}, got {found['redshift']:g}")
        return found

    def read(self, name: str, i_field: int) -> Array:
        return np.asarray(self._files[self.folder / self._shards[name].file]["inputs"][i_field, 0])

    def identity(self, name: str) -> str:
        return self._shards[name].sha256

    def close(self) -> None:
        self._files.close()
