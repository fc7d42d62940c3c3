"""Folders of the .npz files of VDM-BIND, one a sample, as they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import VdmBind
from learn.data import Batch, Split
from learn.sources.cutout import Parameters, Window
from sim import vdm_bind
from sim.splits import split as parted

Array = NDArray[np.float32]


class VdmBindSource:
    """The samples of one split, a file read when it is asked for."""

    def __init__(self, config: VdmBind, split: Split) -> None:
        self.config = config
        found, files = vdm_bind.find(config.folder)
        names = (found or parted(sorted(files), config.split, config.seed))[split]
        self._paths: list[Path] = []
        self.simulations: Mapping[str, range] = {name: self._list_samples(files[name]) for name in sorted(names)}
        if not self._paths:
            raise ValueError(f"{config.folder}: samples in the {split} split, found none")
        first = self._read_file(self._paths[0])
        numbered = tuple(f"p{i}" for i in range(len(first["params"])))
        self._parameters = Parameters.of(config.folder, numbered, config.param_names, config.constants)
        self._window = Window(config.scales, first["condition"].shape[-1], config.targets)
        identity = self._identity([path for name in sorted(files) for path in files[name]])
        self.about = self._window.about(depth=config.depth, param_names=self._parameters.names, data_sha256=identity)

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, indices: Sequence[int]) -> Batch:
        """The samples with these indices as surface densities. ValueError names a file that is none, or is unlike."""
        return Batch.stacked((self._read_one(self._paths[i]) for i in indices), indices)

    def close(self) -> None:
        """Nothing stays open."""

    def _list_samples(self, paths: Sequence[Path]) -> range:
        """Add the samples of a simulation; their indices."""
        start = len(self._paths)
        self._paths += paths
        return range(start, len(self._paths))

    def _read_file(self, path: Path) -> dict[str, NDArray[Any]]:
        return vdm_bind.read_sample(path, len(self.config.scales) - 1)

    def _read_one(self, path: Path) -> tuple[Array, ...]:
        sample = self._read_file(path)
        expected = (self._window.n_pixels, len(self._parameters.stored))
        got = (sample["condition"].shape[-1], len(sample["params"]))
        if got != expected:
            raise ValueError(
                f"{path}: expected {expected[0]} pixels and {expected[1]} parameters, got {got[0]}, {got[1]}"
            )
        maps = self._window.maps(sample["condition"], sample["large_scale"], sample["target"], where=str(path))
        return (*maps, self._parameters.values(sample["params"], float(sample["halo_mass"])))

    def _identity(self, paths: Sequence[Path]) -> str:
        """Of the names and sizes of the files and how they are read and parted, not of where they are."""
        told = self.config.model_dump_json(exclude={"folder", "targets"})
        sizes = [f"{path.relative_to(self.config.folder)} {path.stat().st_size}" for path in paths]
        return hashlib.sha256("\n".join([told, *sizes]).encode()).hexdigest()
