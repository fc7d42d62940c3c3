"""FITS files as a stranger sends them: in a folder of their own while they are read, and bounded before that.

Knows nothing of HTTP and of lenses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from astropy.io import fits

from learn.lenses.reconstruct import UNUSABLE
from sim.images.hdus import opened

SIGN = b"SIMPLE  ="
N_PLANES, MAX_UNITS = 6, 64
"""Of a file: images as large as the largest that is accepted, and extensions."""
MAX_HEADERS = 2**20
"""Bytes of all headers."""


class MalformedFitsError(ValueError):
    """Bytes that are not a FITS file."""


def max_bytes(max_pixels: int) -> int:
    """The longest body that may hold images of this side."""
    return MAX_HEADERS + 8 * N_PLANES * max_pixels**2


@contextmanager
def laid_down(body: bytes, name: str, max_pixels: int) -> Iterator[Path]:
    """A file `name` while it is read; MalformedFitsError for other bytes, ValueError for what cannot be read.

    Nothing compressed is opened: what a file takes in memory is bounded by its length.
    """
    if not body.startswith(SIGN):
        raise MalformedFitsError(f"FITS body: expected to begin with {SIGN.decode()!r}, got {bytes(body[:9])!r}")
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(body)
        try:
            refuse_large(path, max_pixels)
            yield path
        except UNUSABLE as error:
            raise ValueError(str(error).replace(f"{folder}/", "")) from error


def refuse_large(path: Path, max_pixels: int) -> None:
    """ValueError for too many extensions, compressed ones, and sides that are too long; reads headers alone."""
    with opened(path) as file:
        for i, unit in enumerate(file):
            if i >= MAX_UNITS:
                raise ValueError(f"{path}: expected at most {MAX_UNITS} extensions, got more")
            if isinstance(unit, fits.CompImageHDU):
                raise ValueError(f"{path}: expected plain images, got a compressed one in extension {i}")
            if unit.is_image and max(unit.shape, default=0) > max_pixels:
                raise ValueError(f"{path}: expected at most {max_pixels} pixels along a side, got {unit.shape}")
