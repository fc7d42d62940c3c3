"""HDF5 files that nobody vouches for: what they declare is compared with what they hold before anything is allocated.

Knows nothing of what the numbers in them mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

SUFFIXES = (".hdf5", ".h5")
DEFLATE_LIMIT = 1032
"""Deflate never packs bytes tighter than this: who declares more is lying."""


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """`path` open for reading; what HDF5 cannot read is a ValueError that names the file."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        raise ValueError(f"{path}: expected a whole HDF5 file: {error}") from error


def header(path: Path, file: h5py.File) -> dict[str, Any]:
    """The attributes of Header, and those of Parameters, where Gadget-4 keeps the cosmology; ValueError without one."""
    if "Header" not in file:
        raise ValueError(f"{path}: expected a group Header, got {', '.join(file) or 'no group'}")
    return {**(file["Parameters"].attrs if "Parameters" in file else {}), **file["Header"].attrs}


def numbers(path: Path, attributes: Mapping[str, Any], name: str, size: int) -> list[float]:
    """The `size` finite numbers of the attribute `name` of the Header of `path`; ValueError for anything else."""
    value = np.asarray(attributes.get(name))
    if value.size != size or value.dtype.kind not in "iuf" or not np.isfinite(value).all():
        raise ValueError(f"{path}: expected {size} number(s) in Header/{name}, got {value.tolist()}")
    return value.ravel().tolist()


def number(path: Path, attributes: Mapping[str, Any], name: str) -> float:
    """The one number of an attribute, as `numbers`."""
    return numbers(path, attributes, name, 1)[0]


def check_dataset(file: h5py.File, path: Path, name: str, shape: tuple[int, ...]) -> None:
    """ValueError unless `file` has numbers of this shape called `name` and enough bytes to back them."""
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset) or dataset.shape != shape or dataset.dtype.kind not in "iuf":
        raise ValueError(f"{path}: {name}: expected numbers of shape {shape}, got {dataset}")
    stored = dataset.id.get_storage_size() * (DEFLATE_LIMIT if dataset.compression else 1)
    if dataset.nbytes > stored:
        raise ValueError(f"{path}: {name}: expected {dataset.nbytes} bytes, at most {stored} are there")
