"""Grids cut and resampled by the area that pixels share: flux is conserved, variance is carried along.

A row of the matrix of an axis says which part of each old pixel a new one holds, so that an image becomes Y image X^T
and the variance of independent pixels Y^2 variance (X^2)^T. New pixels that are not whole old ones are correlated.
"""

from __future__ import annotations

import numpy as np

from configs.observing import Prepare
from sim.images import world
from sim.images.observation import Array, Mask, Observation

WHOLE = 1e-9


def shares(n_old: int, n_new: int, start: float, ratio: float) -> Array:
    """(n_new, n_old) parts of old pixels; new ones are `ratio` as large and begin at the edge `start` [old pixel].

    The first old pixel begins at 0.
    """
    edges = start + ratio * np.arange(n_new + 1)
    old = np.arange(n_old)
    low = np.maximum(edges[:-1, None], old)
    high = np.minimum(edges[1:, None], old + 1)
    return np.maximum(high - low, 0)


def framed(seen: Observation, config: Prepare) -> Observation:
    """Cut to `n_pixels` of `pixel_size` about its centre; beyond the old frame nothing is used and everything is 0.

    Without a new pixel size whole pixels are cut and the centre is within half a pixel of the middle. ValueError if
    the pixel scale is needed and unknown.
    """
    if config.n_pixels is None and config.pixel_size is None:
        return seen
    ratio = _ratio(seen, config)
    rows, columns = seen.image.shape
    sides = (columns, rows)
    n_new = [config.n_pixels or max(1, int(n / ratio + WHOLE)) for n in sides]
    center = seen.center or seen.middle
    start = [at + 0.5 - n * ratio / 2 for at, n in zip(center, n_new, strict=True)]
    if config.pixel_size is None:
        start = [float(round(edge)) for edge in start]
    return _resampled(seen, n_new, start, ratio)


def _ratio(seen: Observation, config: Prepare) -> float:
    if config.pixel_size is None:
        return 1.0
    if seen.pixel_size is None:
        raise ValueError(f"{seen.name}: pixel_size: expected an image whose pixel scale is known; give pixel_scale")
    return config.pixel_size / seen.pixel_size


def _resampled(seen: Observation, n_new: list[int], start: list[float], ratio: float) -> Observation:
    x, y = (shares(old, n, edge, ratio) for old, n, edge in zip(seen.image.shape[::-1], n_new, start, strict=True))
    mask = covered(seen.mask, y, x, ratio)
    center = seen.center or seen.middle
    size = None if seen.pixel_size is None else seen.pixel_size * ratio
    scale = "" if size is None else f" of {size:g} arcsec"
    how = "cut" if ratio == 1 and all(edge.is_integer() for edge in start) else "resampled by shared area"
    text = f"{how} to {n_new[0]} x {n_new[1]} pixels{scale}; {int((~mask).sum())} are not used"
    numbers = {"RATIO": ratio, "X0": start[0], "Y0": start[1]}
    return seen.after(
        "frame",
        text,
        numbers,
        image=y @ seen.image @ x.T,
        noise=None if seen.noise is None else deviation(seen.noise, mask, y, x),
        mask=mask,
        lens_light=None if seen.lens_light is None else y @ seen.lens_light @ x.T,
        psf=None if seen.psf is None else kernel(seen.psf, ratio),
        pixel_size=size,
        center=tuple((at + 0.5 - edge) / ratio - 0.5 for at, edge in zip(center, start, strict=True)),
        wcs=None if seen.wcs is None else world.moved(seen.wcs, (start[0] - 0.5, start[1] - 0.5), ratio),
        background_rms=None if seen.background_rms is None else seen.background_rms * ratio,
    )


def covered(mask: Mask, y: Array, x: Array, ratio: float) -> Mask:
    """New pixels that lie on used pixels alone."""
    return np.asarray(y @ mask.astype(np.float64) @ x.T > ratio**2 * (1 - WHOLE))


def deviation(noise: Array, mask: Mask, y: Array, x: Array) -> Array:
    """Standard deviations of new pixels; where nothing is used, the median of the others."""
    new = np.sqrt(np.square(y) @ np.square(noise) @ np.square(x).T)
    return np.where(mask | (new > 0), new, np.median(new[mask]) if mask.any() else 1.0)


def kernel(psf: Array, ratio: float) -> Array:
    """What a point in the middle of a new pixel leaves in the new pixels about it: an odd side, sum 1."""
    if ratio == 1:
        return psf
    k = len(psf)
    n = max(1, 2 * int((k / ratio - 1) / 2) + 1)
    along = shares(k, n, k / 2 - n * ratio / 2, ratio)
    new = along @ psf @ along.T
    return np.asarray(new / new.sum())
