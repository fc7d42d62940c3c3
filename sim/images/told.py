"""What is said of an image in several places: options, headers, a catalogue, a JSON file beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from astropy.io import fits

EXPOSURE = ("EXPTIME", "TEXPTIME", "EXPOSURE")
GAIN = ("GAIN", "CCDGAIN", "EGAIN", "ATODGAIN")
ZERO_POINT = ("MAGZERO", "MAGZPT", "MAGZP", "ZEROPNT", "PHOTZP")
Z_LENS = ("Z_LENS", "ZLENS")
Z_SOURCE = ("Z_SRC", "Z_SOURCE", "ZSRC")
BACKGROUND_RMS = ("BKGRMS",)
PIXEL_SCALE = ("PIXSCALE", "PIXSCAL1", "SECPIX")
MAX_DIFFERENCE = 0.01
"""Of pixel scales that are said to be of one image."""
MAX_BYTES = 1 << 20


def number(header: Mapping[str, object], keywords: Iterable[str]) -> float | None:
    """The first finite number under any of these; None if there is none."""
    found = (header.get(key) for key in keywords)
    return next((float(x) for x in found if isinstance(x, int | float) and math.isfinite(x)), None)


def zero_point(header: fits.Header) -> float | None:
    """AB magnitude of one unit; of HST from PHOTFLAM and PHOTPLAM (ACS Data Handbook, 5.1.1)."""
    if (said := number(header, ZERO_POINT)) is not None:
        return said
    flux, pivot = number(header, ["PHOTFLAM"]), number(header, ["PHOTPLAM"])
    if not flux or not pivot or flux < 0 or pivot < 0:
        return None
    return -2.5 * math.log10(flux) - 5 * math.log10(pivot) - 2.408


def information(path: Path | None) -> dict[str, object]:
    """What a JSON file says; ValueError unless it is a mapping."""
    if path is None:
        return {}
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: expected at most {MAX_BYTES} bytes, got {path.stat().st_size}")
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected names and values, got a {type(content).__name__}")
    return content


def agreed_scale(said: Mapping[str, float | None], where: Path) -> tuple[float | None, str]:
    """The first of the pixel scales [arcsec] and who said it. ValueError where two differ by over a percent."""
    known = {who: value for who, value in said.items() if value is not None}
    if wrong := next((f"{who} {value:g}" for who, value in known.items() if not 0 < value < math.inf), None):
        raise ValueError(f"{where}: pixel scale: expected a number above 0, got {wrong}")
    for who, value in known.items():
        first, of_first = next(iter(known.items()))
        if abs(value / of_first - 1) > MAX_DIFFERENCE:
            raise ValueError(
                f"{where}: pixel scale: expected one, got {of_first:g} arcsec by {first} and {value:g} by {who}"
            )
    return next(((value, who) for who, value in known.items()), (None, "nobody"))


def redshifts(pairs: Iterable[tuple[float | None, float | None]]) -> tuple[float | None, float | None]:
    """The first of the lens and the first of the source that is said."""
    every = list(pairs)
    lens, source = ([pair[i] for pair in every if pair[i] is not None] for i in (0, 1))
    return next(iter(lens), None), next(iter(source), None)
