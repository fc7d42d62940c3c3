"""Prepared images on disk: FITS with the image first, then NOISE, PSF, MASK and LENSLIGHT.

Every step is a line of HISTORY and its numbers are keywords; who reads the file gets the observation that was written.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits

from configs.files import replacing
from configs.observing import MAX_POINTS
from configs.provenance import commit
from sim.images import world
from sim.images.fits_file import MAX_SIDE
from sim.images.hdus import opened
from sim.images.observation import Array, Number, Observation, Step

FORMAT, VERSION = "DGFORMAT", 1
LENGTH = 80
"""Of a card."""
WIDTH = 70
"""Of a line of HISTORY."""
FIELDS = {
    "name": ("LENSNAME", "name of the lens"),
    "pixel_size": ("PIXSCALE", "[arcsec] side of a pixel"),
    "unit": ("BUNIT", "unit of brightness"),
    "band": ("FILTER", "band"),
    "z_lens": ("Z_LENS", "redshift of the lens"),
    "z_source": ("Z_SRC", "redshift of the source"),
    "exposure_time": ("EXPTIME", "[s] exposure"),
    "gain": ("GAIN", "electrons a count in the file that was read"),
    "zero_point": ("MAGZERO", "AB magnitude of one unit"),
    "background_rms": ("BKGRMS", "scatter of an empty pixel"),
}
MEANINGS = {
    "NX_READ": "columns that were read",
    "NY_READ": "rows that were read",
    "NBAD": "pixels that are no numbers, or without noise",
    "NSATUR": "saturated pixels",
    "UNITFACT": "factor to the unit",
    "SKYLEVEL": "subtracted",
    "SKYMODE": "measured in the outer quarter",
    "SKYERR": "its error",
    "SKYRMS": "scatter of a pixel",
    "SKYSTEP": "errors by which it falls outwards",
    "NOISEOWN": "whether the noise map was given",
    "NOISERAT": "scatter of the outer quarter over it",
    "NOISERMS": "background that it was made of",
    "PSFSIDE": "[pixel] side of the psf as it was taken",
    "PSFFWHM": "[pixel] its width, then",
    "PSFSUM": "its sum as given",
    "CENTERX": "[pixel, from 0] in the file that was read",
    "CENTERY": "[pixel, from 0] in the file that was read",
    "NUSED": "pixels that are used",
    "NPOINTS": "point images that are subtracted",
    **{
        f"P{i}{key}": meaning
        for i in range(1, MAX_POINTS + 1)
        for key, meaning in {"X": "[pixel, from 0]", "Y": "[pixel, from 0]", "FLUX": "of all its pixels"}.items()
    },
    "LIGHTOFF": "whether LENSLIGHT is subtracted",
    "LIGHTX": "[pixel, from 0] centre of the fit",
    "LIGHTY": "[pixel, from 0] centre of the fit",
    "LIGHTCON": "constant of the fit",
    "CORECHI": "rms of residual over noise in the core",
    "COREPART": "residual over light in the core",
    **{
        f"SER{i}{key}": meaning
        for i in (1, 2)
        for key, meaning in {
            "AMP": "brightness at r_e",
            "RE": "[pixel] r_e",
            "N": "Sersic index",
            "E1": "ellipticity",
            "E2": "ellipticity",
        }.items()
    },
    "RINGX": "[pixel, from 0] centre of the ring",
    "RINGY": "[pixel, from 0] centre of the ring",
    "RINGRAD": "[pixel] radius of the ring",
    "RINGWID": "[pixel] scatter about it",
    "RATIO": "new pixel over old one",
    "X0": "[old pixel] edge where the frame begins",
    "Y0": "[old pixel] edge where the frame begins",
    "NORMOFF": "image was (this +",
    "NORMSCAL": "value times this)",
}
STRUCTURE = re.compile(r"SIMPLE|BITPIX|NAXIS\d?|EXTEND|HISTORY|COMMENT||DGFORMAT|DGCOMMIT|[XY]CENTER|WARN\d+|DATE")


def write(path: Path, seen: Observation) -> None:
    """Write an observation to `path`."""
    units = [fits.PrimaryHDU(seen.image, header_of(seen))]
    for name, array in (("NOISE", seen.noise), ("PSF", seen.psf), ("LENSLIGHT", seen.lens_light)):
        if array is not None:
            units.append(fits.ImageHDU(array, name=name))
    units.append(fits.ImageHDU(seen.mask.astype(np.uint8), name="MASK"))
    with replacing(path) as temporary:
        fits.HDUList(units).writeto(temporary)


def is_prepared(path: Path) -> bool:
    """Whether it is a file of this format. ValueError if it is no FITS file."""
    with opened(path) as file:
        return FORMAT in file[0].header


def read(path: Path) -> Observation:
    """The observation that was written. ValueError for another format, or without an image and its mask."""
    with opened(path) as file:
        header = file[0].header.copy()
        if header.get(FORMAT) != VERSION:
            raise ValueError(f"{path}: expected a prepared image of format {VERSION}, got {header.get(FORMAT)}")
        arrays = {unit.name: _array(path, unit) for unit in file if unit.name in ("NOISE", "PSF", "MASK", "LENSLIGHT")}
        image = _array(path, file[0])
    if "MASK" not in arrays or arrays["MASK"].shape != image.shape:
        raise ValueError(f"{path}: expected an extension MASK of shape {image.shape}, got {', '.join(arrays)}")
    fields = {name: header[key] for name, (key, _) in FIELDS.items() if key in header}
    return Observation(
        **fields,
        image=image,
        mask=arrays["MASK"] != 0,
        noise=arrays.get("NOISE"),
        psf=arrays.get("PSF"),
        lens_light=arrays.get("LENSLIGHT"),
        center=(header["XCENTER"], header["YCENTER"]) if "XCENTER" in header else None,
        wcs=world.world(header),
        cards=tuple(_other(header)),
        warnings=tuple(header[key] for key in header if re.fullmatch(r"WARN\d+", key)),
        history=tuple(_history(header)),
    )


def header_of(seen: Observation) -> fits.Header:
    """Coordinates, what is known of the image, and every step."""
    header = fits.Header() if seen.wcs is None else world.header_of(seen.wcs)
    header[FORMAT] = VERSION, "darkglass, prepared image of a lens"
    header["DGCOMMIT"] = commit()
    for name, (key, meaning) in FIELDS.items():
        if (value := getattr(seen, name)) not in (None, ""):
            _add(header, key, value, meaning)
    if seen.center is not None:
        for key, at in zip(("XCENTER", "YCENTER"), seen.center, strict=True):
            _add(header, key, at, "[pixel, from 0] centre")
    for i, text in enumerate(seen.warnings, 1):
        _add(header, f"WARN{i}", text)
    for key, value, meaning in seen.cards:
        if key not in header:
            _add(header, key, value, meaning)
    for i, step in enumerate(seen.history, 1):
        for key, value in step.numbers.items():
            _add(header, key, value, f"[{i}] {MEANINGS[key]}")
        for line in _lines(i, step):
            header.add_history(line)
    return header


def _add(header: fits.Header, key: str, value: Number, meaning: str = "") -> None:
    """A card, its meaning cut to the room that is left."""
    name, plain = key if len(key) <= 8 else f"HIERARCH {key}", _plain(value)
    room = LENGTH - len(str(fits.Card(name, plain)).rstrip()) - len(" / ")
    header[name] = plain, str(_plain(meaning))[: max(room, 0)]


def _lines(i: int, step: Step) -> list[str]:
    """A step as lines of HISTORY."""
    text = str(_plain(f"{i} {step.name}: {step.text}"))
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _history(header: fits.Header) -> Iterator[Step]:
    told: list[str] = []
    for line in header.get("HISTORY", ()):
        if re.match(r"\d+ \w+: ", line):
            told.append(str(line))
        elif told:
            told[-1] += f" {line.strip()}"
    for i, text in enumerate(told, 1):
        name, _, words = text.partition(" ")[2].partition(": ")
        yield Step(name, words, dict(_numbers(header, i)))


def _numbers(header: fits.Header, i: int) -> Iterator[tuple[str, Number]]:
    for card in header.cards:
        if card.keyword in MEANINGS and card.comment.startswith(f"[{i}] "):
            yield card.keyword, card.value


def _other(header: fits.Header) -> Iterator[tuple[str, Number, str]]:
    ours = {key for key, _ in FIELDS.values()} | set(MEANINGS)
    for card in header.cards:
        if card.keyword not in ours and not any(one.fullmatch(card.keyword) for one in (STRUCTURE, world.KEYWORDS)):
            yield card.keyword, card.value, card.comment


def _array(path: Path, unit: fits.ImageHDU) -> Array:
    if not unit.is_image or len(unit.shape) != 2 or max(unit.shape) > MAX_SIDE:
        raise ValueError(
            f"{path}[{unit.name}]: expected an image of at most {MAX_SIDE} pixels a side, got {unit.shape}"
        )
    return np.asarray(unit.data, dtype=np.float64)


def _plain(value: Number) -> Number:
    """As a header may have it."""
    if isinstance(value, str):
        return " ".join(value.encode("ascii", "backslashreplace").decode().split())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
