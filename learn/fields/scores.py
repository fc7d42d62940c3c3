"""What the measurements of two sets come to: one number each, with its error by drawing the simulations anew.

A field that is made has no truth of its own: every score compares means over a set with means over another, at the same
parameters. Knows nothing of files or figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learn.fields.fit import ParameterFit, slopes
from learn.fields.measures import PDF_EDGES, Measured
from learn.scores.bootstrap import N_DRAWS
from learn.scores.score import Score
from learn.scores.statistic import relative_distance

Array = NDArray[np.float64]
SEED = 0
ENOUGH = 0.5
"""True peaks a map that a bin of height must have to be counted on."""

SCORES = (
    Score("mafd", "MAFD", "mean over k bins of |mean P - mean P of held-out fields| over the latter", "", printed=True),
    Score("worst", "worst P", "the largest of these, but for the last quarter of the bins", ""),
    Score(
        "variance",
        "variance of P",
        "mean over k bins of |variance of P over that of held-out fields - 1|, over all parameters",
        "",
        printed=True,
    ),
    Score(
        "scatter",
        "scatter of ln P",
        "mean over k bins of that variance over the true one, less 1, at fixed parameters: about a fit of ln P to them",
        "",
        printed=True,
    ),
    Score("pdf", "PDF", "Wasserstein distance of the logarithms of the pixels", "", unit="decade", printed=True),
    Score("peaks", "peaks", "mean over heights of |number / true number - 1| of peaks of the smoothed fields", ""),
    Score("minkowski", "Minkowski", "area between the curves of the functionals over that below the true ones", ""),
    Score("bispectrum", "bispectrum", "sum over k of |Q - true Q| over that of |true Q|, equilateral triangles", ""),
    Score("response", "response", "sum over k and parameters of |d ln P / d ln p - true| over that of |true|", ""),
    Score(
        "periodicity",
        "border",
        "mean jump of the logarithm between pixels across the border over that inside, along all axes: 1 on a torus",
        "",
        ideal=1.0,
        unit="number",
        printed=True,
    ),
    Score("density", "density", "mean density over the true one, less 1", ""),
    Score("empty", "empty", "share of pixels without any mass, or with less", "", ideal=None),
)


def row(method: str, own: Measured, truth: Measured, params: Array) -> dict[str, Any]:
    """The scores of one method by name, each {value, standard_error}, or None where there is none."""
    own, truth = with_scatter(own, params), with_scatter(truth, params)
    rng = np.random.default_rng(SEED)
    picks = [rng.integers(len(params), size=len(params)) for _ in range(N_DRAWS)]
    drawn = [(picked(own, pick), picked(truth, pick), params[pick]) for pick in picks]
    found = {
        name: estimate(score(own, truth, params), [score(*one) for one in drawn]) for name, score in FUNCTIONS.items()
    }
    return {"method": method, **found}


def own_row(name: str, truth: Measured, params: Array) -> dict[str, Any]:
    """What can be said of the held-out fields without others: their border and their empty pixels."""
    return {
        key: value if key in ("method", "periodicity", "empty") else None
        for key, value in row(name, truth, truth, params).items()
    }


def floor(truth: Measured, params: Array, n_true: int, n_made: int) -> float:
    """The MAFD that a perfect generator has by chance: that of so many fields against so many others.

    Mean of |normal number|, of the scatter of ln P at fixed parameters.
    """
    scatter = with_scatter(truth, params)["scatter"].mean(0)
    return float(np.sqrt(2 / np.pi * scatter * (1 / n_true + 1 / n_made)).mean())


def picked(measured: Measured, pick: NDArray[np.int64]) -> Measured:
    """The measurements of some simulations."""
    return {name: values[pick] for name, values in measured.items()}


def estimate(value: float, drawn: Sequence[float]) -> dict[str, float] | None:
    """A number and its bootstrap standard error."""
    known = np.array(drawn)[np.isfinite(drawn)]
    return {"value": float(value), "standard_error": float(known.std())} if np.isfinite(value) and known.size else None


def with_scatter(measured: Measured, params: Array) -> Measured:
    """The measurements, and of each simulation the mean square of ln P about a fit to the parameters, (S, K)."""
    log_power, squared = measured["log_power"], measured["log_power_squared"]
    fitted = ParameterFit.of(params, log_power)(params)
    return {**measured, "scatter": squared - 2 * fitted * log_power + fitted**2}


def mean_power_error(own: Measured, truth: Measured, _params: Array) -> float:
    return float(np.abs(power_ratio(own, truth) - 1).mean())


def worst_power_error(own: Measured, truth: Measured, _params: Array) -> float:
    """Of all but the last quarter of the bins of k, where pixels end."""
    ratio = power_ratio(own, truth)
    return float(np.abs(ratio[: -(-3 * len(ratio) // 4)] - 1).max())


def power_ratio(own: Measured, truth: Measured) -> Array:
    return np.asarray(own["power"].mean(0) / truth["power"].mean(0))


def variance_error(own: Measured, truth: Measured, _params: Array) -> float:
    """Nan where the true P do not vary, as those of one field drawn again and again do not."""
    true = variance(truth)
    return float(np.abs(variance(own) / true - 1).mean()) if (true > 0).all() else float("nan")


def variance(measured: Measured) -> Array:
    """Of P(k) over all maps of all simulations, (K,)."""
    return np.asarray(measured["power_squared"].mean(0) - measured["power"].mean(0) ** 2)


def scatter_error(own: Measured, truth: Measured, _params: Array) -> float:
    return float(np.abs(own["scatter"].mean(0) / truth["scatter"].mean(0) - 1).mean())


def pdf_distance(own: Measured, truth: Measured, _params: Array) -> float:
    """The area between the cumulative distributions."""
    width = PDF_EDGES[1] - PDF_EDGES[0]
    return float(np.abs(np.cumsum(own["pdf"].mean(0) - truth["pdf"].mean(0)) * width).sum() * width)


def peaks_error(own: Measured, truth: Measured, _params: Array) -> float:
    """Of the heights that have enough true peaks; nan if none has."""
    found, true = own["peaks"].mean(0), truth["peaks"].mean(0)
    enough = true >= ENOUGH
    return float(np.abs(found[enough] / true[enough] - 1).mean()) if enough.any() else float("nan")


def minkowski_error(own: Measured, truth: Measured, _params: Array) -> float:
    return float(relative_distance(own["minkowski"].mean(0), truth["minkowski"].mean(0)).mean())


def bispectrum_error(own: Measured, truth: Measured, _params: Array) -> float:
    return float(relative_distance(own["bispectrum"].mean(0), truth["bispectrum"].mean(0)))


def response_error(own: Measured, truth: Measured, params: Array) -> float:
    """Of the parameters that vary; nan if none does."""
    found, true = slopes(params, own["log_power"]), slopes(params, truth["log_power"])
    known = np.isfinite(true)
    return float(np.abs(found - true)[known].sum() / np.abs(true[known]).sum()) if known.any() else float("nan")


def border(own: Measured, _truth: Measured, _params: Array) -> float:
    return float(own["jump_across"].mean() / own["jump_inside"].mean())


def thirds(own: Measured, truth: Measured, values: Array) -> list[dict[str, Any]]:
    """P of one set over that of another in three ranges of a parameter (S,), each with as many simulations.

    Of each range its ends, the ratio (K,) of the means and the mean of |ratio - 1|.
    """
    parts = [part for part in np.array_split(np.argsort(values, kind="stable"), 3) if len(part)]
    ratios = [power_ratio(picked(own, part), picked(truth, part)) for part in parts]
    return [
        {
            "low": float(values[part[0]]),
            "high": float(values[part[-1]]),
            "mafd": float(np.abs(ratio - 1).mean()),
            "ratio": ratio.tolist(),
        }
        for part, ratio in zip(parts, ratios, strict=True)
    ]


def density_error(own: Measured, truth: Measured, _params: Array) -> float:
    return float(own["density"].mean() / truth["density"].mean() - 1)


def empty_share(own: Measured, _truth: Measured, _params: Array) -> float:
    return float(own["empty"].mean())


FUNCTIONS: Mapping[str, Callable[[Measured, Measured, Array], float]] = {
    "mafd": mean_power_error,
    "worst": worst_power_error,
    "variance": variance_error,
    "scatter": scatter_error,
    "pdf": pdf_distance,
    "peaks": peaks_error,
    "minkowski": minkowski_error,
    "bispectrum": bispectrum_error,
    "response": response_error,
    "periodicity": border,
    "density": density_error,
    "empty": empty_share,
}


@dataclass(frozen=True)
class Goal:
    """What a generator should reach: a score at most so much off its ideal."""

    score: str
    most: float
    text: str

    def outcome(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """What was found, in words, and whether it is enough; None where it cannot be told."""
        score = next(one for one in SCORES if one.name == self.score)
        found = own[self.score]
        if found is None:
            return {"text": self.text, "found": "–", "is_reached": None}
        off = abs(found["value"] - (score.ideal or 0.0))
        return {"text": self.text, "found": score.shown(own), "is_reached": bool(off <= self.most)}


GOALS = (
    Goal("mafd", 0.02, "MAFD of P(k) at most 2 %"),
    Goal("variance", 0.15, "variance of P(k) within 15 %"),
    Goal("periodicity", 0.02, "jump across the border that inside within 2 %"),
)
