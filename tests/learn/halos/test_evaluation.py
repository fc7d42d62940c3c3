"""The judge of models of halos: the truth has the scores of the truth, what is put in comes out, files are written."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from pydantic import ValidationError

from configs import EvaluateHalos, HaloCutouts
from learn.__main__ import main
from learn.halos import evaluation
from learn.halos.measures import CHANNELS, QUANTITIES, Measures, Ruler, places, with_total
from learn.halos.scores import MODEL, SCORES, THEIRS, by_mass, covered, estimated, goals, rows

RULER = Ruler(n_pixels=32, pixel_size=0.25, radius=1.0, n_radii=8)
LEVEL = np.ones(4)
NAMES = [score.name for score in SCORES]


def some(seed: int, n: int = 6) -> list[np.ndarray]:
    """N truths (4, P, P) with stars in few pixels."""
    rng = np.random.default_rng(seed)
    maps = rng.lognormal(size=(n, 3, 32, 32))
    maps[:, 2] *= rng.random((n, 32, 32)) < 0.2
    return list(with_total(maps))


def measured(maps: list[np.ndarray]) -> Measures:
    return Measures.stacked([RULER.measure(one, LEVEL) for one in maps])


def score(drawn: list[list[np.ndarray]], truth: list[list[np.ndarray]], name: str) -> np.ndarray:
    """Of every channel."""
    sides = ([measured(maps) for maps in side] for side in (drawn, truth))
    return estimated(*sides, RULER.edges)[0][NAMES.index(name)]


def test_the_truth_has_the_ideal_of_every_score() -> None:
    truth = [some(0), some(1)]
    for one in SCORES:
        if one.ideal is not None:
            np.testing.assert_allclose(score(truth, truth, one.name), one.ideal, atol=1e-12)
    np.testing.assert_array_equal(score(truth, truth, "mass_scatter"), 0)


def test_a_factor_that_is_put_in_comes_out() -> None:
    truth = [some(0), some(1)]
    drawn = [[1.3 * one for one in maps] for maps in truth]
    for name, expected in (("mass_ratio", 1.3), ("mass_bias", 0.3), ("profile_r200", 0.3), ("profile_worst", 0.3)):
        np.testing.assert_allclose(score(drawn, truth, name), expected, rtol=1e-10)
    np.testing.assert_allclose(score(drawn, truth, "mass_scatter"), 0, atol=1e-10)
    np.testing.assert_allclose(score(drawn, truth, "zeros_error"), 0, atol=1e-12)


def test_empty_pixels_and_peaks_are_counted() -> None:
    one = np.zeros((4, 32, 32))
    one[:, 10, 10], one[:, 20, 5], one[:, 0, 7] = 30.0, 9.0, 50.0
    found = RULER.measure(one, LEVEL)
    np.testing.assert_array_equal(found.peaks, 1)  # the second is too low, the third at the edge
    np.testing.assert_allclose(found.zeros, 1 - 3 / 1024)
    assert found.lowest == 0


def test_pixels_that_are_not_empty_are_compared_with_those_of_the_truth() -> None:
    truth, drawn = np.zeros((4, 32, 32)), np.zeros((4, 32, 32))
    truth[:, 10, 10:14], drawn[:, 20, 5] = 1.0, 9.0
    np.testing.assert_allclose(score([[drawn]], [[truth]], "occupied"), 0.25)
    np.testing.assert_allclose(score([[drawn]], [[truth]], "zeros_error"), 3 / 1024)


def test_halos_are_looked_at_apart_by_their_mass() -> None:
    def measured_at(maps: list[np.ndarray]) -> Measures:
        rulers = [replace(RULER, log_mass=log_mass) for log_mass in (12.2, 12.5, 12.49, 13.7)]
        return Measures.stacked([ruler.measure(one, LEVEL) for ruler, one in zip(rulers, maps, strict=True)])

    truth = some(0, 4)
    drawn = [factor * one for factor, one in zip((1.0, 2.0, 1.0, 3.0), truth, strict=True)]
    found = [row for row in by_mass([measured_at(drawn)], [measured_at(truth)]) if row["channel"] == "gas"]
    assert [(row["log10_mass"], row["n_samples"]) for row in found] == [
        ([10, 12.5], 2),
        ([12.5, 13], 1),
        ([13.5, 14], 1),
    ]
    np.testing.assert_allclose([row["mass_ratio"] for row in found], [1, 2, 3])
    np.testing.assert_allclose([row["mass_bias"] for row in found], [0, 1, 2], atol=1e-12)


def test_the_total_is_the_sum_of_the_channels() -> None:
    maps = np.random.default_rng(0).lognormal(size=(2, 3, 4, 4))
    whole = with_total(maps)
    np.testing.assert_allclose(whole[:, 0], maps[:, 0] + maps[:, 1] + maps[:, 2], rtol=1e-12)
    np.testing.assert_array_equal(whole[:, 1:], maps)


def test_mass_and_rings_are_those_of_the_pixels_they_hold() -> None:
    found = RULER.measure(np.ones((4, 32, 32)), LEVEL)
    at = (np.arange(32) + 0.5 - 16) * 0.25
    distance = np.hypot(at[:, None], at)
    np.testing.assert_array_equal(found.mass, (distance < 1).sum())
    np.testing.assert_array_equal(found.window, 1024)
    np.testing.assert_array_equal(found.profile[0, 0], found.area[0])
    assert found.area.sum() == ((distance >= 0.1) & (distance < 4)).sum()


def test_places_of_a_calibrated_model_are_level_and_empty_squares_do_not_count() -> None:
    rng = np.random.default_rng(0)
    counts = np.sum([places(np.array(some(i, 5)), some(100 + i, 1)[0], RULER, rng) for i in range(60)], axis=0)
    assert counts.shape == (len(QUANTITIES), 4, 6)
    np.testing.assert_array_equal(counts[0].sum(-1), 60)
    level = counts[1, 0] / counts[1, 0].mean()
    np.testing.assert_allclose(level, 1, atol=0.12)
    nothing = np.zeros((4, 32, 32))
    np.testing.assert_array_equal(places(np.zeros((5, 4, 32, 32)), nothing, RULER, rng), 0)


def test_too_narrow_draws_do_not_cover() -> None:
    counts = np.zeros((2, 1, len(QUANTITIES), 17))
    counts[0, ..., [0, 16]] = 30.0
    counts[1] = 10.0
    narrow, fair = (covered(one) for one in counts)
    assert narrow["coverage_68_mass"]["value"] < 0.1
    assert fair["coverage_68_mass"]["value"] == pytest.approx(0.68, abs=1e-9)


def test_the_figures_of_the_predecessor_stand_beside_and_say_whose_they_are() -> None:
    truth = [measured(some(0)), measured(some(1))]
    found = rows({MODEL: truth}, truth, np.zeros((2, len(QUANTITIES), 4, 17)), RULER.edges)
    theirs = {row["channel"]: row for row in found if row["method"] == THEIRS}
    assert theirs["stars"]["mass_bias"] == {"value": -0.407, "standard_error": None}
    assert theirs["stars"]["zeros"] is None
    assert len(found) == 4 + 3
    reached = goals(found, lowest=0.0, n_evaluations=25, n_parameters=10)
    assert [goal.is_reached for goal in reached] == [True] * 6
    missed = goals(found, lowest=-1.0, n_evaluations=50, n_parameters=10**9)
    assert [goal.is_reached for goal in missed] == [True, True, True, False, False, False]
    assert [goal.theirs for goal in reached] == ["-40.7% each", "+7.1% each", "0.19", "–", "250", "247.8 million"]
    for factor, expected in (
        (1.15, [False, False]),
        (0.94, [True, False]),
        (0.85, [False, False]),
        (1.04, [True, True]),
    ):
        drawn = [measured([factor * one for one in some(i)]) for i in (0, 1)]
        found = rows({MODEL: drawn}, truth, np.zeros((2, len(QUANTITIES), 4, 17)), RULER.edges)
        assert [goal.is_reached for goal in goals(found, lowest=0.0, n_evaluations=25, n_parameters=10)][:2] == expected


@pytest.mark.parametrize(("n", "expected"), [(7, False), (8, True), (12, True), (13, False)])
def test_as_many_stellar_peaks_as_in_the_truth_are_wanted(n: int, expected: bool) -> None:
    """Of ten: .8 to 1.2 times as many."""

    def with_peaks(count: int) -> np.ndarray:
        maps = np.full((3, 32, 32), 0.1)
        maps[2, 2 : 2 + 2 * count : 2, 16] = 40.0
        return with_total(maps)

    truth, drawn = ([measured([with_peaks(count)])] for count in (10, n))
    found = rows({MODEL: drawn}, truth, np.zeros((1, len(QUANTITIES), 4, 17)), RULER.edges)
    reached = goals(found, lowest=0.0, n_evaluations=25, n_parameters=10)
    assert reached[2].is_reached is expected


def test_errors_are_those_of_simulations() -> None:
    truth = [measured(some(i)) for i in range(4)]
    drawn = [measured([factor * one for one in some(i)]) for i, factor in enumerate((0.8, 1.0, 1.2, 1.4))]
    spread = estimated(drawn, truth, RULER.edges)[1][NAMES.index("mass_ratio")]
    np.testing.assert_allclose(spread, np.std([0.8, 1.0, 1.2, 1.4]) / 2, rtol=0.15)
    assert np.isnan(estimated(drawn[:1], truth[:1], RULER.edges)[1]).all()


def test_at_most_so_many_samples_are_spread_over_the_halos() -> None:
    assert evaluation.chosen(range(10, 40), 3) == [10, 20, 30]
    assert evaluation.chosen(range(5), None) == [0, 1, 2, 3, 4]


def config(halo_checkpoint: Path, data: HaloCutouts, out: Path, **changes: Any) -> EvaluateHalos:
    content: dict[str, Any] = {"kind": "halos", "checkpoint": halo_checkpoint, "data": data, "out": out}
    return EvaluateHalos(**(content | {"n_draws": 4, "max_samples": 3, "n_masses": 2} | changes))


def test_an_evaluation_leaves_a_page_and_its_numbers(
    halo_checkpoint: Path,
    data: HaloCutouts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = config(halo_checkpoint, data, tmp_path / "judged", split="train")
    path = tmp_path / "judge.yaml"
    path.write_text(OmegaConf.to_yaml(asked.model_dump(mode="json")))
    monkeypatch.setattr(sys, "argv", ["learn", "evaluate", str(path)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    found = json.loads((asked.out / "metrics.json").read_text())
    assert last["rows"] == found["rows"]
    assert (found["n_samples"], len(found["simulations"]), found["channels"]) == (6, 2, list(CHANNELS))
    assert found["lowest_pixel"] >= 0
    html = (asked.out / "halos.html").read_text()
    assert "VDM-BIND, on its own data" in html
    assert html.count("data:image/png;base64,") == 4
    assert all((asked.out / f"{name}.png").is_file() for name in ("profiles", "masses", "ranks", "sample"))


def test_a_set_of_other_maps_is_refused(halo_checkpoint: Path, data: HaloCutouts, tmp_path: Path) -> None:
    other = data.model_copy(update={"constants": {"redshift": 0.0}})
    with pytest.raises(ValueError, match="data: expected param_names"):
        evaluation.evaluate(config(halo_checkpoint, other, tmp_path))
    with pytest.raises(ValidationError, match=r"data\.targets: components, got total"):
        config(halo_checkpoint, data.model_copy(update={"targets": "total"}), tmp_path)
