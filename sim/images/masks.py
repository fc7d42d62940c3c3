"""Pixels that an inversion must not see: beyond a circle, and objects far from the lens."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from configs.observing import Prepare
from sim.images.observation import Array, Mask, Observation, radii

SMOOTH = 1.5
"""Width [pixel] of the Gaussian under which objects are searched."""
MIN_SIGNAL = 5.0
GROWN = 3
"""Pixels about an object that are masked with it."""


def masked(seen: Observation, config: Prepare) -> Observation:
    """Without neighbours and without what is beyond the circle. ValueError if that leaves nothing."""
    center, said, mask = seen.center or seen.middle, [], seen.mask
    if config.mask.neighbours is not None:
        limit = config.mask.neighbours * (min(seen.image.shape) - 1) / 2
        others, n = neighbours(seen, center, limit)
        mask = mask & ~others
        said.append(f"{n} object(s) beyond {limit:.0f} pixels masked")
    if config.mask.radius is not None:
        if seen.pixel_size is None:
            raise ValueError(f"{seen.name}: mask.radius: expected an image whose pixel scale is known")
        mask = mask & (radii(mask.shape, center) <= config.mask.radius / seen.pixel_size)
        said.append(f"a circle of {config.mask.radius:g} arcsec kept")
    if not mask.any():
        raise ValueError(f"{seen.name}: mask: expected pixels that are used, got none")
    text = f"{', '.join(said) or 'none'}; {100 * mask.mean():.1f} % of the pixels are used"
    return seen.after("masks", text, {"NUSED": int(mask.sum())}, mask=mask)


def neighbours(seen: Observation, center: tuple[float, float], limit: float) -> tuple[Mask, int]:
    """Objects whose peak is farther than `limit` [pixel] from the centre, grown; and how many there are."""
    excess = np.where(seen.mask, (seen.image - profile(seen, center)) / seen.sigma, 0)
    signal = ndimage.gaussian_filter(excess, SMOOTH)
    scatter = 1.4826 * float(np.median(np.abs(signal - np.median(signal))))
    labels, n = ndimage.label(signal > MIN_SIGNAL * scatter)
    peaks = ndimage.maximum_position(signal, labels, range(1, n + 1)) if n else []
    far = [i for i, (y, x) in enumerate(peaks, 1) if np.hypot(x - center[0], y - center[1]) > limit]
    found = ndimage.binary_dilation(np.isin(labels, far), iterations=GROWN) if far else np.zeros(labels.shape, bool)
    return np.asarray(found), len(far)


def profile(seen: Observation, center: tuple[float, float]) -> Array:
    """The median brightness of the used pixels as far from the centre as each pixel is."""
    ring = radii(seen.image.shape, center).astype(int)
    values = np.where(seen.mask, seen.image, np.nan)
    medians = np.zeros(ring.max() + 1)
    for i in range(len(medians)):
        of_ring = values[(ring == i) & seen.mask]
        medians[i] = np.median(of_ring) if of_ring.size else 0.0
    return medians[ring]
