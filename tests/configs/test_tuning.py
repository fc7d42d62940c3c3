"""A sweep is refused in one line, before anything starts, for a value that no training could have."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs import ConfigError, load
from configs.tuning import Asha, Pbt, Tune, Whole

SWEEP = """
train:
  data: pairs
  optimizer: {lr: {loguniform: [1.0e-4, 1.0e-2]}}
  net: {width: {choice: [8, 16]}}
  method: {kind: regression, context: {choice: [[], [0.5, 2.0]]}}
  n_steps: 10
  batch_size: 4
out: sweep
n_trials: 4
"""


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP)
    return path


def test_values_make_a_training_in_a_folder_of_its_own(sweep_file: Path) -> None:
    sweep = load(Tune, sweep_file)
    values = {"optimizer.lr": 3e-3, "net.width": 16, "method.context": [0.5, 2.0]}
    config = sweep.at(values, "abc")
    assert (config.optimizer.lr, config.net.width, config.method.context) == (3e-3, 16, (0.5, 2.0))
    assert config.out == sweep.out / "trials" / "abc"
    assert config.data.where.is_absolute()


def test_asha_and_optuna_are_the_defaults_and_a_scheduler_may_be_a_name(sweep_file: Path) -> None:
    sweep = load(Tune, sweep_file)
    assert (sweep.scheduler, sweep.search, sweep.metric, sweep.mode) == (Asha(), "optuna", "val/loss", "min")
    assert load(Tune, sweep_file, ["scheduler=none"]).scheduler == Whole()
    assert load(Tune, sweep_file, ["scheduler=pbt", "search=random"]).scheduler == Pbt()
    assert load(Tune, sweep_file, ["scheduler={kind: asha, grace: 3}"]).scheduler == Asha(grace=3)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["train.optimizer.lr={loguniform: [1.0e-4, 3]}"], r"optimizer\.lr: expected less than or equal to 1, got 3"),
        (["train.optimizer.lr={loguniform: [0, 1]}"], r"low > 0"),
        (["train.net.width={choice: [8, 2]}"], r"net\.width: expected greater than or equal to 4, got 2"),
        (["train.net.widht={choice: [8]}"], r"net\.widht: expected one of"),
        (["train.out=here"], r"out: expected no value"),
        (["train.storage=s3://bucket"], r"storage: expected no value"),
        (["train.n_steps={choice: [5, 10]}"], r"one value of n_steps for all trials"),
        (["train={data: pairs, n_steps: 3, batch_size: 1}"], r"at least one value is drawn"),
        (["scheduler=pbt"], r"search: random with scheduler=pbt"),
        (["scheduler=pbt", "search=random", "train.n_workers=2"], r"train\.n_workers: 1 with scheduler=pbt, got 2"),
        (["scheduler=pbt", "search=random", "train.optimizer.lr=1.0e-3"], r"train: one of optimizer\.lr, "),
        (["scheduler=asah"], r"scheduler: expected 'asha', 'pbt' or 'none'"),
        (["n_trials=0"], r"n_trials: expected greater than or equal to 1"),
    ],
)
def test_what_cannot_run_is_refused_in_one_line(sweep_file: Path, overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load(Tune, sweep_file, overrides)
    assert "\n" not in str(caught.value)


def test_the_sweep_that_is_shipped_is_one(repository: Path) -> None:
    sweep = load(Tune, repository / "configs" / "tune" / "painter.yaml")
    assert sweep.first.n_steps % sweep.first.validate_every == 0
