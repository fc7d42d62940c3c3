"""Where the lens is: the galaxy nearest to the middle of the frame, by its brightness, or the ring about it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize

from configs.observing import Prepare
from sim.images.observation import Array, Observation
from sim.images.psf import FWHM, centroid, fwhm

NARROW, WIDE = 1.0, 2.7
"""Widths of the Gaussians whose difference shows galaxies and not what is smooth, in those of the narrowest."""
SHARPEST = 1.5
"""Width [pixel] of the narrowest, unless the point spread function is wider."""
MIN_SIGNAL = 5.0
MIN_SHARE = 0.002
"""Of the strongest galaxy or star in the frame."""


def centered(seen: Observation, config: Prepare) -> Observation:
    """With the centre that is told, or that of the galaxy; a ring is fitted later, when the galaxy is gone."""
    if config.center == "none":
        return _at(seen, seen.middle, "that of the frame")
    if not isinstance(config.center, str):
        return _at(seen, config.center, "as given")
    if (first := galaxy(seen)) is None:
        text = "no galaxy found: the middle of the frame is its centre, no light is fitted"
        return seen.after("center", text).warned(text)
    return _at(seen, centroid(seen.image, first, width(seen)), "of the brightness of the galaxy")


def width(seen: Observation) -> float:
    """Of the Gaussian [pixel] under which a galaxy is searched and centred."""
    return SHARPEST if seen.psf is None else max(SHARPEST, fwhm(seen.psf) / FWHM)


def galaxy(seen: Observation) -> tuple[float, float] | None:
    """(x, y) of the object nearest to the middle of the frame, of those that are not faint; None without one."""
    good = np.where(seen.mask, seen.image, np.median(seen.image))
    contrast = ndimage.gaussian_filter(good, NARROW * width(seen)) - ndimage.gaussian_filter(good, WIDE * width(seen))
    scatter = 1.4826 * float(np.median(np.abs(contrast)))
    least = max(MIN_SIGNAL * scatter, MIN_SHARE * float(contrast.max()))
    peaks = (contrast == ndimage.maximum_filter(contrast, 7)) & (contrast > least)
    found = [(float(x), float(y)) for y, x in np.argwhere(peaks)]
    return min(found, key=lambda at: math.dist(at, seen.middle), default=None)


@dataclass(frozen=True)
class Ring:
    """A circle [pixel] and the scatter of its light about it."""

    x: float
    y: float
    radius: float
    width: float


def ringed(seen: Observation) -> Observation:
    """With the centre of the circle that is fitted to the light that the galaxy has left; its radius is recorded."""
    ring = fitted(seen)
    numbers = {"RINGX": ring.x, "RINGY": ring.y, "RINGRAD": ring.radius, "RINGWID": ring.width}
    text = f"x {ring.x:.2f}, y {ring.y:.2f}, radius {ring.radius:.2f} pixels, width {ring.width:.2f}"
    return seen.after("ring", text, numbers, center=(ring.x, ring.y))


def fitted(seen: Observation) -> Ring:
    """The circle about which bright pixels scatter least. ValueError if nothing is bright."""
    x0, y0 = seen.center or seen.middle
    row, column, weight = _bright(seen)
    radius = float(np.average(np.hypot(column - x0, row - y0), weights=weight))

    def distance(circle: Array) -> Array:
        return np.asarray(np.sqrt(weight) * (np.hypot(column - circle[0], row - circle[1]) - circle[2]))

    found = optimize.least_squares(distance, [x0, y0, radius], loss="soft_l1", f_scale=float(np.sqrt(weight.mean())))
    width = math.sqrt(float(np.square(distance(found.x)).sum() / weight.sum()))
    x, y, radius = map(float, found.x)
    return Ring(x, y, radius, width)


def _bright(seen: Observation) -> tuple[Array, Array, Array]:
    """Rows, columns and brightness of the pixels that stand out, but for those in the core of the galaxy."""
    smooth = ndimage.gaussian_filter(np.where(seen.mask, seen.image, 0), 1.0)
    signal = smooth / seen.sigma * math.sqrt(4 * math.pi)
    columns, rows = np.meshgrid(np.arange(seen.image.shape[1]), np.arange(seen.image.shape[0]))
    x0, y0 = seen.center or seen.middle
    stands = seen.mask & (signal > MIN_SIGNAL) & (np.hypot(columns - x0, rows - y0) > 2 * width(seen))
    if stands.sum() < 3:
        raise ValueError(f"{seen.name}: center=ring: expected a ring above the noise, found none")
    row, column = np.nonzero(stands)
    return row.astype(float), column.astype(float), np.minimum(smooth, np.quantile(smooth[stands], 0.9))[stands]


def _at(seen: Observation, at: tuple[float, float], whose: str) -> Observation:
    center = float(at[0]), float(at[1])
    numbers = {"CENTERX": center[0], "CENTERY": center[1]}
    return seen.after("center", f"x {center[0]:.2f}, y {center[1]:.2f}, {whose}", numbers, center=center)
