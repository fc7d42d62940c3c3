"""Whether a noise map is right: the scatter of empty corners over it, pixel by pixel and in blocks.

A resampled image has correlated noise: its pixels scatter by less than the noise map of independent ones says, and only
sums over blocks that are larger than the correlation scatter as they should.
"""

from __future__ import annotations

import math

import numpy as np

from sim.images.observation import Array, Mask, Observation

PART = 6
"""Corners have this part of the frame's sides."""
BLOCK = 4
MIN_PIXELS = 30
MIN_BLOCKS = 6


def chi(seen: Observation) -> tuple[float, float]:
    """Scatter of (image - plane) / noise in the corners, the median of the four: of pixels, and of blocks of 4 x 4.

    NaN where too few pixels are used, or without a noise map.
    """
    if seen.noise is None:
        return math.nan, math.nan
    h, w = (n // PART for n in seen.image.shape)
    places = [(rows, columns) for rows in (slice(0, h), slice(-h, None)) for columns in (slice(0, w), slice(-w, None))]
    left = unlit(seen) / seen.noise
    found = np.array([_scatters(left[at], seen.mask[at]) for at in places])
    pixels, blocks = (column[np.isfinite(column)] for column in found.T)
    return tuple(float(np.median(one)) if one.size else math.nan for one in (pixels, blocks))  # type: ignore[return-value]


def unlit(seen: Observation) -> Array:
    """The image without the light of the lens, if that was fitted."""
    if seen.lens_light is None or seen.known("light").get("LIGHTOFF"):
        return seen.image
    return seen.image - seen.lens_light


def _scatters(left: Array, mask: Mask) -> tuple[float, float]:
    if mask.sum() < MIN_PIXELS:
        return math.nan, math.nan
    flat = left - _plane(left, mask)
    n, m = (side // BLOCK for side in left.shape)
    cut = np.where(mask, flat, 0)[: n * BLOCK, : m * BLOCK].reshape(n, BLOCK, m, BLOCK)
    whole = mask[: n * BLOCK, : m * BLOCK].reshape(n, BLOCK, m, BLOCK).all((1, 3))
    sums = cut.sum((1, 3))[whole] / BLOCK
    blocks = _rms(sums, 3) if sums.size >= MIN_BLOCKS else math.nan
    return _rms(flat[mask], 3), blocks


def _plane(values: Array, mask: Mask) -> Array:
    """The plane through the used pixels that leaves least."""
    rows, columns = np.indices(values.shape)
    basis = np.stack([np.ones_like(values), rows, columns], axis=-1)
    found = np.linalg.lstsq(basis[mask], values[mask], rcond=None)[0]
    return np.asarray(basis @ found)


def _rms(values: Array, n_fitted: int) -> float:
    return math.sqrt(float(np.square(values).sum()) / max(values.size - n_fitted, 1))
