"""Sets of halo cutouts that `produce` wrote: shards and manifest of `sim.samples`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from configs import HaloCutouts
from learn.data import Batch, Split
from learn.sources.cutout import Parameters, Window
from learn.sources.files import OpenFiles
from sim.parameter_table import own_name
from sim.samples import FORMAT, PRODUCT, Manifest, read_manifest

Array = NDArray[np.float32]


class HaloSource:
    """The samples of one split; a shard is opened when one of its samples is first asked for, in each process."""

    def __init__(self, config: HaloCutouts, split: Split) -> None:
        manifest = read_manifest(config.folder)
        refuse_unusable(manifest, config.folder)
        found = tuple(own_name(name) for name in manifest.param_names)
        self._parameters = Parameters.of(config.folder, found, config.param_names, config.constants)
        self._window = Window(manifest.scales, manifest.n_pixels, config.targets)
        self._samples: list[tuple[Path, int]] = []
        self.simulations: Mapping[str, range] = {
            name: self._list_samples(name, manifest, config.folder) for name in manifest.split[split]
        }
        if not self._samples:
            raise ValueError(f"{config.folder / 'manifest.json'}: samples in the {split} split, found none")
        self.about = self._window.about(
            depth=manifest.depth, param_names=self._parameters.names, data_sha256=manifest.hash
        )
        self._files = OpenFiles()

    def __len__(self) -> int:
        return len(self._samples)

    def read(self, indices: Sequence[int]) -> Batch:
        """The samples with these indices as surface densities. ValueError names a shard that is none."""
        return Batch.stacked((self._read_one(i) for i in indices), indices)

    def close(self) -> None:
        """Close the shards; reading opens them again."""
        self._files.close()

    def _list_samples(self, name: str, manifest: Manifest, folder: Path) -> range:
        """Add the samples of a simulation; their indices."""
        start = len(self._samples)
        for entry in manifest.shards:
            if entry.simulation == name:
                self._samples += [(folder / entry.file, row) for row in range(entry.n_samples)]
        return range(start, len(self._samples))

    def _read_one(self, index: int) -> tuple[Array, ...]:
        path, row = self._samples[index]
        try:
            file = self._opened(path)
            condition, target = file["condition"][row], file["target"][row]
            empty = np.empty((0, *condition.shape), np.float32)
            large_scale = file["large_scale"][row] if len(self._window.scales) > 1 else empty
            params, mass = file["params"][row], float(file["halo_mass"][row])
        except (OSError, KeyError, IndexError, ValueError) as error:
            raise ValueError(f"{path}: expected a whole shard of halo cutouts, got: {error}") from error
        maps = self._window.maps(condition, large_scale, target, where=f"{path}: sample {row}")
        return (*maps, self._parameters.values(params, mass))

    def _opened(self, path: Path) -> h5py.File:
        file = self._files[path]
        if (file.attrs.get("product"), file.attrs.get("format")) != (PRODUCT, FORMAT):
            raise ValueError(f"{path}: expected a shard of {PRODUCT}, format {FORMAT}")
        return file


def refuse_unusable(manifest: Manifest, folder: Path) -> None:
    """ValueError for cubes, and where a simulation is in two splits."""
    if manifest.n_dims != 2:
        raise ValueError(f"{folder}: expected maps of halos, got cubes")
    names = [name for part in manifest.split.values() for name in part]
    if len(set(names)) < len(names):
        raise ValueError(f"{folder / 'manifest.json'}: expected each simulation in one split, got one in several")
