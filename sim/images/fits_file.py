"""Images in FITS files: single ones with files beside them, several extensions, several bands.

What an extension is, is told by its name or by the options. Nothing is changed but for what every file needs: pixels
that are no numbers, or whose noise is none, are not used and hold 0. Variances become standard deviations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from configs.observing import Extension, Extensions
from sim.images.hdus import opened
from sim.images.observation import Array
from sim.images.sources import Source

MAX_SIDE = 8192
VARIANCE, INVERSE = ("var", "variance"), ("ivar",)
NAMES = {
    "image": ("sci", "image", "data", "primary"),
    "noise": ("noise", "noise_map", "sigma", "rms", "err", "error", "std", *VARIANCE, *INVERSE),
    "psf": ("psf", "kernel"),
    "mask": ("mask",),
}
IN_BAND = {
    "image": ("bgsub", "flux", "sci", "image"),
    "noise": NAMES["noise"],
    "psf": NAMES["psf"],
    "mask": NAMES["mask"],
}


@dataclass(frozen=True)
class Found:
    """The arrays of a file, (n, m) but for the psf, and the header of its image."""

    image: Array
    header: fits.Header
    noise: Array | None
    psf: Array | None
    mask: Array | None
    supersampling: int = 1


def read(source: Source, extensions: Extensions) -> Found:
    """The arrays of a source. ValueError names the file and what is wrong in it."""
    with opened(source.path) as file:
        at = layout(file, source, extensions)
        image = _plane(source.path, file[at["image"]])
        others = {role: _plane(source.path, file[i]) for role, i in at.items() if role != "image"}
        header = file[at["image"]].header.copy()
        for card in file[0].header.cards:
            if card.keyword not in header and card.keyword not in ("", "COMMENT", "HISTORY", "SIMPLE", "EXTEND"):
                header.append(card)
        if "noise" in at:
            others["noise"] = _deviation(others["noise"], file[at["noise"]].name, source.band)
        supersampling = int(file[at["psf"]].header.get("SUPERSAM", 1)) if "psf" in at else 1
    for role in ("noise", "psf", "mask"):
        if role not in others and (beside := getattr(source, role)) is not None:
            others[role] = plane(beside)
    _refuse_unequal(source.path, image, others)
    return Found(image, header, others.get("noise"), others.get("psf"), others.get("mask"), supersampling)


def plane(path: Path) -> Array:
    """The first image of a file."""
    with opened(path) as file:
        return _plane(path, next((unit for unit in file if len(_shape(unit)) >= 2), file[0]))


def layout(file: fits.HDUList, source: Source, extensions: Extensions) -> dict[str, int]:
    """The numbers of the extensions: of the image, and of the noise, psf and mask that are there."""
    planes = {i: unit.name.lower() for i, unit in enumerate(file) if len(_shape(unit)) >= 2}
    if not planes:
        raise ValueError(f"{source.path}: expected an image, got {len(file)} extension(s) without one")
    if source.band is None:
        names: Mapping[str, tuple[str, ...]] = NAMES
    else:
        names = {role: tuple(f"{source.band}_{one}".lower() for one in words) for role, words in IN_BAND.items()}
    at = {role: i for role, words in names.items() if (i := _first(planes, words)) is not None}
    for role, extension in extensions:
        if extension is not None:
            at[role] = _told(source.path, planes, role, extension)
    if "image" not in at:
        at["image"] = _only(source, planes, set(at.values()))
    return at


def _first(planes: Mapping[int, str], words: tuple[str, ...]) -> int | None:
    return next((i for word in words for i, name in planes.items() if name == word), None)


def _told(path: Path, planes: Mapping[int, str], role: str, extension: Extension) -> int:
    wanted = (i for i, name in planes.items() if extension in (i, name) or str(extension).lower() == name)
    if (i := next(wanted, None)) is None:
        listed = ", ".join(f"{i} {name}" for i, name in planes.items())
        raise ValueError(f"{path}: extensions.{role}: expected one of {listed}, got {extension!r}")
    return i


def _only(source: Source, planes: Mapping[int, str], taken: set[int]) -> int:
    """The first extension that is nothing else."""
    left = [i for i in planes if i not in taken]
    if source.band is not None or not left:
        listed = ", ".join(name for name in planes.values() if name)
        raise ValueError(f"{source.path}: expected an image{f' of {source.band}' * bool(source.band)} in {listed}")
    return left[0]


def _shape(unit: Any) -> tuple[int, ...]:
    """Of the image that an extension declares, without axes of one; () if it has none. Nothing is read."""
    return tuple(n for n in unit.shape if n != 1) if unit.is_image else ()


def _plane(path: Path, unit: Any) -> Array:
    shape = _shape(unit)
    where = f"{path}[{unit.name or unit.ver}]"
    if len(shape) != 2:
        raise ValueError(f"{where}: expected an image of two axes, got shape {unit.shape if unit.is_image else ()}")
    if max(shape) > MAX_SIDE:
        raise ValueError(f"{where}: expected at most {MAX_SIDE} pixels along a side, got {shape}: cut the lens out")
    return np.asarray(unit.data, dtype=np.float64).reshape(shape)


def _deviation(values: Array, name: str, band: str | None) -> Array:
    """Standard deviations; infinite where a variance is below 0 or a weight is not above it."""
    kind = name.lower().removeprefix(f"{band}_".lower())
    if kind not in (*VARIANCE, *INVERSE):
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = values if kind in VARIANCE else 1 / values
        return np.where(squared > 0, np.sqrt(squared), np.inf)


def _refuse_unequal(path: Path, image: Array, others: Mapping[str, Array]) -> None:
    for role in ("noise", "mask"):
        if role in others and others[role].shape != image.shape:
            raise ValueError(f"{path}: expected a {role} of shape {image.shape} as the image, got {others[role].shape}")
