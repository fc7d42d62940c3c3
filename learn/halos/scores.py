"""The scores of a model of halos: one number a channel from all measured samples, with a bootstrap error.

Errors are bootstrap standard errors over simulations, since halos of one simulation are not independent. Knows nothing
of models, of files or of pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learn.halos.measures import CHANNELS, QUANTITIES, Measures
from learn.scores.coverage import NOMINAL, coverage

Array = NDArray[np.float64]
Row = dict[str, Any]
Estimate = dict[str, float | None] | None

N_BOOTSTRAP = 400
SEED = 0
MASSES = (10.0, 12.5, 13.0, 13.5, 14.0, 17.0)
"""Ends of the bins of log10 M200c [Msun/h] in which halos are looked at apart."""
BY_MASS = ("mass_ratio", "mass_bias", "mass_scatter", "peaks", "occupied")
MODEL, MODEL_MEAN, BASELINE, THEIRS = "model", "model mean", "mean profile", "VDM-BIND, on its own data"


@dataclass(frozen=True)
class HaloScore:
    """A number of one channel of drawn and true samples; `ideal` is that of the truth itself."""

    name: str
    heading: str
    meaning: str
    ideal: float | None
    value: Callable[[Measures, Measures, int, Array], float]
    is_percent: bool = True


def ratio_of_sums(a: Array, b: Array) -> float:
    return float(a.sum() / b.sum()) if b.sum() > 0 else float("nan")


def residuals(a: Array, b: Array) -> Array:
    """A / b - 1 where b is above 0."""
    return np.asarray(a[b > 0] / b[b > 0] - 1)


def mean_of(values: Array) -> float:
    return float(values.mean()) if values.size else float("nan")


def std_of(values: Array) -> float:
    return float(values.std()) if values.size else float("nan")


def at_r200(measures: Measures, i: int, edges: Array) -> Array:
    """Mass in the ring that has R200c in it, (n,)."""
    return measures.profile[:, i, int(np.searchsorted(edges, 1.0, side="right")) - 1]


def worst_profile(drawn: Measures, true: Measures, i: int, edges: Array) -> float:
    """Largest |stacked profile over the true one - 1| of the rings within 2 R200c that hold mass."""
    inner = edges[1:] <= 2
    a, b = drawn.profile[:, i, inner].sum(axis=0), true.profile[:, i, inner].sum(axis=0)
    found = np.abs(residuals(a, b))
    return float(found.max()) if found.size else float("nan")


SCORES = (
    HaloScore(
        "mass_ratio",
        "M(<R200c), all",
        "sum of the projected masses within R200c over that of the truth",
        1.0,
        lambda d, t, i, _: ratio_of_sums(d.mass[:, i], t.mass[:, i]),
    ),
    HaloScore(
        "mass_bias",
        "M(<R200c), each",
        "mean of M / M(truth) - 1 of each halo, where the truth is above 0",
        0.0,
        lambda d, t, i, _: mean_of(residuals(d.mass[:, i], t.mass[:, i])),
    ),
    HaloScore(
        "mass_scatter",
        "its scatter",
        "standard deviation of M / M(truth) - 1 over halos; that of one draw has the scatter of the truth in it",
        None,
        lambda d, t, i, _: std_of(residuals(d.mass[:, i], t.mass[:, i])),
    ),
    HaloScore(
        "profile_r200",
        "Σ(R200c)",
        "mean of Σ / Σ(truth) - 1 of each halo in the ring at R200c, where the truth is above 0",
        0.0,
        lambda d, t, i, e: mean_of(residuals(at_r200(d, i, e), at_r200(t, i, e))),
    ),
    HaloScore(
        "profile_r200_scatter",
        "its scatter",
        "standard deviation of Σ / Σ(truth) - 1 at R200c over halos",
        None,
        lambda d, t, i, e: std_of(residuals(at_r200(d, i, e), at_r200(t, i, e))),
    ),
    HaloScore("profile_worst", "worst Σ(r<2R)", worst_profile.__doc__ or "", 0.0, worst_profile),
    HaloScore(
        "peaks",
        "peaks",
        "number of peaks over that of the truth: pixels above their neighbours, at least 10 times the mean",
        1.0,
        lambda d, t, i, _: ratio_of_sums(d.peaks[:, i], t.peaks[:, i]),
        False,
    ),
    HaloScore(
        "zeros",
        "empty",
        "share of the pixels that hold exactly nothing",
        None,
        lambda d, _t, i, _e: float(d.zeros[:, i].mean()),
    ),
    HaloScore(
        "zeros_error",
        "less truth",
        "that share less that of the truth",
        0.0,
        lambda d, t, i, _: float((d.zeros[:, i] - t.zeros[:, i]).mean()),
    ),
    HaloScore(
        "occupied",
        "others",
        "number of pixels that are not empty over that of the truth",
        1.0,
        lambda d, t, i, _: ratio_of_sums(1 - d.zeros[:, i], 1 - t.zeros[:, i]),
        False,
    ),
)
BY_NAME = {score.name: score for score in SCORES}

PREDECESSOR: Mapping[str, Mapping[str, float]] = {
    "total": {"profile_r200": 0.0125, "profile_r200_scatter": 0.070},
    "gas": {"profile_r200": 0.057, "profile_r200_scatter": 0.134, "mass_bias": 0.071, "mass_scatter": 0.184},
    "stars": {
        "profile_r200": 0.27,
        "profile_r200_scatter": 2.65,
        "mass_bias": -0.407,
        "mass_scatter": 0.559,
        "peaks": 0.19,
    },
}
"""What the notebooks of VDM-BIND report of 4,272 halos of its own data: not comparable in detail."""


def rows(drawn: Mapping[str, Sequence[Measures]], truth: Sequence[Measures], counts: Array, edges: Array) -> list[Row]:
    """A row a channel and method; the samples of each simulation, and counts (simulations, quantities, 4, D + 1)."""
    tables = {method: estimated(measures, truth, edges) for method, measures in drawn.items()}
    found: list[Row] = []
    for i, channel in enumerate(CHANNELS):
        for method, (values, spread) in tables.items():
            row: Row = {"name": f"{method} {channel}", "channel": channel, "method": method}
            row |= {score.name: estimate(values[j, i], spread[j, i]) for j, score in enumerate(SCORES)}
            row |= covered(counts[:, :, i]) if method == MODEL else {}
            found.append(row)
        if theirs := PREDECESSOR.get(channel):
            known = {score.name: estimate(theirs.get(score.name, np.nan), np.nan) for score in SCORES}
            found.append({"name": f"{THEIRS} {channel}", "channel": channel, "method": THEIRS, **known})
    return found


def estimated(drawn: Sequence[Measures], truth: Sequence[Measures], edges: Array) -> tuple[Array, Array]:
    """Every score of every channel over all simulations, (scores, 4), and its bootstrap error, nan of a single one."""
    values = table(drawn, truth, edges)
    if len(drawn) < 2:
        return values, np.full_like(values, np.nan)
    picks = np.random.default_rng(SEED).integers(0, len(drawn), (N_BOOTSTRAP, len(drawn)))
    every = [table([drawn[i] for i in pick], [truth[i] for i in pick], edges) for pick in picks]
    return values, np.array(every).std(axis=0)


def table(drawn: Sequence[Measures], truth: Sequence[Measures], edges: Array) -> Array:
    """(scores, 4)"""
    d, t = Measures.stacked(list(drawn)), Measures.stacked(list(truth))
    return np.array([[score.value(d, t, i, edges) for i in range(len(CHANNELS))] for score in SCORES])


def estimate(value: float, spread: float) -> Estimate:
    """A number and its error for JSON, which has no nan."""
    if not np.isfinite(value):
        return None
    return {"value": float(value), "standard_error": float(spread) if np.isfinite(spread) else None}


def covered(counts: Array) -> Row:
    """Shares of the truths inside intervals of draws; counts (simulations, quantities, D + 1)."""
    found: Row = {}
    rng = np.random.default_rng(SEED)
    picks = rng.integers(0, len(counts), (N_BOOTSTRAP, len(counts)))
    for j, quantity in enumerate(QUANTITIES):
        for nominal in NOMINAL:
            value = float(coverage(counts[:, j].sum(axis=0), nominal))
            drawn = [float(coverage(counts[pick, j].sum(axis=0), nominal)) for pick in picks]
            known = [one for one in drawn if np.isfinite(one)]
            error = float(np.std(known)) if len(counts) > 1 and known else float("nan")
            found[f"coverage_{100 * nominal:.0f}_{quantity}"] = estimate(value, error)
    return found


@dataclass(frozen=True)
class Goal:
    """What a model should reach, what was found, whether that reaches it, and what VDM-BIND reports of itself."""

    text: str
    found: str
    is_reached: bool | None
    theirs: str


THEIR_EVALUATIONS, THEIR_PARAMETERS = 250, 247.8e6


def goals(found: Sequence[Row], *, lowest: float, n_evaluations: int | None, n_parameters: int) -> list[Goal]:
    """The goals of the model, in one draw a halo."""
    by = {row["channel"]: row for row in found if row["method"] == MODEL}
    stars, gas, peaks = (by["stars"]["mass_ratio"], by["gas"]["mass_ratio"], by["stars"]["peaks"])
    theirs = {channel: f"{PREDECESSOR[channel]['mass_bias']:+.1%} each" for channel in ("stars", "gas")}
    evaluations = None if n_evaluations is None else n_evaluations <= 25
    return [
        Goal("mean stellar mass within 10 %", shown(stars), within(stars, 0.9, 1.1), theirs["stars"]),
        Goal("mean gas mass within 5 %", shown(gas), within(gas, 0.95, 1.05), theirs["gas"]),
        Goal(
            "stellar peaks .8 to 1.2 times those of the truth",
            shown(peaks),
            within(peaks, 0.8, 1.2),
            f"{PREDECESSOR['stars']['peaks']:g}",
        ),
        Goal("no negative mass", f"lowest pixel {lowest:.3g}", lowest >= 0, "–"),
        Goal("at most 25 evaluations of the network a draw", str(n_evaluations), evaluations, f"{THEIR_EVALUATIONS}"),
        Goal(
            "at most 30 million parameters",
            f"{n_parameters / 1e6:.2f} million",
            n_parameters <= 30e6,
            f"{THEIR_PARAMETERS / 1e6:g} million",
        ),
    ]


def by_mass(drawn: Sequence[Measures], truth: Sequence[Measures]) -> list[Row]:
    """The scores of masses and peaks of the halos between two masses, a row a channel and a bin that holds any."""
    whole, true = Measures.stacked(list(drawn)), Measures.stacked(list(truth))
    found: list[Row] = []
    for i, channel in enumerate(CHANNELS):
        for low, high in pairwise(MASSES):
            held = np.flatnonzero((true.log_mass >= low) & (true.log_mass < high))
            d, t = whole.taken(held), true.taken(held)
            values = {name: finite(BY_NAME[name].value(d, t, i, np.empty(0))) for name in BY_MASS}
            if len(held):
                found.append({"channel": channel, "log10_mass": [low, high], "n_samples": len(held), **values})
    return found


def finite(value: float) -> float | None:
    """A number for JSON, which has no nan."""
    return value if np.isfinite(value) else None


def shown(one: Estimate) -> str:
    """0.93 ± 0.02; a dash where there is none."""
    if one is None:
        return "–"
    error = "" if one["standard_error"] is None else f" ± {one['standard_error']:.3f}"
    return f"{one['value']:.3f}{error}"


def within(one: Estimate, low: float, high: float) -> bool | None:
    value = None if one is None else one["value"]
    return None if value is None else low <= value <= high
