"""A sweep ends, goes on where it was, names what failed, and leaves nothing running."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed")

import ray
from toy_pairs import write_toy_pairs

from configs import Train, load
from configs.space import Distribution
from configs.tuning import Tune
from learn import checkpoint
from learn.sweep import Trial
from learn.train import fit
from ray_jobs import sweep_record, sweep_search, sweep_trial
from ray_jobs.sweep_figure import importance
from ray_jobs.sweep_progress import Announce
from ray_jobs.sweep_room import room_for, workers_on
from ray_jobs.tasks import FAILED
from ray_jobs.tune import tune

KEPT_S = 60.0


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_pairs(tmp_path_factory.mktemp("toy_pairs"))


def sweep(pairs: Path, out: Path, train: dict[str, Any], **changes: Any) -> Tune:
    """Trials of a tiny painter, each with three validations."""
    tiny = {
        "data": str(pairs),
        "net": {"width": 4, "n_levels": 2, "n_embedding": 8},
        "n_steps": 6,
        "batch_size": 4,
        "validate_every": 2,
    }
    content = {"train": tiny | train, "out": str(out), "n_trials": 4, "scheduler": "none", "search": "random"} | changes
    return Tune.model_validate_json(json.dumps(content))


RATES = {"optimizer": {"lr": {"loguniform": [1e-4, 1e-2]}, "n_warmup": 1, "ema": 0.9}}


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def actors_of_ours() -> list[str]:
    """Names of this session's Ray processes that belong to trials."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if entry.name.isdigit() and os.getsid(int(entry.name)) == os.getsid(0):
                name = (entry / "cmdline").read_bytes().split(b"\0")[0].decode()
                if name.startswith(("ray::RayTrainWorker", "ray::TrainController", "ray::ImplicitFunc", "ray::trial")):
                    found.append(name)
    return found


def wait_until_nothing_is_left() -> None:
    deadline = time.monotonic() + KEPT_S
    while (actors_of_ours() or free_cpus() < 4) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert actors_of_ours() == []
    assert free_cpus() == 4


def free_cpus() -> float:
    return float(ray.available_resources().get("CPU", 0.0))


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("ray_local")
class TestOnACluster:
    def test_failures_are_named_the_rest_is_kept_and_the_best_runs_unchanged(
        self, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        levels = {"net": {"width": 4, "n_levels": {"choice": [1, 6]}, "n_embedding": 8}}
        asked = sweep(pairs, tmp_path / "sweep", RATES | levels, n_retries=0, n_trials=3)
        with pytest.raises(SystemExit) as ended:
            tune(asked)
        assert ended.value.code == FAILED
        printed = capsys.readouterr()
        found = rows(asked.out)
        failed = [row["trial"] for row in found if row["net.n_levels"] == "6"]
        assert failed
        assert len(failed) < 3
        for name in failed:
            assert f"tune: trial {name} failed: " in printed.err
        assert "n_pixels divisible by 32" in printed.err
        assert "3/3 trials" in printed.out
        assert {row["status"] for row in found if row["net.n_levels"] == "1"} == {"finished"}
        best = load(Train, asked.out / "best.yaml")
        again = [p.metrics["val/loss"] for p in fit(best) if p.checkpoint]
        assert min(again) == pytest.approx(float(found[0]["val/loss"]), rel=1e-6)
        assert (asked.out / "sweep.png").stat().st_size > 10_000
        wait_until_nothing_is_left()

    def test_optuna_and_asha_stop_the_hopeless_and_the_same_command_finds_it_done(
        self, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        optuna = {"search": "optuna", "scheduler": {"kind": "asha", "reduction": 2}}
        asked = sweep(pairs, tmp_path / "sweep", RATES, n_trials=3, **optuna)
        tune(asked)
        found = rows(asked.out)
        assert {row["status"] for row in found} <= {"finished", "stopped"}
        assert "finished" in {row["status"] for row in found}
        for row in found:
            folder = asked.out / "trials" / row["trial"]
            assert list((folder / "tensorboard").glob("events.out.tfevents.*"))
            assert checkpoint.latest_step(folder) >= int(row["steps"])
        tune(asked)
        assert "is there already, nothing to do" in capsys.readouterr().out
        with pytest.raises(ValueError, match=r"expected the sweep that began there, with train\.seed=None, got 5"):
            tune(sweep(pairs, asked.out, RATES | {"seed": 5}, search="optuna", scheduler="asha"))

    def test_a_population_takes_over_weights_and_loses_no_trial(self, pairs: Path, tmp_path: Path) -> None:
        pbt = {"kind": "pbt", "interval": 1, "quantile": 0.5}
        asked = sweep(pairs, tmp_path / "sweep", RATES, scheduler=pbt, n_trials=2)
        tune(asked)
        assert [row["status"] for row in rows(asked.out)] == ["finished"] * 2
        heirs = [folder for folder in (asked.out / "trials").iterdir() if "-" in folder.name]
        assert heirs
        for heir in heirs:
            first = checkpoint.load_meta(checkpoint.steps(heir)[0])
            assert first.config.out == heir
            assert first.step < 6
            low, high = asked.space.distributions["optimizer.lr"].values
            assert low <= first.config.optimizer.lr <= high

    def test_nested_workers_train_are_judged_and_leave_when_their_trial_is_stopped(
        self, pairs: Path, tmp_path: Path
    ) -> None:
        rates = {"optimizer": {"lr": {"choice": [1e-5, 1e-2]}, "n_warmup": 1, "ema": 0.9}}
        asha = {"kind": "asha", "reduction": 2}
        # Of seed 2 the first draw is the good rate, the second the bad one.
        limits = {"n_trials": 2, "max_concurrent": 1, "seed": 2, "scheduler": asha}
        asked = sweep(pairs, tmp_path / "sweep", rates | {"n_workers": 2, "n_steps": 12}, **limits)
        tune(asked)
        found = rows(asked.out)
        assert [(row["optimizer.lr"], row["status"]) for row in found] == [("0.01", "finished"), ("1e-05", "stopped")]
        assert int(found[1]["steps"]) < 12
        assert checkpoint.load_meta(asked.out / "trials" / found[0]["trial"] / "final").config.n_workers == 2
        wait_until_nothing_is_left()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_sweep_that_was_killed_goes_on_where_it_was(pairs: Path, tmp_path: Path, repository: Path) -> None:
    asked = sweep(pairs, tmp_path / "sweep", RATES, max_concurrent=1, n_trials=2)
    path = tmp_path / "sweep.yaml"
    path.write_text(asked.model_dump_json())
    command = [sys.executable, "-m", "ray_jobs.tune", str(path)]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    run = {"cwd": repository, "env": environment | {"PYTHONPATH": str(repository)}}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, **run) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "1/2 trials" in line:
                break
        os.killpg(process.pid, signal.SIGKILL)
    (done,) = (asked.out / "trials").glob("*/final")
    trained = {path: path.stat().st_mtime_ns for path in done.parent.glob("checkpoints/*/*")}
    assert len(trained) == 9
    again = subprocess.run(command, capture_output=True, text=True, timeout=250, check=True, **run).stdout
    assert "goes on with the sweep that is there" in again
    assert "2/2 trials" in again
    assert {path: path.stat().st_mtime_ns for path in trained} == trained  # whether Tune knew that it had ended or not
    assert [row["status"] for row in rows(asked.out)] == ["finished"] * 2


def test_choices_of_any_kind_travel_and_come_back(pairs: Path, tmp_path: Path) -> None:
    contexts = {"method": {"kind": "regression", "context": {"choice": [[], [0.5, 2.0]]}}}
    asked = sweep(pairs, tmp_path, RATES | contexts | {"seed": {"randint": [3, 4]}})
    domains = sweep_search.domains(asked)
    assert domains["method.context"].categories == ["[]", "[0.5, 2.0]"]
    assert {domains["seed"].sample() for _ in range(100)} == {3, 4}
    drawn = sweep_search.drawn(asked, {"method.context": "[0.5, 2.0]", "optimizer.lr": 1e-3, "seed": 4})
    assert asked.at(drawn).method.context == (0.5, 2.0)


def test_perturbed_values_stay_inside() -> None:
    clipped = sweep_search.inside({"a": Distribution("uniform", (0.5, 0.99)), "b": Distribution("choice", (1, 2))})
    assert clipped({"a": 0.99 * 1.2, "b": "1"}) == {"a": 0.99, "b": "1"}
    assert clipped({"a": 0.5 * 0.8, "b": "2"}) == {"a": 0.5, "b": "2"}


def test_only_what_the_next_step_reads_is_perturbed(pairs: Path, tmp_path: Path) -> None:
    net = {"net": {"width": {"choice": [4, 8]}, "n_levels": 2}}
    asked = sweep(pairs, tmp_path, RATES | net, scheduler="pbt")
    assert list(sweep_search.mutations(asked)) == ["optimizer.lr"]


def test_a_trial_goes_on_in_its_folder_and_an_heir_in_one_of_its_own(pairs: Path, tmp_path: Path) -> None:
    asked = sweep(pairs, tmp_path / "sweep", RATES)
    donor, other = asked.at({"optimizer.lr": 1e-3}, "donor"), asked.at({"optimizer.lr": 2e-3}, "other")
    last = [p.checkpoint for p in fit(donor) if p.checkpoint][1]
    assert sweep_trial.after(last, donor) == donor
    heir = sweep_trial.after(last, other)
    assert heir.out.name.startswith("other-")
    assert checkpoint.latest_step(heir.out) == 4
    (taken,) = checkpoint.steps(heir.out)
    before = taken.stat().st_ino
    assert sweep_trial.after(last, other) == heir  # after a crash
    assert taken.stat().st_ino == before
    end = [p.checkpoint for p in fit(heir, resume=checkpoint.latest(heir.out)) if p.checkpoint][-1]
    assert end is not None
    assert sweep_trial.after(end, other) == heir
    same = sweep_trial.after(last, asked.at({"optimizer.lr": 1e-3}, "other"))
    assert same.out not in (heir.out, donor.out)  # the donor's values are no reason to write into its folder


def test_room_is_counted_in_whole_workers_on_each_node(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = sweep(pairs, tmp_path, RATES).first.model_copy(update={"n_cpus": 2, "n_workers": 2})
    nodes = [{"Alive": True, "Resources": {"CPU": 5.0}}, {"Alive": True, "Resources": {"CPU": 3.0, "GPU": 1.0}}]
    monkeypatch.setattr("ray_jobs.sweep_room.ray.nodes", lambda: [*nodes, {"Alive": False, "Resources": {"CPU": 64.0}}])
    assert room_for(config) == 1
    assert room_for(config.model_copy(update={"n_workers": 4})) == 0
    assert room_for(config.model_copy(update={"n_workers": (2, 4)})) == 1
    assert workers_on({"CPU": 8.0, "GPU": 3.0}, config.model_copy(update={"use_gpu": True})) == 3


def test_validations_are_told_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    announce, trial = Announce("val/loss", "min", 8), SimpleNamespace(trial_id="a", status="RUNNING")
    for now in (100.0, 101.0, 120.0):
        monkeypatch.setattr("ray_jobs.sweep_progress.time.monotonic", lambda now=now: now)
        announce.on_trial_result(trials=[trial], trial=trial, result={"val/loss": now, "training_iteration": 1})
        announce.on_trial_result(trials=[trial], trial=trial, result={"training_iteration": 1})
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["100", "120"]


def test_a_line_says_how_many_how_good_and_how_long() -> None:
    def ended(name: str, loss: float, status: str) -> SimpleNamespace:
        return SimpleNamespace(trial_id=name, status=status, metric_analysis={"val/loss": {"min": loss, "max": 9.0}})

    trials = [ended("a", 0.5, "TERMINATED"), ended("b", 0.25, "RUNNING"), ended("c", 0.75, "RUNNING")]
    announce = Announce("val/loss", "min", 8)
    announce.on_trial_start(trials=trials[1:])
    line = announce.line(trials, trials[2], "done")
    assert line.startswith("tune: 2/8 trials  c done  best val/loss 0.25 (b)  ")
    assert line.endswith(" s left")
    result = {"val/loss": 0.125, "training_iteration": 3}
    assert announce.interim(trials, trials[1], result) == "tune: 1/8 trials  b validation 3  val/loss 0.125"


@pytest.mark.parametrize(
    ("of_tune", "step", "ours"),
    [("TERMINATED", 6, "finished"), ("TERMINATED", 2, "stopped"), ("PAUSED", 2, "unfinished"), ("ERROR", 6, "failed")],
)
def test_what_became_of_a_trial_has_one_word(of_tune: str, step: int, ours: str) -> None:
    assert sweep_record.status(of_tune, step, 6) == ours


def test_what_mattered_is_found(pairs: Path, tmp_path: Path) -> None:
    asked = sweep(pairs, tmp_path, RATES | {"seed": {"randint": [0, 9]}})
    trials = [
        Trial(str(i), {"optimizer.lr": 10 ** (-4 + i / 10), "seed": (7 * i) % 10}, i / 20, 6, 1.0, "finished", "x")
        for i in range(20)
    ]
    found = importance(asked, trials)
    assert found["optimizer.lr"] > 0.7
    assert importance(asked, trials[:2]) == {}
