"""What is wrong with an image before anything is done to it: bad pixels, saturation, redshifts that cannot be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from sim.images.observation import Mask, Observation

BAD_NOISE = 1e15
"""Above which a noise map says that a pixel is bad; Euclid writes 1e16."""
PLATEAU = 4
"""Neighbours that all have the highest value of an image: more than chance would give."""
MIN_LIGHT = 5.0
"""Deviations of the noise that light must rise above it, averaged over 3 x 3 pixels."""


def checked(seen: Observation) -> Observation:
    """With bad pixels out of use and 0, and a warning for what a person should know.

    ValueError for an image of one value, or none.
    """
    bad = broken(seen)
    good = seen.image[~bad]
    if good.size == 0 or good.min() == good.max():
        got = f"{good[0]:g} everywhere" if good.size else "no number"
        raise ValueError(f"{seen.name}: expected an image, got {got}")
    full = plateau(np.where(bad, -np.inf, seen.image))
    numbers = {"NBAD": int(bad.sum()), "NSATUR": int(full.sum())}
    text = f"{numbers['NBAD']} bad and {numbers['NSATUR']} saturated pixels are not used"
    noise = None if seen.noise is None else np.where(bad, np.median(seen.noise[~bad]), seen.noise)
    clean = {"image": np.where(bad, 0, seen.image), "noise": noise, "mask": seen.mask & ~bad & ~full}
    return _warned(seen.after("checks", text, numbers, **clean), np.isnan(seen.image), full)


def broken(seen: Observation) -> Mask:
    """Pixels that are no numbers, or whose noise is none."""
    bad = ~np.isfinite(seen.image)
    if seen.noise is None:
        return bad
    return bad | ~np.isfinite(seen.noise) | ~(seen.noise > 0) | (np.nan_to_num(seen.noise, posinf=np.inf) > BAD_NOISE)


def plateau(image: np.ndarray) -> Mask:
    """Neighbours that share the highest value."""
    highest, _ = ndimage.label(image == image.max())
    sizes = np.bincount(highest.ravel())
    sizes[0] = 0
    return np.asarray(sizes[highest] >= PLATEAU)


def is_empty(seen: Observation) -> bool:
    """Whether no light rises above the noise, or above the scatter of the image if there is no noise map."""
    near = ndimage.uniform_filter(np.where(seen.mask, seen.image, np.median(seen.image)), 3) - np.median(seen.image)
    scatter = 1.4826 * np.median(np.abs(near - np.median(near)))
    return bool(near.max() <= MIN_LIGHT * scatter)


def _warned(seen: Observation, nan: Mask, full: Mask) -> Observation:
    rows, columns = seen.image.shape
    if nan.any():
        seen = seen.warned(f"{100 * nan.mean():.2g} % of the pixels are NaN")
    if full.any():
        seen = seen.warned(f"saturated: {full.sum()} neighbours at {seen.image[full][0]:.4g}")
    if rows != columns:
        seen = seen.warned(f"not square: {columns} x {rows} pixels")
    if is_empty(seen):
        seen = seen.warned("empty: no light rises above the noise")
    if seen.z_lens is not None and seen.z_source is not None and seen.z_lens >= seen.z_source:
        text = f"redshifts not used: the lens at {seen.z_lens:g} is not in front of the source at {seen.z_source:g}"
        seen = replace(seen, z_lens=None, z_source=None).warned(text)
    return seen
