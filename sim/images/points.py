"""Point images of a source, such as those of a quasar: fitted with the point spread function, subtracted and hidden.

No point spread function is known well enough for what a quasar leaves: a share of what is subtracted is added to the
noise, and pixels where that is above the noise are not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage, optimize

from configs.observing import MAX_POINTS, Pixel, Prepare
from sim.images.observation import Array, Observation
from sim.images.psf import fwhm

POINT_ERROR = 0.05
"""Of the brightest of a pixel and its neighbours in a point image, what a point spread function leaves of it."""
N_SWEEPS = 3
"""Times that every point is fitted beside what the last fit gives to the others."""
REACH = 1.0
"""Of the window that a point is fitted in, from its middle [FWHM]; a host adds a plane to it."""
SEARCHED = 3.5
"""Pixels to each side of where a point is said to be, in which it is looked for."""
MOVES = 1.0
"""Pixels that a point may be from the middle of the pixel where it peaks."""


@dataclass(frozen=True)
class Point:
    """Position [pixel, from 0] and flux."""

    x: float
    y: float
    flux: float


def pointed(seen: Observation, config: Prepare) -> Observation:
    """Without the point images that are told, as little as the noise says they may have left.

    ValueError without noise or a point spread function, or for a point that is not in the frame.
    """
    places = told(seen) if config.points == "header" else [(float(x), float(y)) for x, y in config.points]
    if not places or seen.known("points"):
        return seen
    if seen.psf is None and config.points == "header":
        return seen.warned("point images are left: there is no point spread function")
    points = fitted(seen, places)
    light = sum((drawn(seen, one) for one in points), np.zeros_like(seen.image))
    error = POINT_ERROR * ndimage.maximum_filter(np.abs(light), 3)
    mask = seen.mask & (error < seen.sigma)
    text = f"{len(points)} point images subtracted, {(seen.mask & ~mask).sum()} pixels hidden"
    numbers = {"NPOINTS": len(points), **_numbers(points)}
    changes = {"image": seen.image - light, "noise": np.hypot(seen.sigma, error), "mask": mask}
    return seen.after("points", text, numbers, **changes)


def told(seen: Observation) -> list[Pixel]:
    """Positions [pixel] that the header has as QX1, QY1, QX2 ... in its coordinates [arcsec]; none without them."""
    header: Mapping[str, object] = {keyword: value for keyword, value, _ in seen.cards}
    found = []
    for i in range(1, MAX_POINTS + 1):
        x, y = header.get(f"QX{i}"), header.get(f"QY{i}")
        if seen.wcs is not None and isinstance(x, int | float) and isinstance(y, int | float):
            at_x, at_y = seen.wcs.wcs_world2pix([[x, y]], 0)[0]
            found.append((float(at_x), float(at_y)))
    return found


def fitted(seen: Observation, places: Sequence[Pixel]) -> list[Point]:
    """Each point by least squares in a window about it, beside a plane and the other points."""
    rows, columns = seen.image.shape
    if outside := next((at for at in places if not (0 <= at[0] < columns and 0 <= at[1] < rows)), None):
        raise ValueError(f"{seen.name}: points: expected pixels of a frame {columns} x {rows}, got {outside}")
    places = [brightest(seen, at) for at in places]
    points = [Point(x, y, 0.0) for x, y in places]
    for _ in range(N_SWEEPS):
        for i, (x, y) in enumerate(places):
            others = sum((drawn(seen, one) for one in points[:i] + points[i + 1 :]), np.zeros_like(seen.image))
            points[i] = _best(replace(seen, image=seen.image - others), points[i], (x, y))
    return points


def brightest(seen: Observation, at: Pixel) -> Pixel:
    """The brightest peak about a place; the place itself where there is none."""
    is_peak = (seen.image == ndimage.maximum_filter(seen.image, 3)) & seen.mask
    off = np.abs(np.indices(is_peak.shape) - np.array(at)[::-1, None, None]).max(0)
    rows, columns = np.nonzero(is_peak & (off < SEARCHED))
    if not len(rows):
        return at
    first = int(seen.image[rows, columns].argmax())
    return float(columns[first]), float(rows[first])


def drawn(seen: Observation, point: Point) -> Array:
    """A point (n, m) as the point spread function shows it."""
    kernel = _kernel(seen)
    row, column = round(point.y), round(point.x)
    moved = ndimage.shift(np.pad(kernel, 2), (point.y - row, point.x - column), order=5, mode="constant")
    picture, reach = np.zeros_like(seen.image), moved.shape[0] // 2
    there = [slice(max(at - reach, 0), at + reach + 1) for at in (row, column)]
    own = [slice(max(reach - at, 0), None) for at in (row, column)]
    window = picture[there[0], there[1]]
    window += point.flux * moved[own[0], own[1]][: window.shape[0], : window.shape[1]]
    return picture


def _best(seen: Observation, start: Point, told_at: Pixel) -> Point:
    """The flux and a plane are solved for at each position."""
    reach = max(2, round(REACH * fwhm(_kernel(seen))))
    rows, columns = (
        np.arange(max(round(at) - reach, 0), min(round(at) + reach + 1, n))
        for at, n in zip(reversed(told_at), seen.image.shape, strict=True)
    )
    window = np.ix_(rows, columns)
    weight = np.where(seen.mask, 1 / seen.sigma, 0.0)[window].ravel()
    y, x = (one.ravel() for one in np.meshgrid(rows - told_at[1], columns - told_at[0], indexing="ij"))

    def solved(at: Array) -> tuple[Array, float]:
        unit = drawn(seen, Point(float(at[0]), float(at[1]), 1.0))[window].ravel()
        basis = np.stack([unit, np.ones_like(x), x, y], axis=1) * weight[:, None]
        found, *_ = np.linalg.lstsq(basis, weight * seen.image[window].ravel(), rcond=None)
        return basis @ found - weight * seen.image[window].ravel(), float(found[0])

    low, high = (np.array(told_at) + side for side in (-MOVES, MOVES))
    first = np.clip([start.x, start.y], low + 1e-3, high - 1e-3)
    found = optimize.least_squares(lambda at: solved(at)[0], first, bounds=(low, high), diff_step=1e-3)
    return Point(float(found.x[0]), float(found.x[1]), solved(found.x)[1])


def _kernel(seen: Observation) -> Array:
    if seen.psf is None:
        raise ValueError(f"{seen.name}: points: expected a point spread function, got none")
    return seen.psf


def _numbers(points: Sequence[Point]) -> dict[str, float]:
    return {
        f"P{i}{name}": value
        for i, one in enumerate(points, 1)
        for name, value in (("X", one.x), ("Y", one.y), ("FLUX", one.flux))
    }
