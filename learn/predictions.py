"""Folders of painted maps: one {simulation}.npy a simulation, which any emulator can write.

float32, surface densities in the unit of the targets, (n_maps, C, P, P), or (n_draws, n_maps, C, P, P) of a stochastic
emulator; maps in the order of the data set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from configs.files import replacing

Maps = NDArray[np.float32]
Shape = tuple[int, int, int]  # C, P, P


class Predictions:
    """The maps of a folder, checked by their headers when it is opened, read when they are asked for.

    FileNotFoundError names a simulation without a file; ValueError a file of no simulation of the split, or one of
    another type or shape.
    """

    def __init__(self, folder: Path, n_maps: Mapping[str, int], shape: Shape) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: expected a folder of predictions, found none")
        unknown = sorted({path.stem for path in folder.glob("*.npy")} - set(n_maps))
        if unknown:
            raise ValueError(f"{folder}: expected simulations among {', '.join(n_maps)}, got {unknown[0]}.npy")
        self._files = {name: self._opened(name, n, shape) for name, n in n_maps.items()}
        counts = {name: len(maps) for name, maps in self._files.items()}
        first = next(iter(counts))
        for name, n_draws in counts.items():
            if n_draws != counts[first] or self._files[name].ndim != self._files[first].ndim:
                raise ValueError(
                    f"{folder}: expected {counts[first]} draws as in {first}.npy, got {name}.npy with {n_draws}"
                )

    @property
    def n_draws(self) -> int:
        """Answers to a map; 1 of a deterministic emulator."""
        return len(next(iter(self._files.values())))

    def draws(self, simulation: str, i_map: int) -> Maps:
        """All answers to one map, (n_draws, C, P, P)."""
        return np.array(self._files[simulation][:, i_map])

    def _opened(self, name: str, n_maps: int, shape: Shape) -> Maps:
        """A file as (n_draws, n_maps, C, P, P), without reading it."""
        path = self.folder / f"{name}.npy"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: expected the predictions of {name}, found no such file")
        try:
            maps = np.load(path, mmap_mode="r", allow_pickle=False)
        except ValueError as error:
            raise ValueError(f"{path}: expected an array of float32, got: {error}") from error
        expected = (n_maps, *shape)
        if maps.dtype != np.float32 or maps.shape[-4:] != expected or maps.ndim not in (4, 5) or not len(maps):
            wanted = f"float32 of shape {expected}, or with draws in front"
            raise ValueError(f"{path}: expected {wanted}, got {maps.dtype} of shape {maps.shape}")
        return maps[None] if maps.ndim == 4 else maps


class PredictionWriter:
    """Writes such a folder, one simulation after another, one map at a time."""

    def __init__(self, folder: Path, shape: Shape, *, n_draws: int) -> None:
        self.folder, self.shape, self.n_draws = folder, shape, n_draws

    @contextmanager
    def simulation(self, name: str, n_maps: int) -> Iterator[Maps]:
        """An array (n_draws, n_maps, C, P, P) to fill; the file is there, whole, when the block ends well."""
        own = (n_maps, *self.shape)
        shape = own if self.n_draws == 1 else (self.n_draws, *own)
        with replacing(self.folder / f"{name}.npy") as temporary:
            maps = open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
            yield maps[None] if self.n_draws == 1 else maps
            maps.flush()
            del maps
