"""HDF5 files that are opened when they are first asked for, in each process."""

from __future__ import annotations

from pathlib import Path

import h5py


class OpenFiles:
    """The files that one process has open; a copy that travels to another process has none."""

    def __init__(self) -> None:
        self._files: dict[Path, h5py.File] = {}

    def __getstate__(self) -> dict[str, object]:
        return {"_files": {}}

    def __getitem__(self, path: Path) -> h5py.File:
        if path not in self._files:
            self._files[path] = h5py.File(path)
        return self._files[path]

    def close(self) -> None:
        """Close all; asking opens them again."""
        for file in self._files.values():
            file.close()
        self._files.clear()
