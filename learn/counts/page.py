"""The page of a judgement of halos: one HTML file with every score, figure and definition in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from configs.count_evaluation import PAINTER
from learn.counts.verdicts import outcomes, verdicts
from learn.page import embedded, rendered
from learn.scores.halo_scores import GROUPS, SCORES
from learn.scores.score import best


def page(metrics: Mapping[str, Any], pictures: Sequence[tuple[str, str, bytes]]) -> str:
    """The page; every name from outside is escaped. pictures: name, title and PNG of each."""
    return rendered(
        "counts",
        metrics=metrics,
        painter=PAINTER,
        verdicts=verdicts(metrics["rows"]),
        outcomes=outcomes(metrics["rows"]),
        data_sets=[(name, [table(metrics, name, group) for group in GROUPS]) for name in metrics["data"]],
        pictures=[(name, title, embedded(png)) for name, title, png in pictures],
    )


def table(metrics: Mapping[str, Any], data: str, group: str) -> dict[str, Any]:
    """One group of scores on one data set: for each channel its rows of (text, is the best of the channel)."""
    rows = [row for row in metrics["rows"] if row["data"] == data]
    chosen = [score for score in SCORES if score.group == group]
    channels = {}
    for channel in metrics["channels"]:
        own = [row for row in rows if row["channel"] == channel]
        winners = {score.name: best(own, score) for score in chosen}
        channels[channel] = [
            (row["method"], [(score.shown(row), winners[score.name] is row) for score in chosen]) for row in own
        ]
    return {"group": group, "scores": chosen, "channels": channels}
