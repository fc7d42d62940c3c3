"""What the numbers of many systems come to: one score each, with its error by drawing the systems anew.

Knows nothing of networks, of files or of figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from learn.scores.bootstrap import N_DRAWS
from learn.scores.score import Score

Array = NDArray[np.floating]
Statistic = Callable[[Array], Array]
"""Numbers (..., N) of N systems -> (...)."""

SEED = 0
FAR = 0.1
"""Of the Einstein radius, beyond which a lens is not found."""
GOOD = (0.95, 1.1)
"""Reduced chi^2 of an image that is fitted."""

ALL, FITTED = "all", "fitted"
"""Names of sets of systems beside the families: every one, and those that lenstronomy is fitted to."""


class Measured(NamedTuple):
    """A score, the number of a system that it is of, and what of it."""

    score: Score
    of: str
    statistic: Statistic


def mean(values: Array) -> Array:
    return np.asarray(values.mean(-1))


def mean_size(values: Array) -> Array:
    return np.asarray(np.abs(values).mean(-1))


def median(values: Array) -> Array:
    return np.asarray(np.median(values, axis=-1))


def deviation(values: Array) -> Array:
    return np.asarray(values.std(-1))


def half_width(values: Array) -> Array:
    """Of the central 68 %."""
    low, high = np.percentile(values, [16, 84], axis=-1)
    return np.asarray((high - low) / 2)


def share_far(values: Array) -> Array:
    return np.asarray((np.abs(values) > FAR).mean(-1))


def share_good(values: Array) -> Array:
    return np.asarray(((values >= GOOD[0]) & (values <= GOOD[1])).mean(-1))


def number(name: str, heading: str, meaning: str, *, ideal: float | None = 0.0, printed: bool = False) -> Score:
    return Score(name, heading, meaning, "", ideal=ideal, unit="number", printed=printed)


def share(name: str, heading: str, meaning: str, *, ideal: float = 0.0, printed: bool = False) -> Score:
    return Score(name, heading, meaning, "", ideal=ideal, printed=printed)


MEASURED = (
    Measured(
        number(
            "source_mse",
            "source MSE",
            "mean squared error of source pixels, where the truth is above 5 % of its peak, which is 1",
            printed=True,
        ),
        "source_mse",
        mean,
    ),
    Measured(number("r", "r", "correlation of these pixels", ideal=1.0, printed=True), "r", mean),
    Measured(
        number(
            "weighted_error",
            "weighted",
            "squared error over the true square, both weighted by magnification: of what an image shows",
        ),
        "weighted_error",
        mean,
    ),
    Measured(
        number("aligned_mse", "aligned MSE", "source MSE after the scale and shift that no image tells"),
        "aligned_mse",
        mean,
    ),
    Measured(number("aligned_r", "aligned r", "correlation after these", ideal=1.0, printed=True), "aligned_r", mean),
    Measured(number("flux_ratio", "flux", "flux in the field over the true flux", ideal=1.0), "flux_ratio", mean),
    Measured(
        share("theta_bias", "θE bias", "mean of θE / true θE − 1, of the whole lens", printed=True), "theta_e", mean
    ),
    Measured(share("theta_scatter", "θE scatter", "standard deviation of it", printed=True), "theta_e", deviation),
    Measured(share("theta_median", "θE median", "its median"), "theta_e", median),
    Measured(share("theta_central", "θE central", "half of its central 68 %"), "theta_e", half_width),
    Measured(share("theta_far", "θE far off", "share of lenses whose θE is more than 10 % off"), "theta_e", share_far),
    Measured(
        share("law_bias", "law bias", "mean of theta_e / true theta_e − 1, of the power law alone"), "power_law", mean
    ),
    Measured(share("law_scatter", "law scatter", "standard deviation of it"), "power_law", deviation),
    Measured(number("slope", "slope", "mean |slope − true slope| of the power law"), "slope", mean_size),
    Measured(number("axis_ratio", "axis ratio", "mean |q − true q|"), "axis_ratio", mean_size),
    Measured(number("shear", "shear", "mean length of the difference of the shears"), "shear", mean),
    Measured(share("centre", "centre", "mean distance of the centres over true θE"), "centre", mean),
    Measured(
        number("chi2", "χ²", "median of the reduced χ² of an image, by the true noise", ideal=1.0, printed=True),
        "chi2",
        median,
    ),
    Measured(
        share("chi2_good", "χ² good", "share of images whose reduced χ² is from .95 to 1.1", ideal=1.0, printed=True),
        "chi2",
        share_good,
    ),
    Measured(
        Score(
            "ssim",
            "SSIM (weak)",
            "structural similarity of the whole field, of which most is dark: compare blank",
            "",
            ideal=1.0,
            unit="number",
            weak=True,
        ),
        "ssim",
        mean,
    ),
    Measured(number("seconds", "CPU s", "seconds of a CPU an image", ideal=None, printed=True), "seconds", mean),
)
SCORES = tuple(one.score for one in MEASURED)
BY_NAME: Mapping[str, Score] = {score.name: score for score in SCORES}


def row(data: str, method: str, numbers: Mapping[str, Array]) -> dict[str, Any]:
    """Scores by name, each {value, standard_error}, or None where there is none; `numbers` (N,) of a set of systems."""
    found = {one.score.name: estimate(numbers[one.of], one.statistic) for one in MEASURED}
    return {"name": f"{data}: {method}", "data": data, "method": method, **found}


def estimate(values: Array, statistic: Statistic) -> dict[str, float] | None:
    """Of the systems that have the number, those that have none being nan."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    picks = np.random.default_rng(SEED).integers(len(known), size=(N_DRAWS, len(known)))
    return {"value": float(statistic(known)), "standard_error": float(statistic(known[picks]).std())}
