"""Prepared images in the frame of an inference machine: its pixels, over a field about their centre.

Knows nothing of files or of networks.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from configs.reconstruction import Reconstruct
from learn.lenses.inverter import Floats
from sim.images.corners import unlit
from sim.images.light import CORE_ARCSEC, outstanding
from sim.images.observation import Array, Observation, radii
from sim.images.resample import framed

WHOLE = 1e-6
"""Part by which pixels may differ and still be cut, not resampled."""
FIELD = 4.5
"""In distances from the centre within which half of the lensed light is."""
LEAST_USED = 0.1
"""Of the pixels of a frame, below which nothing is inverted."""


class Given(NamedTuple):
    """What an inverter takes, of one image: (1, n, n) twice, (1, k, k), (1,); brightness over `unit`, a power of 2.

    Faint units, such as erg / s / cm^2, would vanish in single precision.
    """

    images: Floats
    noise: Floats
    psf: Floats
    pixel_size: Floats
    unit: float


def in_frame(seen: Observation, config: Reconstruct, n_pixels: int) -> Observation:
    """Cut, or resampled, to `n_pixels` along the field; without the light of the lens, if that was fitted.

    ValueError where the image lacks what an inversion needs, or the frame has too few pixels that are used.
    """
    size = own_pixel(seen)
    wanted = (config.field or own_field(seen)) / n_pixels
    is_whole = math.isclose(wanted, size, rel_tol=WHOLE)
    told = config.model_copy(update={"n_pixels": n_pixels, "pixel_size": None if is_whole else wanted})
    cut = framed(seen, told)
    cut = cut.after("machine", "without the light of the lens, as fitted", image=unlit(cut)) if is_lit(cut) else cut
    cut = hidden(cut, config)
    if cut.mask.mean() < LEAST_USED:
        used = f"{cut.mask.sum()} of {cut.mask.size}"
        raise ValueError(f"{seen.name}: field: expected at least {LEAST_USED:.0%} of pixels that are used, got {used}")
    return cut


def hidden(seen: Observation, config: Reconstruct) -> Observation:
    """Without the core, where a fit of the light of a lens leaves most, and without the corners of the frame."""
    size, half = own_pixel(seen), seen.image.shape[0] * own_pixel(seen) / 2
    core = 0.0 if config.core is None or seen.lens_light is None else config.core
    from_center = radii(seen.image.shape, seen.middle) * size
    text = f"only pixels from {core:g} to {half:.2f} arcsec of the centre"
    return seen.after("machine", text, mask=seen.mask & (from_center >= core) & (from_center < half))


def own_field(seen: Observation) -> float:
    """[arcsec] In which lensed light is as far from the centre as a machine knows best; at most the shorter side.

    Lensed light is what stands out of the noise where that of the lens is gone, beyond its core.
    """
    size, bare = own_pixel(seen), replace(seen, image=unlit(seen) if is_lit(seen) else seen.image)
    from_center = radii(seen.image.shape, seen.center or seen.middle) * size
    lensed = outstanding(bare, np.zeros_like(seen.image)) & seen.mask & (from_center > CORE_ARCSEC)
    shorter = min(seen.image.shape) * size
    return min(FIELD * half_light(from_center[lensed], bare.image[lensed]), shorter) if lensed.any() else shorter


def half_light(distances: Array, brightness: Array) -> float:
    """The distance within which half of the light is."""
    order = np.argsort(distances)
    light = np.cumsum(brightness[order].clip(min=0))
    return float(distances[order][np.searchsorted(light, light[-1] / 2)])


def given(seen: Observation) -> Given:
    """Of an observation in the frame of a machine; pixels that are not used have infinite noise."""
    if seen.psf is None:
        raise ValueError(f"{seen.name}: psf: expected a point spread function, got none; give psf.fwhm [arcsec]")
    unit = 2.0 ** round(math.log2(float(np.median(seen.sigma[seen.mask]))))
    image, noise = np.where(seen.mask, seen.image, 0.0) / unit, np.where(seen.mask, seen.sigma, np.inf) / unit
    images, noises, kernels = (x[None].astype(np.float32) for x in (image, noise, seen.psf))
    return Given(images, noises, kernels, np.array([own_pixel(seen)], np.float32), unit)


def own_pixel(seen: Observation) -> float:
    """[arcsec]"""
    if seen.pixel_size is None:
        raise ValueError(f"{seen.name}: pixel_scale: expected an image whose pixel scale is known; give pixel_scale")
    return seen.pixel_size


def is_lit(seen: Observation) -> bool:
    """Whether a light that was fitted is still in the image."""
    return seen.lens_light is not None and not seen.known("light").get("LIGHTOFF")
