"""From numbers a system to scores, goals and coverage: what is known by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from configs.lens_evaluation import MACHINE
from learn.lenses.calibration import N_PLACES, PIXELS, Places, pixel_places
from learn.lenses.goals import GOALS, Goal, outcomes
from learn.lenses.inverter import Inversion
from learn.lenses.rows import SCORES, estimate, mean, row
from learn.lenses.scores import NUMBERS


def numbers(**known: list[float]) -> dict[str, np.ndarray]:
    return {name: np.array(known.get(name, [np.nan] * 4)) for name in NUMBERS}


def test_scores_are_statistics_of_systems() -> None:
    found = row("all", MACHINE, numbers(theta_e=[0.0, 0.02, 0.2, -0.02], chi2=[1.0, 1.05, 3.0, 0.9]))
    for name, value in (("theta_bias", 0.05), ("theta_median", 0.01), ("theta_far", 0.25), ("chi2_good", 0.5)):
        assert found[name]["value"] == pytest.approx(value)
    assert found["theta_scatter"]["value"] == pytest.approx(np.std([0.0, 0.02, 0.2, -0.02]))
    assert found["chi2"]["value"] == pytest.approx(1.025)
    assert found["source_mse"] is None
    assert {one.name for one in SCORES} | {"name", "data", "method"} == set(found)


def test_errors_are_those_of_the_mean() -> None:
    values = np.random.default_rng(0).standard_normal(400)
    found = estimate(np.append(values, np.nan), mean)
    assert found is not None
    assert found["value"] == pytest.approx(values.mean())
    assert found["standard_error"] == pytest.approx(0.05, rel=0.15)
    assert estimate(np.full(3, np.nan), mean) is None


def scored(value: float, error: float) -> dict[str, Any]:
    return {"data": "all", "method": MACHINE, "r": {"value": value, "standard_error": error}}


@pytest.mark.parametrize(
    ("value", "error", "expected"), [(0.95, 0.01, True), (0.85, 0.01, False), (0.905, 0.01, None), (0.895, 0.01, None)]
)
def test_a_goal_is_told_where_errors_leave_no_doubt(value: float, error: float, expected: bool | None) -> None:
    assert Goal("r", "r", 0.9, float("inf")).outcome(scored(value, error))["is_reached"] is expected


def test_a_bias_is_too_large_on_either_side() -> None:
    goal = next(one for one in GOALS if one.score == "theta_bias")
    for value, expected in ((0.0, True), (0.02, False), (-0.02, False)):
        told = {"data": "all", "method": MACHINE, "theta_bias": {"value": value, "standard_error": 0.001}}
        assert goal.outcome(told)["is_reached"] is expected


def test_time_is_a_goal_of_the_machine_alone() -> None:
    rows = [row("all", method, numbers(seconds=[0.1] * 4)) for method in (MACHINE, "machine, refined", "blank")]
    told = [(one["method"], one["is_reached"]) for one in outcomes(rows) if "CPU" in one["text"]]
    assert told == [(MACHINE, True)]
    assert {one["method"] for one in outcomes(rows)} == {MACHINE, "machine, refined"}


def test_calibrated_pixels_are_covered_as_often_as_they_should_be() -> None:
    rng = np.random.default_rng(2)
    truth = 5 + rng.random((6, 40, 40)).astype(np.float32)
    error = np.full_like(truth, 0.3)
    blank = np.zeros((6, 12), np.float32)
    known = {field.name: blank for field in dataclasses.fields(Inversion)}
    for factor, covered in ((1.0, (0.68, 0.95)), (2.0, (0.383, 0.673))):
        source = truth + factor * error * rng.standard_normal(truth.shape).astype(np.float32)
        places = Places({PIXELS: pixel_places(Inversion(**known | {"source": source, "source_error": error}), truth)})
        assert places.counts[PIXELS].shape == (6, N_PLACES)
        for nominal, expected in zip((0.68, 0.95), covered, strict=True):
            assert places.covered(PIXELS, nominal)["value"] == pytest.approx(expected, abs=0.015)
    assert len(places.joined(places).counts[PIXELS]) == 12
