"""The benchmarks of diffusion at toy sizes: what is compared is what is said to be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import diffusion, objectives
from benchmarks.diffusion import Tried, Truth, at_equal_error, compared, held_out
from benchmarks.peers.our_diffusion import Model
from configs import DiT, Train, UNet
from learn.scores.geometry import Geometry
from learn.sources import open_source
from learn.train import Progress, fit


@pytest.fixture
def tiny(toy_boxes: Path, tmp_path: Path) -> Train:
    """A training of a few steps of maps of 16 x 16, without a condition."""
    told = {
        "data": {
            "kind": "fields",
            "folder": str(toy_boxes),
            "n_pixels": 16,
            "split": [0.6, 0.2, 0.2],
            "param_names": [],
        },
        "out": str(tmp_path / "out"),
        "method": {"kind": "diffusion", "dropout": 0.0},
        "net": {"width": 8, "n_levels": 2, "n_embedding": 8},
        "n_steps": 50,
        "batch_size": 4,
        "validate_every": 1000,
    }
    return Train.model_validate_json(json.dumps(told))


def test_our_side_trains_times_and_draws_as_its_commands_do(tiny: Train, tmp_path: Path) -> None:
    side = Model()
    assert side.build(tiny.model_dump_json())["n_weights"] > 100
    assert all(0 < seconds < 60 for seconds in side.steps(2)["seconds"])
    assert side.train(0.01)["n_steps"] == 2
    found = side.sample("heun", 3, 3, 1, str(tmp_path / "a.npy"))
    assert found["n_evaluations"] == 5
    maps = np.load(tmp_path / "a.npy")
    assert maps.shape == (3, 16, 16)
    assert maps.min() >= 0


def test_what_both_learn_is_the_same_logarithm_and_goes_back(tiny: Train) -> None:
    logs = diffusion.logarithms(tiny)
    source = open_source(tiny.data, "train")
    maps = source.read(range(len(source))).targets[:, 0]
    np.testing.assert_allclose(diffusion.density(logs, diffusion.fitted(tiny)), maps, rtol=1e-4)
    np.testing.assert_allclose([logs.mean(), logs.std()], [0, 1], atol=1e-4)


def test_held_out_maps_are_off_each_other_by_chance(tiny: Train) -> None:
    truth = held_out(tiny)
    source = open_source(tiny.data, "test")
    maps = source.read(range(len(source))).targets[:, 0].numpy()
    assert truth.error(maps) == pytest.approx(0, abs=1e-6)
    assert truth.error(np.sqrt(maps)) > 0.1
    flat = Truth(Geometry(16, 1.0), truth.shells, truth.scale, truth.power, np.array([0.5]), 100)
    assert flat.chance(100) == pytest.approx(np.sqrt(2 / np.pi * 0.02) * 0.5)


def test_equal_error_is_that_of_the_worse_side_and_the_fastest_of_each_counts() -> None:
    own = [Tried("dpmpp_2m", n, 0.1 * n, error) for n, error in ((5, 0.5), (10, 0.109), (25, 0.05))]
    peer = [Tried("ddim", 50, 5.0, 0.3), Tried("ddim", 100, 10.0, 0.108), Tried("ddpm", 1000, 100.0, 0.1)]
    a, b = at_equal_error(own, peer)
    assert (a.n_evaluations, b.n_evaluations) == (10, 100)
    better, _ = at_equal_error(own[:1], peer)
    assert better.n_evaluations == 5  # nobody is asked for less than the worse side can
    ancestral, best, least = compared(own, peer)
    assert ancestral["ratio"] == pytest.approx(100)
    assert best["ratio"] == pytest.approx(10)
    assert (least["ours"], least["peer"]) == (0.05, 0.1)


def test_runs_of_both_networks_take_the_same_processor_time(tiny: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    dit = tiny.model_copy(update={"net": DiT(kind="dit", width=16, n_blocks=1, n_heads=2)})
    trains = {"U-Net": tiny, "DiT": dit}
    monkeypatch.setattr(objectives, "cost", lambda train: 0.5 if isinstance(train.net, UNet) else 2.0)
    runs = objectives.planned(trains, 100.0, 2)
    assert {key[:2]: run.n_steps for key, run in runs.items()} == {
        (name, objective): 200 if name == "U-Net" else 50
        for name in ("U-Net", "DiT")
        for objective in ("eps", "v", "edm", "flow")
    }
    assert len({run.out for run in runs.values()}) == 16
    assert {run.method.objective for run in runs.values()} == {"eps", "v", "edm", "flow"}
    assert all(run.seed == seed for (_, _, seed), run in runs.items())
    assert {-(-run.n_steps // run.validate_every) for run in runs.values()} == {objectives.N_VALIDATIONS}


def test_a_step_is_measured_once_for_each_network_and_size_of_batches(
    tiny: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    trains, measured = {"U-Net": tiny}, []
    monkeypatch.setattr(objectives, "cost", lambda train: (measured.append(train), train.batch_size / 8)[1])
    runs = objectives.planned(trains, 100.0, 1)
    assert objectives.planned(trains, 100.0, 1) == runs
    assert measured == [tiny]
    larger = {"U-Net": tiny.model_copy(update={"batch_size": 8})}
    assert {run.n_steps for run in objectives.planned(larger, 100.0, 1).values()} == {100}


def test_a_step_costs_the_median_of_its_processor_seconds_once_warm(
    tiny: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, steps = [0.0], iter((100.0, 2.0, 1.0, 9.0, 3.0, 2.0))

    class Timed:
        def __init__(self, *_told: object) -> None: ...

        def advance(self) -> None:
            clock[0] += next(steps)

    monkeypatch.setattr(objectives, "Run", Timed)
    monkeypatch.setattr(objectives, "time", SimpleNamespace(process_time=lambda: clock[0]))
    assert objectives.cost(tiny) == 2.0


@pytest.mark.slow
def test_an_objective_is_trained_judged_and_kept(tiny: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny.model_copy(update={"n_steps": 4, "validate_every": 2})
    monkeypatch.setattr(objectives, "SAMPLING", objectives.SAMPLING.model_copy(update={"n_steps": 3}))
    assert any(progress.checkpoint for progress in fit(config))  # and stopped there
    made: list[int] = []

    def watched(*told: Any, **more: Any) -> Iterator[Progress]:
        for progress in fit(*told, **more):
            made.append(progress.step)
            yield progress

    monkeypatch.setattr(objectives, "fit", watched)
    found = objectives.judged(config, n_draws=1)
    assert made == [3, 4]
    assert found["n_steps"] == 4
    assert found["n_evaluations"] == 3
    assert len(found["k"]) == len(found["ratio"])
    monkeypatch.setattr(objectives, "measured", lambda *_: pytest.fail("judged again"))
    assert objectives.judged(config, n_draws=1) == found
    with pytest.raises(pytest.fail.Exception, match="judged again"):
        objectives.judged(config, n_draws=2)
    every = {(name, objective, 0): found for name in objectives.CONFIGS for objective in objectives.OBJECTIVES}
    assert len(objectives.figure(every).axes) == 2
    assert len(list(objectives.rows(every))) == 7 * 3
    assert all(made["ratio"] == 1 for made in objectives.rows(every))
    assert objectives.table(every, 1.0).row_count == 8
