"""Images in the HDF5 layout of dolphin and lenstronomy: image_data, exposure_time, background_rms, transform_pix2angle.

The point spread function is kernel_point_source of another file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from astropy.wcs import WCS

from sim import hdf
from sim.images import world
from sim.images.fits_file import MAX_SIDE
from sim.images.observation import Array

KERNEL = "kernel_point_source"


@dataclass(frozen=True)
class Found:
    """What a file has: arrays (n, m) or None."""

    image: Array
    exposure: Array | None
    noise: Array | None
    background_rms: float | None
    wcs: WCS | None
    supersampling: int = 1


def read(path: Path) -> Found:
    """An image. ValueError names the file and the dataset that is missing or of another shape."""
    with hdf.opened(path) as file:
        image = _plane(path, file, "image_data")
        others = {name: _plane(path, file, name) for name in ("exposure_time", "noise_map") if _is_plane(file, name)}
        for name, values in others.items():
            if values.shape != image.shape:
                raise ValueError(f"{path}: {name}: expected shape {image.shape} as the image, got {values.shape}")
        exposure = others.get("exposure_time")
        if exposure is None and "exposure_time" in file:
            exposure = np.full(image.shape, _number(path, file, "exposure_time"))
        rms = _number(path, file, "background_rms") if "background_rms" in file else None
        return Found(image, exposure, others.get("noise_map"), rms, _world(path, file))


def kernel(path: Path) -> Array:
    """The point spread function of a file of dolphin."""
    with hdf.opened(path) as file:
        return _plane(path, file, KERNEL)


def _world(path: Path, file: h5py.File) -> WCS | None:
    if "transform_pix2angle" not in file:
        return None
    hdf.check_dataset(file, path, "transform_pix2angle", (2, 2))
    names = ("ra_at_xy_0", "dec_at_xy_0")
    origin = [_number(path, file, name) if name in file else 0.0 for name in names]
    return world.offsets(np.asarray(file["transform_pix2angle"][()], dtype=np.float64), origin)


def _is_plane(file: h5py.File, name: str) -> bool:
    return isinstance(file.get(name), h5py.Dataset) and file[name].ndim == 2


def _plane(path: Path, file: h5py.File, name: str) -> Array:
    if not _is_plane(file, name):
        raise ValueError(f"{path}: expected a dataset {name} of two axes, got {', '.join(file) or 'nothing'}")
    shape = file[name].shape
    if max(shape) > MAX_SIDE:
        raise ValueError(f"{path}: {name}: expected at most {MAX_SIDE} pixels along a side, got {shape}")
    hdf.check_dataset(file, path, name, shape)
    return np.asarray(file[name][()], dtype=np.float64)


def _number(path: Path, file: h5py.File, name: str) -> float:
    value = np.asarray(file[name][()] if file[name].size == 1 else np.nan)
    if value.dtype.kind not in "iuf" or not np.isfinite(value).all():
        raise ValueError(f"{path}: {name}: expected a number, got {file[name]}")
    return float(value.item())
