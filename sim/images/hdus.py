"""FITS files that nobody vouches for, opened whole or not at all."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning


@contextmanager
def opened(path: Path) -> Iterator[fits.HDUList]:
    """A FITS file; ValueError that names it when it is none, or cut short."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", AstropyWarning)
        try:
            with fits.open(path, memmap=False) as file:
                yield file
        except (OSError, TypeError, KeyError, IndexError, fits.VerifyError) as error:
            raise ValueError(f"{path}: expected a whole FITS file, got: {error}") from error
    if cut := next((str(one.message) for one in seen if "truncated" in str(one.message)), None):
        raise ValueError(f"{path}: expected a whole FITS file, got: {cut}")
