"""Which lenses a file or a folder holds, and which files beside an image belong to it.

`data.fits` has `noise_map.fits`, `psf.fits`, `mask*.fits` and `info.json` in its folder; `image_NAME_BAND.h5` has
`psf_NAME_BAND.h5`; `NAME.fits` may have `NAME_noise.fits` and so on. Knows names of files, not what is in them, but for
the bands of a FITS file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from configs.observing import Prepare
from sim.hdf import SUFFIXES as HDF_SUFFIXES
from sim.images.hdus import opened

FITS_SUFFIXES = (".fits", ".fit", ".fits.gz", ".fits.fz")
IMAGES = f"*{', *'.join((*FITS_SUFFIXES, *HDF_SUFFIXES))}"
ROLES = {
    "noise": r"noise_map|noise|rms|sigma",
    "psf": r"psf|kernel",
    "mask": r"mask(?:_extra_galaxies)?",
    "image": r"data|image|sci",
}
BANDS = re.compile(r"(.+)_(?:BGSUB|FLUX|SCI|IMAGE)")
MAX_FILES = 100_000


@dataclass(frozen=True)
class Source:
    """An image, and the files beside it that are its own; `band` of those that the file holds."""

    name: str
    path: Path
    band: str | None = None
    noise: Path | None = None
    psf: Path | None = None
    mask: Path | None = None
    info: Path | None = None


@dataclass(frozen=True)
class _Role:
    """What a file is by its name, and whose."""

    path: Path
    role: str
    owner: str


def found(config: Prepare) -> list[Source]:
    """Every image of a file or a folder. FileNotFoundError, or ValueError where there is no image or too many files."""
    paths = _paths(config.image)
    skipped = (path for path in paths if config.out not in path.parents)
    roles = [_role_of(path) for path in skipped]
    asked = config.image if config.image.is_file() else None
    sources = [
        source
        for one in roles
        if one.role == "image" and asked in (None, one.path)
        for source in _sources(one, roles, config)
    ]
    if not sources:
        raise ValueError(f"{config.image}: expected images ({IMAGES}), found none")
    return _named(sources)


def suffix_of(path: Path) -> str:
    """That of an image, in small letters; empty for other files."""
    name = path.name.lower()
    return next((suffix for suffix in (*FITS_SUFFIXES, *HDF_SUFFIXES) if name.endswith(suffix)), "")


def _paths(path: Path) -> list[Path]:
    """The images of a folder, at any depth, or those beside a file and the file, whatever it is."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected an image or a folder of images, found none")
    if path.is_file() and not suffix_of(path):
        raise ValueError(f"{path}: expected an image ({IMAGES}), got another file")
    every = path.parent.glob("*") if path.is_file() else path.rglob("*")
    images: list[Path] = []
    for one in every:
        if suffix_of(one) and not one.name.startswith(".") and one.is_file():
            images.append(one)
        if len(images) > MAX_FILES:
            raise ValueError(f"{path}: expected at most {MAX_FILES} images, got more")
    return sorted(images)


def _role_of(path: Path) -> _Role:
    stem = _stem(path)
    for role, words in ROLES.items():
        for pattern in (rf"(?:{words})(?:[_-](?P<name>.+))?", rf"(?P<name>.+)[_-](?:{words})"):
            if match := re.fullmatch(pattern, stem, flags=re.IGNORECASE):
                return _Role(path, role, match["name"] or "")
    return _Role(path, "image", stem)


def _stem(path: Path) -> str:
    return path.name[: -len(suffix_of(path))] if suffix_of(path) else path.stem


def _sources(image: _Role, roles: Sequence[_Role], config: Prepare) -> Iterator[Source]:
    """One, or one a band."""
    near = [one for one in roles if one.path.parent == image.path.parent]
    info = image.path.parent / "info.json"
    own = {role: _beside(near, role, image.owner) for role in ("noise", "psf", "mask")}
    name = image.owner or image.path.parent.name
    for band in _bands(image.path, config):
        full = name if band is None else f"{name}_{band}"
        yield Source(full, image.path, band, **own, info=info if info.is_file() and not image.owner else None)


def _beside(near: Sequence[_Role], role: str, owner: str) -> Path | None:
    """The file of a role that has the owner's name, or no name if it is a point spread function."""
    names = (owner, "") if role == "psf" else (owner,)
    return next((one.path for name in names for one in near if one.role == role and one.owner == name), None)


def _bands(path: Path, config: Prepare) -> list[str | None]:
    """Those of a FITS file that has several images by their names, or the one that is asked for; else None."""
    if suffix_of(path) in HDF_SUFFIXES or config.extensions.image is not None:
        return [None]
    try:
        with opened(path) as file:
            bands = [match[1] for unit in file if (match := BANDS.fullmatch(unit.name))]
    except ValueError:
        bands = []  # what is wrong with it is said when it is read
    if not bands:
        return [None]
    return [config.band] if config.band is not None else list(bands)


def _named(sources: Sequence[Source]) -> list[Source]:
    """With names that are all different: those of folders in front where two are the same."""
    names = [source.name for source in sources]
    return [
        one if names.count(one.name) == 1 else replace(one, name=f"{one.path.parent.name}_{one.name}")
        for one in sources
    ]
