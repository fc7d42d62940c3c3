"""Point spread functions of images: checked, measured from a star, or a Gaussian; (k, k), k odd, sum 1."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage, special

from configs.observing import Prepare
from sim.images.observation import Array, Observation, radii
from sim.images.resample import shares
from sim.images.sky import level

FWHM = math.sqrt(8 * math.log(2))
"""Of a Gaussian, in standard deviations."""
OFF = 0.01
"""By which the sum of one that is given may differ from 1 without a word."""
MIN_SIGNAL = 20.0
"""Of the peak of a star over the scatter about it."""


def placed(seen: Observation, config: Prepare) -> Observation:
    """With the point spread function that is given, measured or told; a warning if there is none."""
    side, numbers = config.psf.size, dict[str, float]()
    if config.psf.star is not None:
        kernel = of_star(seen, config.psf.star, side)
        text = f"measured from the star at x {config.psf.star[0]:g}, y {config.psf.star[1]:g}"
    elif config.psf.fwhm is not None:
        kernel, text = _gaussian(seen, config.psf.fwhm, side)
    elif seen.psf is not None:
        kernel, total = odd(seen.psf, side), float(seen.psf.sum())
        text, numbers = f"given, {seen.psf.shape[1]} x {seen.psf.shape[0]}, sum {total:.4f}", {"PSFSUM": total}
    else:
        return seen.after("psf", "none").warned("no point spread function")
    text += f"; {kernel.shape[0]} x {kernel.shape[0]}, FWHM {fwhm(kernel):.2f} pixels, sum 1"
    return seen.after("psf", text, {"PSFSIDE": len(kernel), "PSFFWHM": fwhm(kernel), **numbers}, psf=kernel)


def odd(kernel: Array, side: int) -> Array:
    """The largest odd square about its centre, at most `side`, with sum 1. ValueError if it is no kernel."""
    if kernel.ndim != 2 or not np.isfinite(kernel).all() or not kernel.sum() > 0:
        raise ValueError(f"psf: expected an image of finite numbers with a sum above 0, got shape {kernel.shape}")
    row, column = center_of(kernel, 1)
    reach = min(row, column, kernel.shape[0] - 1 - row, kernel.shape[1] - 1 - column, side // 2)
    if reach < 1:
        raise ValueError(f"psf: expected a peak inside the image, got one in row {row}, column {column}")
    cut = kernel[row - reach : row + reach + 1, column - reach : column + reach + 1]
    return np.asarray(cut / cut.sum())


def center_of(kernel: Array, tolerance: int) -> tuple[int, int]:
    """Row and column of its middle if its peak is within `tolerance` of that, else of the peak."""
    row, column = (int(i) for i in np.unravel_index(int(kernel.argmax()), kernel.shape))
    middle = kernel.shape[0] // 2, kernel.shape[1] // 2
    if all(n % 2 for n in kernel.shape) and max(abs(row - middle[0]), abs(column - middle[1])) <= tolerance:
        return middle
    return row, column


def binned(kernel: Array, supersampling: int) -> Array:
    """On pixels that are `supersampling` times as large, its middle in the middle of one."""
    if supersampling == 1:
        return kernel
    row, column = center_of(kernel, supersampling)
    along = []
    for at, k in ((row, kernel.shape[0]), (column, kernel.shape[1])):
        reach = int((min(at, k - 1 - at) + 0.5) / supersampling - 0.5)
        n = 2 * max(reach, 0) + 1
        along.append(shares(k, n, at + 0.5 - n * supersampling / 2, supersampling))
    return along[0] @ kernel @ along[1].T


def gaussian(width: float, side: int) -> Array:
    """Of a full width at half maximum [pixel], integrated over the pixels."""
    edges = (np.arange(side + 1) - side / 2) * FWHM / width
    line = np.diff(special.ndtr(edges))
    kernel = np.outer(line, line)
    return kernel / kernel.sum()


def of_star(seen: Observation, at: tuple[float, float], side: int) -> Array:
    """A star moved to the middle of a pixel, without the sky about it. ValueError if it is faint, or at the border."""
    rows, columns = seen.image.shape
    x, y = peak(seen.image, at)
    reach = min(side // 2, x, y, columns - 1 - x, rows - 1 - y)
    if reach < 2:
        raise ValueError(f"{seen.name}: psf.star: expected a star away from the border, got x {at[0]:g}, y {at[1]:g}")
    cut = seen.image[y - reach : y + reach + 1, x - reach : x + reach + 1]
    about = level(cut[radii(cut.shape, (reach, reach)) > 0.8 * reach])
    if cut[reach, reach] - about.mode < MIN_SIGNAL * about.rms:
        raise ValueError(f"{seen.name}: psf.star: expected a bright star, got none at x {at[0]:g}, y {at[1]:g}")
    star = cut - about.mode
    dx, dy = (offset - reach for offset in centroid(star, (reach, reach), 3.0))
    moved = ndimage.shift(star, (-dy, -dx), order=3, mode="constant")
    faded = np.where(radii(moved.shape, (reach, reach)) <= reach, moved, 0)
    return np.asarray(faded / faded.sum())


def peak(image: Array, at: tuple[float, float], reach: int = 3) -> tuple[int, int]:
    """(x, y) of the brightest pixel within `reach` of a place."""
    near = radii(image.shape, at) <= reach
    row, column = np.unravel_index(int(np.where(near, image, -np.inf).argmax()), image.shape)
    return int(column), int(row)


def centroid(image: Array, at: tuple[float, float], width: float, n_rounds: int = 30) -> tuple[float, float]:
    """(x, y) of the light under a round Gaussian of standard deviation `width` [pixel] that follows it.

    Of a round object the weighted mean moves half way at least; moves are doubled, as a Gaussian of that width needs.
    """
    rows, columns = np.indices(image.shape)
    x, y = at
    for _ in range(n_rounds):
        weight = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2)) * image
        total = weight.sum()
        if not total > 0:
            return at
        step = float((weight * (columns - x)).sum() / total), float((weight * (rows - y)).sum() / total)
        x, y = x + step[0], y + step[1]
        if math.hypot(*step) < 1e-4:
            break
    return x, y


def fwhm(kernel: Array) -> float:
    """Diameter [pixel] of the circle as large as what is above half of the peak, each pixel finely divided."""
    fine = ndimage.zoom(kernel, 5, order=1, grid_mode=True, mode="nearest")
    return 2 * math.sqrt(float((fine > fine.max() / 2).sum()) / 25 / math.pi)


def _gaussian(seen: Observation, width: float, side: int) -> tuple[Array, str]:
    if seen.pixel_size is None:
        raise ValueError(f"{seen.name}: psf.fwhm: expected an image whose pixel scale is known; give pixel_scale")
    return gaussian(width / seen.pixel_size, side), f"a Gaussian of FWHM {width:g} arcsec"
