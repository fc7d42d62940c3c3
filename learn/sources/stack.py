"""Many maps in one file, .npy or HDF5, of which one is read at a time. Knows nothing of what the maps show."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
MAX_PIXELS = 16384


class MapStack:
    """n square maps >= 0 in a file (n, P, P) of float32: the whole of an .npy, or the data set `name` of an HDF5 file.

    An HDF5 file with one data set may call it anything. ValueError names the file that holds something else; a map with
    pixels that are negative or no numbers is refused when it is read.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self._name = path, name
        self._file: h5py.File | None = None
        self._maps: NDArray[np.float32] | h5py.Dataset | None = None
        shape, dtype = self._open().shape, self._open().dtype
        if len(shape) != 3 or shape[1] != shape[2] or not 0 < shape[1] <= MAX_PIXELS or dtype != np.float32:
            raise ValueError(f"{path}: expected float32 maps (n, P, P), P <= {MAX_PIXELS}, got {dtype} {shape}")
        self.n_maps, self.n_pixels = int(shape[0]), int(shape[1])
        self.close()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_file": None, "_maps": None}

    def read(self, i: int) -> Array:
        """Map `i` (P, P)."""
        one = np.array(self._open()[i])
        if not (np.isfinite(one).all() and one.min() >= 0):
            wrong = np.count_nonzero(~(one >= 0) | np.isinf(one))
            raise ValueError(f"{self.path}: expected numbers >= 0 in map {i}, got {wrong} pixels that are not")
        return one

    def digest(self) -> str:
        """SHA-256 of the name and shape of the stack and of its first and last map: whole files take minutes."""
        identity = hashlib.sha256(f"{self.path.name} {self.n_maps} {self.n_pixels}".encode())
        for i in (0, self.n_maps - 1) if self.n_maps else ():
            identity.update(self.read(i).tobytes())
        return identity.hexdigest()

    def close(self) -> None:
        """Close the file; reading opens it again."""
        if self._file is not None:
            self._file.close()
        self._file = self._maps = None

    def _open(self) -> NDArray[np.float32] | h5py.Dataset:
        if self._maps is None:
            try:
                self._maps = self._mapped() if self.path.suffix == ".npy" else self._data_set()
            except (OSError, ValueError, KeyError) as error:
                raise ValueError(f"{self.path}: expected a whole file of maps, got: {error}") from error
        return self._maps

    def _mapped(self) -> NDArray[np.float32]:
        maps: NDArray[np.float32] = np.lib.format.open_memmap(self.path, mode="r")
        return maps

    def _data_set(self) -> h5py.Dataset:
        self._file = h5py.File(self.path, "r")
        names = [key for key, item in self._file.items() if isinstance(item, h5py.Dataset)]
        if self._name not in names and len(names) != 1:
            raise KeyError(f"data sets {', '.join(names) or 'of no name'}, none of them {self._name}")
        return self._file[self._name if self._name in names else names[0]]
