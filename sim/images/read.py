"""An image and all that is said of it, as an observation: the first step of its history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from configs.observing import Masks, Prepare
from sim.hdf import SUFFIXES as HDF_SUFFIXES
from sim.images import dolphin, fits_file, prepared, psf, told, world
from sim.images.catalog import Entry
from sim.images.observation import Array, Mask, Observation
from sim.images.sources import Source, suffix_of
from sim.images.units import ELECTRON_RATE

NOT_COPIED = ("BUNIT", "FILTER", "EXTNAME", "EXTVER", "", "COMMENT", "HISTORY", "CHECKSUM", "DATASUM", "BLANK", "DATE")
"""Cards that are said anew, or are no longer true."""
NOT_SQUARE = 0.01
"""Part by which the sides of a pixel may differ."""


def read(source: Source, config: Prepare, entry: Entry) -> Observation:
    """The observation of a source; `entry` is its row of the catalogue. ValueError names what cannot be used."""
    if suffix_of(source.path) in HDF_SUFFIXES:
        return _described(_of_dolphin(source, config, entry))
    if prepared.is_prepared(source.path):
        return prepared.read(source.path)
    return _described(_of_fits(source, config, entry))


def _of_fits(source: Source, config: Prepare, entry: Entry) -> Observation:
    found, said = fits_file.read(source, config.extensions), told.information(source.info)
    header, frame = found.header, world.world(found.header)
    seen = Observation(
        name=source.name,
        image=found.image,
        mask=_used(source.path, found.mask, found.image, config.mask),
        noise=_own_noise(found.noise, found.image, config),
        psf=_kernel(source, found.psf, max(found.supersampling, config.psf.supersampling), config),
        unit=str(header.get("BUNIT", "")).strip() or "unknown",
        band=source.band or str(header.get("FILTER", "")).strip(),
        exposure_time=told.number(header, told.EXPOSURE),
        gain=told.number(header, told.GAIN),
        zero_point=told.zero_point(header),
        background_rms=told.number(header, told.BACKGROUND_RMS),
        wcs=frame,
        cards=_cards(header),
    )
    if header.get("BITPIX") == 8:
        seen = seen.warned("8-bit data, made to be looked at: brightness is no flux")
    scales = {"its coordinates": _side(source.path, frame), "its header": told.number(header, told.PIXEL_SCALE)}
    scales["info.json"] = told.number(said, ["pixel_scale"])
    in_header = told.number(header, told.Z_LENS), told.number(header, told.Z_SOURCE)
    beside = told.number(said, ["redshift_lens"]), told.number(said, ["redshift_source"])
    return _placed(seen, source.path, config, entry, scales, in_header, beside)


def _of_dolphin(source: Source, config: Prepare, entry: Entry) -> Observation:
    found = dolphin.read(source.path)
    seen = Observation(
        name=source.name,
        image=found.image,
        mask=_used(source.path, None, found.image, config.mask),
        noise=_own_noise(found.noise, found.image, config),
        psf=_kernel(source, None, config.psf.supersampling, config),
        exposure_map=found.exposure,
        exposure_time=None if found.exposure is None else float(np.median(found.exposure)),
        unit=ELECTRON_RATE,
        band=source.name.rpartition("_")[2] if "_" in source.name else "",
        background_rms=found.background_rms,
        wcs=found.wcs,
    )
    return _placed(seen, source.path, config, entry, {"transform_pix2angle": _side(source.path, found.wcs)})


def _placed(
    seen: Observation,
    path: Path,
    config: Prepare,
    entry: Entry,
    scales: Mapping[str, float | None],
    *redshifts: tuple[float | None, float | None],
) -> Observation:
    """With its pixel scale, its redshifts and what the options say."""
    said = {"the option": config.pixel_scale, **scales, "the catalogue": entry.pixel_scale_arcsec}
    size, who = told.agreed_scale(said, path)
    z_lens, z_source = told.redshifts([(entry.z_lens, entry.z_source), *redshifts])
    names = ("exposure_time", "gain", "zero_point", "background_rms", "unit")
    options = {name: value for name in names if (value := getattr(config, name)) is not None}
    if config.exposure_time is not None:
        options["exposure_map"] = None
    seen = replace(seen, pixel_size=size, z_lens=z_lens, z_source=z_source, **options)
    text = "pixel scale unknown" if size is None else f"{size:g} arcsec a pixel by {who}"
    return seen.after("read", text) if size is not None else seen.after("read", text).warned("no pixel scale")


def _described(seen: Observation) -> Observation:
    """With the first step in words."""
    scale = seen.history[-1].text
    given = [what for what in ("noise", "psf") if getattr(seen, what) is not None]
    rows, columns = seen.image.shape
    text = (
        f"{columns} x {rows} pixels, {scale}; unit {seen.unit}; with {' and '.join(given) or 'neither noise nor psf'}"
    )
    return replace(seen, history=()).after("read", text, {"NX_READ": columns, "NY_READ": rows})


def _used(path: Path, mask: Array | None, image: Array, config: Masks) -> Mask:
    """Pixels whose value in the mask is the one that is kept; all without a mask."""
    if config.file is not None:
        path, mask = config.file, fits_file.plane(config.file)
    if mask is None:
        return np.ones(image.shape, bool)
    if mask.shape != image.shape:
        raise ValueError(f"{path}: expected a mask of shape {image.shape} as the image, got {mask.shape}")
    middle = mask[image.shape[0] // 2, image.shape[1] // 2] != 0
    return (mask != 0) == (middle if config.keeps is None else bool(config.keeps))


def _own_noise(noise: Array | None, image: Array, config: Prepare) -> Array | None:
    if config.noise_file is None:
        return noise
    noise = fits_file.plane(config.noise_file)
    if noise.shape != image.shape:
        raise ValueError(f"{config.noise_file}: expected a noise map of shape {image.shape}, got {noise.shape}")
    return noise


def _kernel(source: Source, own: Array | None, supersampling: int, config: Prepare) -> Array | None:
    """That of the options, else that of the file, else that beside it, on the pixels of the image."""
    path = config.psf.file or (source.psf if own is None else None)
    if config.psf.fwhm is not None or config.psf.star is not None:
        return None
    if path is not None:
        own = dolphin.kernel(path) if suffix_of(path) in HDF_SUFFIXES else fits_file.plane(path)
    return None if own is None else psf.binned(own, supersampling)


def _side(path: Path, frame: object) -> float | None:
    """Of a pixel [arcsec]; ValueError unless it is a square."""
    if frame is None:
        return None
    x, y = world.scale(frame)
    if abs(x / y - 1) > NOT_SQUARE:
        raise ValueError(f"{path}: expected square pixels, got {x:g} x {y:g} arcsec")
    return float(np.sqrt(x * y))


def _cards(header: fits.Header) -> tuple[tuple[str, str | float | int | bool, str], ...]:
    """Those that neither this module nor the coordinates have read, and that a new file may have."""
    read_here = (*told.EXPOSURE, *told.GAIN, *told.ZERO_POINT, *told.BACKGROUND_RMS, *told.PIXEL_SCALE)
    known = {*read_here, *told.Z_LENS, *told.Z_SOURCE, *NOT_COPIED}
    kept = header.copy(strip=True)
    return tuple(
        (card.keyword, card.value, card.comment)
        for card in kept.cards
        if card.keyword not in known
        and not world.KEYWORDS.fullmatch(card.keyword)
        and isinstance(card.value, str | float | int | bool)
    )
