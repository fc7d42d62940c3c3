"""A simulated lens as two FITS files, `source_00012.fits` and `lensed_00012.fits`, the truth in their headers.

North is up and east is left as on the sky, so x is minus the offset in right ascension; the field is around (0, 0).
Knows nothing of how lenses are made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from configs.files import replacing
from sim.lens_shards import UNITS, Images
from sim.lensing.truth import CLUMP, SUBHALO, TRUTH, System, Truths

Image = NDArray[np.float32]


def names(index: int) -> tuple[str, str]:
    """Of the files of a system: its source, and its image."""
    return f"source_{index:05d}.fits", f"lensed_{index:05d}.fits"


def write_pair(folder: Path, images: Images, truths: Truths, i: int, instruments: Sequence[str]) -> tuple[str, str]:
    """Write system `i` of a batch, each file whole or not at all; equal content gives equal bytes."""
    system = truths.take(slice(i, i + 1))
    source, lensed = names(int(system["index"][0]))
    instrument = instruments[int(system["instrument"][0])]
    side = float(system["source_field"][0]) / images["source"].shape[-1]
    plain = plane("SOURCE", images["source"][i], side, system, instrument)
    write(folder / source, [fits.PrimaryHDU(plain.data, plain.header)])
    write(folder / lensed, observed(images, i, system, instrument))
    return source, lensed


def observed(images: Images, i: int, system: Truths, instrument: str) -> list[fits.PrimaryHDU | fits.ImageHDU]:
    """The image, then as extensions its noise map, itself without noise, its PSF, and what the lens is made of."""
    pixel = float(system["pixel_size"][0])
    first = plane("IMAGE", images["image"][i], pixel, system, instrument)
    units = [fits.PrimaryHDU(first.data, first.header)]
    for name in ("noise_map", "noiseless", "psf"):
        units.append(plane(name.upper(), images[name][i], pixel, None, instrument))
    for name, columns in (("subhalos", SUBHALO), ("clumps", CLUMP)):
        every = getattr(system, name)[0]
        units.append(table(name.upper(), columns, every[every[:, 0] > 0]))
    return units


def plane(name: str, image: Image, pixel: float, system: Truths | None, instrument: str) -> fits.ImageHDU:
    """An image with its pixel scale, and the truth about its system if it is told."""
    unit = fits.ImageHDU(image, name=name)
    unit.header["BUNIT"] = UNITS[name.lower()]
    unit.header["INSTRUME"] = (instrument, "of the family")
    for keyword, value, comment in coordinates(image.shape[-1], pixel):
        unit.header[keyword] = (value, comment)
    if system is not None:
        for told, quantity in TRUTH.items():
            number = float(system[told][0])
            comment = f"[{quantity.unit}] {quantity.meaning}" if quantity.unit else quantity.meaning
            unit.header[quantity.card] = (number if math.isfinite(number) else None, comment)
    return unit


def coordinates(n: int, pixel: float) -> list[tuple[str, str | float, str]]:
    """A tangent plane around (0, 0) whose middle is that of the image; `pixel` in arcsec."""
    axes = (("1", "RA---TAN", -1), ("2", "DEC--TAN", 1))
    cards: list[tuple[str, str | float, str]] = [("RADESYS", "ICRS", "made up: the field is around (0, 0)")]
    for axis, kind, sign in axes:
        cards += [(f"CTYPE{axis}", kind, ""), (f"CUNIT{axis}", "deg", ""), (f"CRVAL{axis}", 0.0, "[deg]")]
        cards += [(f"CRPIX{axis}", (n + 1) / 2, "the middle"), (f"CD{axis}_{axis}", sign * pixel / 3600, "[deg/pixel]")]
    return [*cards, ("CD1_2", 0.0, ""), ("CD2_1", 0.0, ""), ("PIXSCALE", pixel, "[arcsec] side of a pixel")]


def table(name: str, columns: Sequence[str], values: NDArray[np.float64]) -> fits.BinTableHDU:
    """A table of the truth (n, columns): angles in arcsec."""
    units = {"share": None}
    told = [
        fits.Column(name=column, format="D", unit=units.get(column, "arcsec"), array=column_of)
        for column, column_of in zip(columns, values.T, strict=True)
    ]
    return fits.BinTableHDU.from_columns(told, name=name)


def write(path: Path, units: list[fits.PrimaryHDU | fits.ImageHDU]) -> None:
    with replacing(path) as temporary:
        fits.HDUList(units).writeto(temporary)


def read_pairs(folder: Path, indices: Sequence[int]) -> tuple[Images, Truths]:
    """The images and the truth of some systems, one at least; ValueError when a file is damaged or lacks something."""
    read = [read_pair(folder, index) for index in indices]
    images = {name: np.stack([one[name] for one, _ in read]) for name in UNITS}
    return images, Truths.of(of_one_size([system for _, system in read]))


def of_one_size(systems: Sequence[System]) -> list[System]:
    """With tables of as many rows, the last ones 0."""
    n_subhalos, n_clumps = (max(len(getattr(one, key)) for one in systems) for key in ("subhalos", "clumps"))
    return [System(one.numbers, longer(one.subhalos, n_subhalos), longer(one.clumps, n_clumps)) for one in systems]


def longer(values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    return np.pad(values, ((0, n - len(values)), (0, 0)))


def read_pair(folder: Path, index: int) -> tuple[dict[str, Image], System]:
    source, lensed = (folder / name for name in names(index))
    try:
        with fits.open(source) as plain, fits.open(lensed) as seen:
            images = {name: np.array(seen[name.upper()].data, np.float32) for name in UNITS if name != "source"}
            images["source"] = np.array(plain["SOURCE"].data, np.float32)
            return images, system_of(seen)
    except (OSError, KeyError, TypeError) as error:
        raise ValueError(f"{lensed}: expected a simulated lens and its source beside it, got: {error}") from error


def system_of(units: fits.HDUList) -> System:
    """The truth in the header of an image and in the tables behind it."""
    header = units["IMAGE"].header
    told = {name: header[quantity.card] for name, quantity in TRUTH.items()}
    numbers = {name: float(value) if isinstance(value, int | float) else math.inf for name, value in told.items()}
    return System(numbers, rows(units["SUBHALOS"], SUBHALO), rows(units["CLUMPS"], CLUMP))


def rows(unit: fits.BinTableHDU, columns: Sequence[str]) -> NDArray[np.float64]:
    """Of a table of the truth (n, columns)."""
    return np.stack([np.array(unit.data[column], np.float64) for column in columns], axis=1)
