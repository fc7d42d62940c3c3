from __future__ import annotations

import json
from typing import Any

import pytest

from learn.scores.score import BY_NAME, PRINTED, SCORES, Score, best


def row(method: str, **values: float | None) -> dict[str, Any]:
    cells = {k: None if v is None else {"value": v, "standard_error": 0.0} for k, v in values.items()}
    return {"method": method, "channel": "gas", **cells}


def test_names_are_unique_and_every_score_says_what_it_is() -> None:
    assert len(BY_NAME) == len(SCORES)
    assert all(score.meaning and score.heading for score in SCORES)
    assert {score.name for score in PRINTED} >= {"power_error_k5", "correlation_k5", "pdf", "peaks"}


def test_what_makers_of_pictures_score_by_is_labelled_weak() -> None:
    assert [score.name for score in SCORES if score.weak] == ["ssim", "psnr"]
    assert all("weak" in score.heading for score in SCORES if score.weak)


def test_the_best_is_nearest_the_ideal_and_the_first_of_equals() -> None:
    rows = [row("a", r=0.5, e=-0.1), row("b", r=0.9, e=0.05), row("c", r=0.9 - 1e-9, e=0.05), row("d", r=None, e=None)]
    assert best(rows, Score("r", "r", "r", "g", ideal=1)) is rows[1]
    assert best(rows, Score("e", "e", "e", "g")) is rows[1]
    assert best(rows, Score("r", "r", "r", "g", ideal=0.68)) is rows[0]
    assert best(rows[3:], Score("r", "r", "r", "g")) is None
    assert best(rows, Score("r", "r", "r", "g", ideal=None)) is None
    assert best(rows, Score("unknown", "u", "u", "g")) is None


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("percent", 0.0123, "1.23 ± 0.40 %"),
        ("percent", -0.456, "−45.6 ± 0.4 %"),
        ("percent", 2e-8, "2e-06 %"),
        ("percent", 0.0, "0.00 ± 0.40 %"),
        ("number", 0.98765, "0.9877 ± 0.0040"),
        ("dB", 34.56, "34.6 ± 0.0 dB"),
    ],
)
def test_values_are_shown_in_their_unit(unit: Any, value: float, text: str) -> None:
    score = Score("e", "e", "e", "g", unit=unit)
    shown = score.shown({"e": {"value": value, "standard_error": 0.004}})
    assert shown == text
    assert score.shown({"e": None}) == "–"


def test_rows_are_json() -> None:
    assert json.loads(json.dumps(row("a", r=0.5))) == row("a", r=0.5)
