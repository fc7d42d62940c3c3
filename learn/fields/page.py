"""The page of a judgement of fields: one HTML file with every score, figure and definition in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from learn.fields.figures import TITLES
from learn.fields.findings import HELD_OUT, SAMPLES
from learn.fields.scores import SCORES
from learn.page import embedded, rendered
from learn.scores.score import best


def page(metrics: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The page; every name from outside is escaped."""
    made = [row for row in metrics["rows"] if row["method"] != HELD_OUT]
    winners = {score.name: best(made, score) for score in SCORES}
    return rendered(
        "fields",
        metrics=metrics,
        scores=SCORES,
        rows=[
            (row["method"], [(score.shown(row), winners[score.name] is row) for score in SCORES])
            for row in metrics["rows"]
        ],
        pictures=[(name, title, embedded(pictures[name])) for name, title in TITLES.items()],
        own=SAMPLES,
        held_out=HELD_OUT,
    )
