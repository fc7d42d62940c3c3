"""World coordinates of images, celestial or offsets from a lens [arcsec], and of frames cut or resampled from them.

Pixels are counted from 0 here and from 1 in FITS.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from numpy.typing import NDArray

ARCSEC = 3600.0
OFFSETS = ("DRA", "DDEC")
KEYWORDS = re.compile(
    r"(CD|PC)\d_\d|(CDELT|CRVAL|CRPIX|CTYPE|CUNIT|CROTA)\d|(LON|LAT)POLE|WCSAXES|WCSNAME|EQUINOX|RADESYS|MJDREF.?"
    r"|PV\d_\d+|[AB]P?_(ORDER|\d_\d)|RA_XY0|DEC_XY0|PA\d_\d"
)


def world(header: fits.Header) -> WCS | None:
    """Celestial coordinates or offsets of a header; None if it has neither."""
    if "RA_XY0" in header and "PA1_1" in header:
        matrix = np.array([[header[f"PA{i}_{j}"] for j in (1, 2)] for i in (1, 2)], dtype=float)
        return offsets(matrix, (header["RA_XY0"], header["DEC_XY0"]))
    types = [str(header.get(f"CTYPE{i}", "")).strip() for i in (1, 2)]
    if tuple(types) != OFFSETS and not all(kind[:4] in ("RA--", "DEC-", "GLON", "GLAT") for kind in types):
        return None
    kept = header.copy()
    if "CD1_1" in kept:  # beside which neither PC nor CDELT may be
        for key in [key for key in kept if re.fullmatch(r"PC\d_\d|CDELT\d", key)]:
            del kept[key]
    return WCS(kept, naxis=2)


def offsets(matrix: NDArray[np.float64], origin: Sequence[float]) -> WCS:
    """Offsets [arcsec] origin + matrix (x, y) of a pixel."""
    frame = WCS(naxis=2)
    frame.wcs.ctype, frame.wcs.cunit = list(OFFSETS), ["arcsec", "arcsec"]
    frame.wcs.crpix, frame.wcs.crval, frame.wcs.cd = [1.0, 1.0], list(origin), matrix
    return frame


def scale(frame: WCS) -> tuple[float, float]:
    """Sides of a pixel [arcsec]."""
    x, y = proj_plane_pixel_scales(frame)
    unit = 1.0 if frame.wcs.ctype[0] == OFFSETS[0] else ARCSEC
    return float(x) * unit, float(y) * unit


def moved(frame: WCS, corner: tuple[float, float], ratio: float) -> WCS:
    """Of pixels `ratio` times as large, the first of which begins at the pixel edge `corner` (x, y); -.5 is the first.

    Distortions beyond the projection are lost.
    """
    new = frame.deepcopy()
    new.sip = None
    new.wcs.crpix = [(at - 1 - start) / ratio + 0.5 for at, start in zip(frame.wcs.crpix, corner, strict=True)]
    if new.wcs.has_cd():
        new.wcs.cd = frame.wcs.cd * ratio
    else:
        new.wcs.cdelt = frame.wcs.cdelt * ratio
    return new


def header_of(frame: WCS) -> fits.Header:
    """The cards of coordinates, with a CD matrix."""
    header = frame.to_header()
    matrix = frame.pixel_scale_matrix
    for key in [key for key in header if re.fullmatch(r"PC\d_\d|CDELT\d", key)]:
        del header[key]
    for i in (1, 2):
        for j in (1, 2):
            header[f"CD{i}_{j}"] = float(matrix[i - 1, j - 1])
    return header
