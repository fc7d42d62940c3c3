"""The judgement of halos: files, the truth as its own judge, other volumes and cosmologies, refusals by name."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from toy_counts import CHANNELS, toy_grids, write_toy_counts
from untrained import write_checkpoint

from configs import Counts, CountShards, Evaluate, EvaluateCounts, Train, load, load_one_of
from learn.counts import evaluation, table
from learn.counts.evaluation import HELD_OUT, LOCAL_BIAS, MEAN_RATE, PAINTER, evaluate, seed_of
from learn.counts.local_bias import LocalBias
from learn.counts.verdicts import GOALS, outcome, outcomes, verdicts
from learn.evaluate import of_checkpoint
from learn.model import MAX_SEED
from learn.scores.halo_scores import SCORES
from learn.scores.halo_statistics import ALL
from sim import count_sets

Make = Callable[..., Train]


@pytest.fixture(scope="module")
def other_volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_counts(tmp_path_factory.mktemp("volume"), n_cells=8, omega_m=0.45)


@pytest.fixture
def config(toy_counts: Path, count_train: Make, tmp_path: Path, other_volume: Path) -> EvaluateCounts:
    checkpoints = [write_checkpoint(tmp_path / kind, count_train(kind)) for kind in ("counts", "wgan")]
    return EvaluateCounts.model_validate(
        {
            "kind": "counts",
            "checkpoint": checkpoints[0],
            "beside": {"gan": checkpoints[1]},
            "data": CountShards(kind="counts", folder=toy_counts),
            "others": (
                {
                    "name": "another volume",
                    "data": CountShards(kind="counts", folder=other_volume),
                    "splits": ("validation", "test"),
                },
            ),
            "out": tmp_path / "out",
            "n_bins": 4,
            "n_draws": 2,
        }
    )


@pytest.fixture
def unwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take seconds."""
    monkeypatch.setattr(evaluation, "write", lambda *_: None)


def row(result: dict[str, Any], data: str, channel: str, method: str) -> dict[str, Any]:
    (found,) = [
        one for one in result["rows"] if (one["data"], one["channel"], one["method"]) == (data, channel, method)
    ]
    return found


def test_every_method_is_judged_on_every_set_and_channel_and_everything_is_written(
    config: EvaluateCounts, capsys: pytest.CaptureFixture[str]
) -> None:
    result = evaluate(config)
    methods, sets = (PAINTER, "gan", LOCAL_BIAS, MEAN_RATE), (HELD_OUT, "another volume")
    expected = {(data, channel, method) for data in sets for channel in (ALL, *CHANNELS) for method in methods}
    assert {(one["data"], one["channel"], one["method"]) for one in result["rows"]} == expected
    assert {score.name for score in SCORES} < set(result["rows"][0])
    assert result["data"]["another volume"]["simulations"] == ["box_0003", "box_0002"]
    kept = json.loads((config.out / "metrics.json").read_text())
    assert kept["rows"] == json.loads(json.dumps(result["rows"]))
    assert EvaluateCounts.model_validate_json(json.dumps(kept["config"])) == config
    page = (config.out / "evaluation.html").read_text()
    for words in ("another volume", "local bias", "halos_13_15", "stochasticity within 10 %", "box_0002", "gan"):
        assert words in page
    assert page.count("data:image/png;base64,") == len(list(config.out.glob("*.png"))) == 1 + 3 * 2
    with np.load(config.out / "curves.npz", allow_pickle=False) as curves:
        assert curves["held out/truth/power"].shape[:2] == (3, 3)
        np.testing.assert_allclose(curves["held out/truth/ratio"][:, 0], 1)
    assert "evaluate: another volume: 2/2 boxes" in capsys.readouterr().out


@pytest.mark.usefixtures("unwritten")
def test_baselines_are_fitted_on_the_training_boxes(config: EvaluateCounts) -> None:
    result = evaluate(config)
    local, mean = (row(result, HELD_OUT, ALL, method) for method in (LOCAL_BIAS, MEAN_RATE))
    # Halos of the toy boxes are a power law of the density: nothing else is to be known.
    assert local["two_halo"]["value"] < 0.6 * mean["two_halo"]["value"]
    assert local["correlation"]["value"] > mean["correlation"]["value"] + 0.3
    assert abs(local["number"]["value"]) < 0.1
    assert local["pdf"]["value"] < 0.5 * mean["pdf"]["value"]


def test_baselines_see_the_cells_of_training_boxes_alone(
    config: EvaluateCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, fit = [], LocalBias.fit
    monkeypatch.setattr(LocalBias, "fit", lambda cells: seen.append(cells) or fit(cells))
    methods = evaluation.baselines(config)
    assert seen[0].n_cells.sum() == 3 * 12**3
    expected = [toy_grids(i).counts.sum(axis=(1, 2, 3)) for i in (0, 1, 4)]
    np.testing.assert_array_equal(seen[0].halos.sum(axis=1), np.sum(expected, axis=0))
    halos = methods[MEAN_RATE](np.zeros((40, 40, 40)), np.zeros(3), 0)
    np.testing.assert_allclose(halos.mean(axis=(1, 2, 3)), np.mean(expected, axis=0) / 12**3, rtol=0.03)


@pytest.mark.usefixtures("unwritten")
def test_a_painter_of_the_truth_is_without_fault(config: EvaluateCounts, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = [toy_grids(i) for i in range(5)] + [toy_grids(i, 8, 32.0) for i in range(5)]

    def truth(density: NDArray, _params: NDArray, _seed: int) -> NDArray:
        return next(box.counts for box in boxes if np.array_equal(box.density, density)).astype(np.int32)

    monkeypatch.setattr(evaluation, "counter_of", lambda _painter: truth)
    result = evaluate(config)
    own = row(result, "another volume", CHANNELS[1], PAINTER)
    assert own["power_worst"]["value"] == pytest.approx(0, abs=1e-9)
    assert own["correlation"]["value"] == pytest.approx(1, abs=1e-9)
    assert own["number"] == {"value": 0.0, "standard_error": 0.0}
    found = outcomes(result["rows"])
    assert len(found) == 2 * 3 * len(GOALS)
    assert all(one["is_reached"] for one in found)
    assert all("in 36 of 36 scores." in sentence for sentence in verdicts(result["rows"]))


@pytest.mark.usefixtures("unwritten")
def test_the_same_seed_is_the_same_judgement(config: EvaluateCounts, tmp_path: Path) -> None:
    first = evaluate(config)["rows"]
    assert evaluate(config.model_copy(update={"out": tmp_path / "again"}))["rows"] == first
    other = evaluate(config.model_copy(update={"out": tmp_path / "other", "seed": 1}))["rows"]
    assert other != first
    assert 0 <= seed_of(2**31 - 1, 1000, 1000) < MAX_SEED


@pytest.mark.usefixtures("unwritten")
def test_the_table_names_sets_methods_and_goals(config: EvaluateCounts) -> None:
    text = io.StringIO()
    table.show(evaluate(config), text)
    lines = text.getvalue().splitlines()
    last = json.loads(lines[-1])
    assert last["benchmark"] == "evaluate"
    assert len(last["rows"]) == 2 * 3 * 4
    for words in (
        "another volume: 2 boxes of 32 Mpc/h",
        "halos_13_15",
        "local bias",
        "goals reached",
        "evaluation.html",
    ):
        assert words in text.getvalue()


@pytest.mark.parametrize(
    ("value", "chance", "is_reached"),
    [(0.04, 0.2, True), (0.11, 0.04, False), (-0.11, 0.04, False), (0.11, 0.12, None), (None, 0.01, None)],
)
def test_a_goal_that_chance_may_miss_is_reached_or_not_to_be_told(
    value: float | None, chance: float, is_reached: bool | None
) -> None:
    score = None if value is None else {"value": value, "standard_error": 0.01}
    judged = {"data": "a", "channel": "b", "method": PAINTER} | {goal.score: score for goal in GOALS}
    found = outcome(judged | {"chance": {goal.score: chance for goal in GOALS}}, GOALS[1])
    assert found["is_reached"] is is_reached
    assert found["by_chance"] == f"{100 * chance:.1f} %"
    assert outcome(judged | {"chance": None}, GOALS[1])["is_reached"] is None
    told = table.goals([judged | {"chance": {goal.score: chance for goal in GOALS}}]).splitlines()
    assert told[0] == f"a: {4 * (is_reached is True)} of {4 * (is_reached is not None)} goals reached"
    missed = {True: [], False: ["  not reached"] * 4, None: ["  cannot tell"] * 4}[is_reached]
    assert [line.split(":")[0] for line in told[1:]] == missed


def test_the_real_box_is_judged_like_any_other(
    count_train: Make, tmp_path: Path, real_data: Path, repository: Path
) -> None:
    shipped = load(Counts, repository / "configs/pairs/counts_abacus.yaml")
    path = real_data / "nbody/abacus_n64/mini_n64_l32_z0.npz"
    box = shipped.source.boxes[0].model_copy(update={"snapshot": path, "catalog": path})
    changes = {"source": shipped.source.model_copy(update={"boxes": (box,)}), "out": tmp_path / "abacus"}
    sets = shipped.model_copy(update=changes | {"log10_mass_edges": (11.7, 12.5, 15.5)})
    (record,) = count_sets.produce(sets)
    toy = tmp_path / "toy"
    toy.mkdir()
    write_toy_counts(toy, cell_size=2.0, box_size=24.0, target_channels=sets.channels)
    train = count_train(data=CountShards(kind="counts", folder=toy, patch=6, margin=2))
    boxes = {"name": "Abacus", "data": CountShards(kind="counts", folder=sets.out)}
    asked = {"checkpoint": write_checkpoint(tmp_path / "model", train), "data": CountShards(kind="counts", folder=toy)}
    result = evaluate(
        EvaluateCounts.model_validate(
            {"kind": "counts", "others": (boxes,), "out": tmp_path / "out", "n_bins": 4, "n_draws": 1} | asked
        )
    )
    assert result["data"]["Abacus"]["simulations"] == ["abacus_n64"]
    found = row(result, "Abacus", ALL, LOCAL_BIAS)
    # Halos of a power law are where the matter is, in a real box too.
    assert found["correlation"]["value"] > row(result, "Abacus", ALL, MEAN_RATE)["correlation"]["value"] + 0.1
    assert found["chance"]["shot_noise"] == pytest.approx((1.6 / record.n_halos) ** 0.5, rel=0.5)


def test_boxes_that_do_not_fit_are_refused_by_name(config: EvaluateCounts, tmp_path: Path) -> None:
    def judging(**changes: Any) -> EvaluateCounts:
        folder = write_toy_counts(tmp_path / "unlike", **changes)
        return config.model_copy(update={"data": CountShards(kind="counts", folder=folder)})

    (tmp_path / "unlike").mkdir()
    with pytest.raises(ValueError, match=r"held out: .*unlike: cell_size: expected 4 Mpc/h within 1%, got 3"):
        evaluate(judging(cell_size=3.0, box_size=36.0))
    with pytest.raises(ValueError, match=r"held out: .*unlike: expected target_channels .*, got \('a', 'b'\)"):
        evaluate(judging(target_channels=("a", "b")))
    with pytest.raises(ValueError, match=r"k_min, k_max: expected bins of held out at 0\.1.* in it, got 0 to 0\.05"):
        evaluate(config.model_copy(update={"k_max": 0.05}))
    with pytest.raises(ValueError, match=r"k_min, k_max: expected bins of held out .* got 0\.9 to 1"):
        evaluate(config.model_copy(update={"k_min": 0.9}))


def test_what_is_missing_is_said_before_anything_is_counted(
    config: EvaluateCounts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = {"name": "nowhere", "data": CountShards(kind="counts", folder=tmp_path / "nowhere")}
    with pytest.raises(FileNotFoundError, match="nowhere"):
        evaluate(EvaluateCounts.model_validate(dict(config) | {"others": (*config.others, missing)}))
    assert capsys.readouterr().out == ""


def test_the_folder_of_a_checkpoint_is_judged_on_its_whole_boxes(config: EvaluateCounts) -> None:
    kinds = {"painter": Evaluate, "counts": EvaluateCounts}
    found = load_one_of(kinds, "kind", config.checkpoint, ["n_bins=4"], of_folder=of_checkpoint)
    assert isinstance(found, EvaluateCounts)
    assert (found.checkpoint, found.n_bins) == (config.checkpoint, 4)
    assert isinstance(found.data, CountShards)
    assert (found.data.folder, found.data.patch) == (config.data.folder, None)
