"""A run that goes on from another's checkpoint with another learning rate has all else of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from configs import Train
from learn import checkpoint
from learn.inherit import inherited
from learn.train import fit


def changed(config: Train, out: Path, **optimizer: float) -> Train:
    return config.model_copy(update={"out": out, "optimizer": config.optimizer.model_copy(update=optimizer)})


def test_the_same_values_go_on_as_the_run_that_never_stopped_bit_for_bit(toy_train: Train, tmp_path: Path) -> None:
    whole = list(fit(toy_train))
    heir = changed(toy_train, tmp_path / "heir")
    first = inherited(toy_train.out / "checkpoints" / "step_000004", heir)
    resumed = list(fit(heir, resume=first))
    assert [p.metrics for p in resumed] == [p.metrics for p in whole[4:]]


def test_weights_averages_moments_and_step_are_the_donors_and_the_rate_is_its_own(
    toy_train: Train, tmp_path: Path
) -> None:
    list(fit(toy_train))
    donor = toy_train.out / "checkpoints" / "step_000002"
    heir = changed(toy_train, tmp_path / "heir", lr=toy_train.optimizer.lr * 10, ema=0.5)
    taken = inherited(donor, heir)
    ours, theirs = checkpoint.load_meta(taken), checkpoint.load_meta(donor)
    for kind in ("raw", "ema"):
        a, b = (checkpoint.load_weights(folder, meta, kind) for folder, meta in ((taken, ours), (donor, theirs)))
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert (taken / checkpoint.RESUME).read_bytes() == (donor / checkpoint.RESUME).read_bytes()
    assert (ours.step, ours.normalizer, ours.metrics) == (2, theirs.normalizer, theirs.metrics)
    steps = list(fit(heir, resume=taken))
    assert [p.step for p in steps] == [3, 4, 5, 6]
    unchanged = list(fit(toy_train, resume=donor))
    assert steps[0].metrics["train/lr"] == pytest.approx(10 * unchanged[0].metrics["train/lr"])


def test_what_cannot_change_in_the_middle_is_refused(toy_train: Train, tmp_path: Path) -> None:
    list(fit(toy_train))
    donor = toy_train.out / "checkpoints" / "step_000002"
    for heir in (
        changed(toy_train, tmp_path / "heir", weight_decay=0.5),
        changed(toy_train, tmp_path / "heir").model_copy(update={"seed": 99}),
    ):
        with pytest.raises(ValueError, match="expected a checkpoint of the same run with"):
            inherited(donor, heir)
    assert not (tmp_path / "heir").exists()
