"""The page of a judgement of inference machines: one HTML file with every score, figure and definition in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from configs.lens_evaluation import ENSEMBLE, MACHINE, REFINED, TRUTH
from learn.lenses.figures import TITLES
from learn.lenses.rows import BY_NAME, SCORES
from learn.page import embedded, rendered
from learn.scores.coverage import NOMINAL
from learn.scores.score import Row, best


def page(metrics: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The page; every name from outside is escaped."""
    return rendered(
        "lenses",
        metrics=metrics,
        scores=SCORES,
        sets=[(name, n, cells(metrics["rows"], name)) for name, n in metrics["sets"].items()],
        theirs=theirs(metrics["predecessor"]),
        goals=goals(metrics["goals"]),
        nominal=[f"{100 * share:.0f} %" for share in NOMINAL],
        coverage={kind: [(one["of"], shares(one)) for one in every] for kind, every in metrics["coverage"].items()},
        course=[(one["n_iterations"], [score.shown(one) for score in SCORES[:-1]]) for one in metrics["course"]],
        pictures=[(name, title, embedded(pictures[name])) for name, title in TITLES.items()],
        own=(MACHINE, REFINED, ENSEMBLE),
    )


def cells(rows: Sequence[Row], data: str) -> list[tuple[str, list[tuple[str, bool]]]]:
    """Of each method on a set of systems its scores as text, and whether each is the best of what can be made."""
    own = [row for row in rows if row["data"] == data]
    winners = {score.name: best([row for row in own if row["method"] != TRUTH], score) for score in SCORES}
    return [(row["method"], [(score.shown(row), winners[score.name] is row) for score in SCORES]) for row in own]


def theirs(predecessor: Mapping[str, Any]) -> list[str]:
    """The reported figures of the predecessor, in the order of the scores."""
    told = {name: {"value": predecessor.get(name), "standard_error": 0.0} for name in BY_NAME}
    return [score.shown(told, error=False) if score.name in predecessor else "–" for score in SCORES]


def goals(outcomes: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, dict[str, Mapping[str, Any]]]]:
    """Text and method, and of each set of systems what was found."""
    found: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for one in outcomes:
        found.setdefault((one["text"], one["method"]), {})[one["data"]] = one
    return [(text, method, by_set) for (text, method), by_set in found.items()]


def shares(covered: Mapping[str, Any]) -> list[str]:
    """What draws cover, as text."""
    known = (covered[f"coverage_{100 * share:.0f}"] for share in NOMINAL)
    return [f"{100 * one['value']:.0f} ± {100 * one['standard_error']:.0f} %" for one in known]
