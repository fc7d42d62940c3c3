"""Images of real galaxies as sources: read from FITS files, cleaned, centred, of one size and of unit flux.

Knows nothing of redshifts or of the telescopes that took them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_SIDE = 1024
MAX_IMAGES = 4096
"""In all files together."""
RIM = 0.1
"""Share of the radius over which a stamp fades out."""
FAINT = 1.5
"""Standard deviations of the rim below which a pixel is sky."""


@dataclass(frozen=True)
class Stamps:
    """Galaxies (g, side, side), each of sum 1, and their half-light radii (g,) [pixel]."""

    images: Array
    half_light: Array


@lru_cache(maxsize=4)
def stamps(paths: tuple[Path, ...]) -> Stamps:
    """Of every image in FITS files; FileNotFoundError, or ValueError for a file without a usable image."""
    found = [stamp(image, path) for path in paths for image in images(path)]
    if not 0 < len(found) <= MAX_IMAGES:
        raise ValueError(f"source images: from 1 to {MAX_IMAGES}, got {len(found)} in {len(paths)} files")
    side = max(len(one) for one in found)
    return Stamps(np.stack([padded(one, side) for one in found]), np.array([half_light(one) for one in found]))


def images(path: Path) -> Iterator[Array]:
    """The images (n, m) of a FITS file, each at most `MAX_SIDE` along a side."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a FITS file of images, found none")
    try:
        with fits.open(path, memmap=True) as units:
            for unit in units:
                if unit.is_image and len(unit.shape) == 2:
                    refuse_large(path, unit.shape)
                    yield np.array(unit.data, np.float64)
    except (OSError, TypeError) as error:
        raise ValueError(f"{path}: expected a FITS file of images, got: {error}") from error


def refuse_large(path: Path, shape: Sequence[int]) -> None:
    if not 1 < min(shape) <= max(shape) <= MAX_SIDE:
        raise ValueError(f"{path}: expected images from 2 to {MAX_SIDE} pixels along a side, got {tuple(shape)}")


def stamp(image: Array, path: Path) -> Array:
    """A square around the centre of the light, without sky, fading out at its rim, of sum 1."""
    if not np.isfinite(image).all():
        raise ValueError(f"{path}: expected finite pixels, got others")
    edge = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    light = image - np.median(edge)
    light = np.where(light > FAINT * 1.4826 * np.median(np.abs(edge - np.median(edge))), light, 0)
    if not light.sum() > 0:
        raise ValueError(f"{path}: expected galaxies brighter than their rims, got an image without light")
    square = centred(light)
    radius = distance(len(square)) / (len(square) / 2)
    faded = square * np.clip((1 - radius) / RIM, 0, 1)
    return faded / faded.sum()


def centred(light: Array) -> Array:
    """The largest square around the centre of the light, to the nearest pixel, that is on the image."""
    total, (rows, columns) = light.sum(), np.indices(light.shape)
    row, column = (round(float((along * light).sum() / total)) for along in (rows, columns))
    half = max(1, min(row, column, light.shape[0] - 1 - row, light.shape[1] - 1 - column))
    return light[max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1]


def distance(side: int) -> Array:
    """Of each pixel of a square from its middle [pixel]."""
    along = np.arange(side) - (side - 1) / 2
    return np.hypot(along[:, None], along)


def padded(image: Array, side: int) -> Array:
    """`image` in the middle of a larger square; sides are odd."""
    rim = (side - len(image)) // 2
    return np.pad(image, rim)


def half_light(image: Array) -> float:
    """Radius of the circle around the middle that half of the light is in [pixel]."""
    radius, light = distance(len(image)).ravel(), image.ravel()
    order = np.argsort(radius)
    return max(0.5, float(np.interp(0.5, np.cumsum(light[order]), radius[order])))
