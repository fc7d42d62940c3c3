"""What the scores of an evaluation say: who is best at what, and which goals of the painter are reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from learn.names import OURS, PAINTER, PAINTER_MEAN
from learn.scores.score import BY_NAME, SCORES, Row, Score, best

FILTER = "amplitude filter"
COMPARED = tuple(score for score in SCORES if not score.weak and score.group != "Coverage")


@dataclass(frozen=True)
class Goal:
    """A number that the score of a channel should not pass: `limit` is the largest distance from its ideal."""

    text: str
    score: str
    channel: str
    limit: float


GOALS = (
    Goal("P(k) within 2 % to k = 5 h/Mpc", "power_worst_k5", "total", 0.02),
    Goal("P(k) within 5 % to k = 10 h/Mpc", "power_worst_k10", "total", 0.05),
    Goal("r > 0.99 to k = 5 h/Mpc", "correlation_min_k5", "total", 0.01),
    Goal("P(k) within 5 % to k = 5 h/Mpc", "power_worst_k5", "gas", 0.05),
    Goal("P(k) within 10 % to k = 5 h/Mpc", "power_worst_k5", "stars", 0.10),
    Goal("the mass of the input to 1e-5, map by map", "mass_conservation", "total", 1e-5),
)
BETTER_THAN_FILTER = ("pdf", "peaks", "correlation_k5")


@dataclass(frozen=True)
class Outcome:
    """A goal, what was found, and whether one draw of the painter reaches it; None where the maps cannot tell."""

    text: str
    found: str
    is_reached: bool | None


def verdicts(rows: Sequence[Row]) -> list[str]:
    """One sentence a channel: on how many scores nobody beats the painter, and who beats it on which others."""
    return [_verdict(channel, _of(rows, channel)) for channel in dict.fromkeys(row["channel"] for row in rows)]


def outcomes(rows: Sequence[Row]) -> list[Outcome]:
    """Every goal, in the bins averaged over simulations; then the comparison with the amplitude filter, by channel."""
    channels = tuple(dict.fromkeys(row["channel"] for row in rows))
    found = [_outcome(goal, _of(rows, goal.channel)) for goal in GOALS if goal.channel in channels]
    return found + [_against(_of(rows, channel), BY_NAME[name]) for channel in channels for name in BETTER_THAN_FILTER]


def _of(rows: Sequence[Row], channel: str) -> list[Row]:
    return [row for row in rows if row["channel"] == channel]


def _by(rows: Sequence[Row], method: str) -> Row:
    return next(row for row in rows if row["method"] == method)


def _verdict(channel: str, rows: Sequence[Row]) -> str:
    held: dict[str, list[str]] = {}
    for score in COMPARED:
        winner = best(rows, score)
        if winner is not None:
            held.setdefault(winner["method"], []).append(score.heading)
    n_scores = sum(map(len, held.values()))
    n_own = sum(len(held.pop(name, [])) for name in OURS)
    won = f"no baseline beats the painter in {n_own} of {n_scores} scores"
    lost = [f"the {method} is best in {', '.join(headings)}" for method, headings in held.items()]
    return f"{channel}: {'; '.join([won, *lost])}."


def _outcome(goal: Goal, rows: Sequence[Row]) -> Outcome:
    row, score = _by(rows, PAINTER), BY_NAME[goal.score]
    text = f"{goal.channel}: {goal.text}"
    if row[goal.score] is None or score.ideal is None:
        return Outcome(text, "the maps do not reach that far", None)
    value = row[goal.score]["value"]
    found = f"{value:.1e}" if goal.limit < 1e-3 else score.shown(row) + _of_mean(rows, score)
    return Outcome(text, found, abs(value - score.ideal) <= goal.limit)


def _against(rows: Sequence[Row], score: Score) -> Outcome:
    own, other = _by(rows, PAINTER), _by(rows, FILTER)
    text = f"{own['channel']}: better than the {FILTER} in {score.heading}"
    if own[score.name] is None or other[score.name] is None or score.ideal is None:
        return Outcome(text, "the maps do not reach that far", None)
    distances = [abs(row[score.name]["value"] - score.ideal) for row in (own, other)]
    found = f"{score.shown(own)}{_of_mean(rows, score)} against {score.shown(other)}"
    return Outcome(text, found, distances[0] < distances[1])


def _of_mean(rows: Sequence[Row], score: Score) -> str:
    """What the mean of the draws has, where there are draws: no draw correlates as well as their mean."""
    return next((f" (mean of draws {score.shown(row)})" for row in rows if row["method"] == PAINTER_MEAN), "")
