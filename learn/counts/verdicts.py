"""What the scores of a judgement of halos say: which goals the painter reaches, and on which boxes who is best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from configs.count_evaluation import PAINTER
from learn.scores.halo_scores import SCORES
from learn.scores.score import Row, best

BY_NAME = {score.name: score for score in SCORES}
COMPARED = tuple(score for score in SCORES if score.ideal is not None)


@dataclass(frozen=True)
class Goal:
    """A score that should not be further from 0 than `limit`."""

    text: str
    score: str
    limit: float


GOALS = (
    Goal("P(k) within 5 % to k_max, shot noise included", "power_worst", 0.05),
    Goal("the two-halo part alone within 5 %", "two_halo", 0.05),
    Goal("the shot noise alone within 5 %", "shot_noise", 0.05),
    Goal("stochasticity within 10 %", "stochasticity_worst", 0.10),
)


def outcomes(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Every goal on every data set and channel: data, channel, text, what was found, and whether it is reached.

    `by_chance` is what a painter without fault would have in these boxes. One that misses a goal which chance alone
    may miss is not told from it: is_reached None, as where there is no score.
    """
    return [outcome(row, goal) for row in rows if row["method"] == PAINTER for goal in GOALS]


def outcome(row: Row, goal: Goal) -> dict[str, Any]:
    """One goal in one row."""
    known, chance = row[goal.score], (row["chance"] or {}).get(goal.score)
    is_met = known is not None and abs(known["value"]) <= goal.limit
    is_told = known is not None and chance is not None and (is_met or chance <= goal.limit)
    return {
        "data": row["data"],
        "channel": row["channel"],
        "text": goal.text,
        "found": BY_NAME[goal.score].shown(row),
        "by_chance": "–" if chance is None else f"{100 * chance:.1f} %",
        "is_reached": is_met if is_told else None,
    }


def verdicts(rows: Sequence[Row]) -> list[str]:
    """A sentence a data set: in how many scores nobody beats the painter, and who beats it in how many."""
    return [_verdict(name, [row for row in rows if row["data"] == name]) for name in unique(rows, "data")]


def unique(rows: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(row[key] for row in rows))


def _verdict(name: str, rows: Sequence[Row]) -> str:
    held: dict[str, int] = {}
    for channel in unique(rows, "channel"):
        for score in COMPARED:
            winner = best([row for row in rows if row["channel"] == channel], score)
            if winner is not None:
                held[winner["method"]] = held.get(winner["method"], 0) + 1
    total, own = sum(held.values()), held.pop(PAINTER, 0)
    lost = [f"the {method} is best in {n}" for method, n in sorted(held.items(), key=lambda pair: -pair[1])]
    return f"{name}: nobody beats the painter in {own} of {total} scores" + "".join(f"; {one}" for one in lost) + "."
