from __future__ import annotations

import io
import json
from typing import Any

import pytest

from learn import page, table, verdicts
from learn.scores.score import PRINTED, SCORES

METHODS = ("painter", "painter mean", "identity", "blank", "amplitude filter", "pixel lookup")
HOSTILE = "<script>alert('box')</script>"


def cell(value: float | None) -> Any:
    return None if value is None else {"value": value, "standard_error": 0.01}


def row(method: str, channel: str, away: float, **changes: float | None) -> dict[str, Any]:
    """Every score `away` from its ideal."""
    found = {score.name: cell((score.ideal or 0) + away) for score in SCORES}
    found |= {name: cell(value) for name, value in changes.items()}
    return {"name": f"{method} {channel}", "channel": channel, "method": method, **found}


def result(*rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "commit": "abc",
        "config": {"out": "out/evaluation", "smoothing": 0.5},
        "subject": {"kind": "checkpoint", "where": HOSTILE, "step": 7, "commit": "def", "n_draws": 4},
        "data": {
            "data_sha256": "123",
            "box_size": 16.0,
            "depth": 8.0,
            "pixel_size": 0.5,
            "periodic": True,
            "unit": "u",
        },
        "split": "test",
        "channels": ["total", "gas", "stars"],
        "simulations": ["box_0001", HOSTILE],
        "half_nyquist": 3.14,
        "rows": list(rows),
    }


ALL = [
    row(method, channel, 0.001 * (1 + i)) for channel in ("total", "gas", "stars") for i, method in enumerate(METHODS)
]


def test_who_is_best_is_said_and_weak_scores_have_no_say() -> None:
    rows = [row("painter", "gas", 0.1, peaks=0.5, ssim=0.0), row("blank", "gas", 0.2, ssim=1.0)]
    rows.append(row("amplitude filter", "gas", 0.3, peaks=0.01))
    (sentence,) = verdicts.verdicts(rows)
    n = len([score for score in verdicts.COMPARED if score.ideal is not None])
    assert (
        sentence
        == f"gas: no baseline beats the painter in {n - 1} of {n} scores; the amplitude filter is best in peaks."
    )


def test_the_mean_of_the_draws_is_the_painter_too() -> None:
    rows = [row("painter", "gas", 0.2), row("painter mean", "gas", 0.1), row("blank", "gas", 0.15)]
    assert "is best" not in verdicts.verdicts(rows)[0]


@pytest.mark.parametrize(("value", "is_reached"), [(0.019, True), (0.021, False), (None, None)])
def test_goals_have_limits(value: float | None, is_reached: bool | None) -> None:
    rows = [row("painter", "total", 0, power_worst_k5=value), row("amplitude filter", "total", 0.1)]
    found = {one.text: one.is_reached for one in verdicts.outcomes(rows)}
    assert found["total: P(k) within 2 % to k = 5 h/Mpc"] is is_reached
    assert found["total: better than the amplitude filter in peaks"] is True
    assert not any(text.startswith("gas") for text in found)


def test_goals_are_of_one_draw_and_name_the_mean_beside_it() -> None:
    rows = [row("painter", "total", 0.02), row("painter mean", "total", 0.001), row("amplitude filter", "total", 0.1)]
    (found,) = (one for one in verdicts.outcomes(rows) if one.text.startswith("total: r > 0.99"))
    assert (found.is_reached, found.found) == (False, "1.0200 ± 0.0100 (mean of draws 1.0010 ± 0.0100)")


def test_r_is_reached_from_below_and_mass_in_powers_of_ten() -> None:
    rows = [
        row("painter", "total", 0, correlation_min_k5=0.989, mass_conservation=2e-7),
        row("amplitude filter", "total", 0),
    ]
    found = {one.text: one for one in verdicts.outcomes(rows)}
    assert found["total: r > 0.99 to k = 5 h/Mpc"].is_reached is False
    mass = found["total: the mass of the input to 1e-5, map by map"]
    assert (mass.is_reached, mass.found) == (True, "2.0e-07")
    assert found["total: better than the amplitude filter in PDF"].is_reached is False  # equal is not better


def test_the_last_line_is_json_and_the_table_names_every_method_whole() -> None:
    output = io.StringIO()
    table.show(result(*ALL), output)
    lines = output.getvalue().rstrip().splitlines()
    line = json.loads(lines[-1])
    assert line["benchmark"] == "evaluate"
    assert line["rows"] == ALL
    for method in METHODS:
        assert sum(text.split("  ")[0].strip() == method for text in lines[:-1]) == 3
    assert max(map(len, lines[:-1])) <= table.WIDTH
    assert not any("…" in text for text in lines)
    assert any("evaluation.html" in text for text in lines)


def test_the_coverage_is_printed_beside_the_nominal_one_of_a_painter_that_draws() -> None:
    drawing = row("painter", "gas", 0, coverage_68_pixels=0.61, coverage_95_power=0.99)
    other = row("blank", "gas", 0, **{score.name: None for score in SCORES if score.group == "Coverage"})
    (line,) = table.coverages([drawing, other])
    assert line == "gas: in intervals of 68 / 95 %: pixels 61 / 95, apertures 68 / 95, power 68 / 99"


@pytest.mark.parametrize(
    ("name", "value", "error", "text"),
    [
        ("power_error_k5", 0.0183, 0.004, "1.83(40) "),
        ("power_error_k5", 0.412, 0.05, "41(5) "),
        ("power_bias_k5", -0.001, 0.012, "0(1) "),
        ("correlation_k5", 0.98765, 0.0123, "0.988(12) "),
        ("pdf", 0.00123, 0.0001, "0.0012(1) "),
    ],
)
def test_cells_have_digits_by_their_error(name: str, value: float, error: float, text: str) -> None:
    score = next(score for score in PRINTED if score.name == name)
    found = {name: {"value": value, "standard_error": error}}
    assert table.cell(found, score, is_best=False) == text
    assert table.cell(found, score, is_best=True).startswith("[bold]")
    assert table.cell({name: None}, score, is_best=False) == "- "


def test_the_page_escapes_names_and_marks_goals() -> None:
    from_outside = page.table(result(*ALL), "Mass")
    assert [method for method, _ in from_outside["channels"]["total"]] == list(METHODS)
    html = page.page(result(*ALL), caption=HOSTILE, pictures={"pdf": b"png"})
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 3
    assert 'class="met"' in html
    assert "painter is stochastic" in html
    assert html.count("<img") == 1
