"""What the scores of a judgement of halos say: which goals the painter reaches, and on which boxes who is best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from configs.count_evaluation import PAINTER
from learn.scores.halo_scores import SCORES
from learn.scores.score import Row, best

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
    """Every goal on every data set and channel: data, channel, text, what was found, and whether it is reached."""
    by_name = {score.name: score for score in SCORES}
    own = [row for row in rows if row["method"] == PAINTER]
    found = []
    for row in own:
        for goal in GOALS:
            known = row[goal.score]
            is_reached = None if known is None else abs(known["value"]) <= goal.limit
            shown = by_name[goal.score].shown(row)
            place = {"data": row["data"], "channel": row["channel"], "text": goal.text}
            found.append({**place, "found": shown, "is_reached": is_reached})
    return found


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
