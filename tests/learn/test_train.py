from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from configs import Optimizer, Train
from learn.sources import ShardSource
from learn import checkpoint
from learn.checkpoint import META, RESUME, WEIGHTS
from learn.data import Batch, InOrder
from learn.methods import Method, Regression
from learn.normalize import Normalizer
from learn.track import METRICS, Tracker, tracked
from learn.train import Local, Progress, Run, adamw, ema_decay, fit, is_complete, learning_rate, seeded
from sim.shards import PARAM_NAMES


def changed(config: Train, **fields: object) -> Train:
    return config.model_copy(update=fields)


def weights(folder: Path) -> bytes:
    return (folder / WEIGHTS).read_bytes()


class Worker(Local):
    """One of several ranks in threads of this process, gradients averaged as data-parallel training does."""

    def __init__(self, rank: int, size: int, shared: dict[str, list[Tensor]], gate: threading.Barrier) -> None:
        super().__init__()
        self.rank, self.size, self.shared, self.gate = rank, size, shared, gate
        self.n_calls = 0

    def average(self, value: Tensor) -> Tensor:
        key = f"{self.n_calls}"
        self.n_calls += 1
        self.shared.setdefault(key, [torch.empty(0)] * self.size)[self.rank] = value.clone()
        self.gate.wait(20)
        return torch.stack(self.shared[key]).mean(0)

    def model(self, module: nn.Module) -> nn.Module:
        for parameter in module.parameters():
            parameter.register_hook(self.average)
        return module

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        mean = self.average(torch.tensor(list(values.values()), dtype=torch.float64))
        return dict(zip(values, mean.tolist(), strict=True))


def fit_on_two_workers(config: Train, monkeypatch: pytest.MonkeyPatch) -> list[Progress]:
    """What rank 0 of two yields."""
    lock = threading.Lock()  # threads share torch's random state; real workers are processes

    def one_at_a_time(method: Method, seed: int) -> nn.Module:
        with lock:
            return seeded(method, seed)

    monkeypatch.setattr("learn.train.seeded", one_at_a_time)
    shared: dict[str, list[Tensor]] = {}
    gate, seen = threading.Barrier(2), {}

    def work(rank: int) -> None:
        seen[rank] = list(fit(config, Worker(rank, 2, shared, gate)))

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return seen[0]


def test_every_step_is_yielded_with_its_metrics_and_checkpoints_where_asked(toy_train: Train) -> None:
    seen = list(fit(toy_train))
    assert [p.step for p in seen] == [1, 2, 3, 4, 5, 6]
    assert [p.step for p in seen if p.checkpoint] == [2, 4, 6]
    assert all({"train/loss", "train/grad_norm", "train/lr"} <= set(p.metrics) for p in seen)
    assert all(("val/loss" in p.metrics) == bool(p.checkpoint) for p in seen)
    assert checkpoint.latest(toy_train.out) == seen[-1].checkpoint
    assert checkpoint.latest_step(toy_train.out) == 6


def test_a_painter_overfits_one_batch(toy_train: Train, toy_pairs: Path) -> None:
    batch = ShardSource(PairShards(folder=toy_pairs), "train").read(range(2))
    method = Regression(
        toy_train, Normalizer.fit(InOrder(ShardSource(PairShards(folder=toy_pairs), "train"), 4)), PARAM_NAMES
    )
    torch.manual_seed(0)
    net = method.build()
    optimizer = adamw(net, Optimizer(lr=1e-2))
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss, _ = method.loss(net, batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("step", [2, 4])
def test_a_run_resumed_is_the_run_that_never_stopped_bit_for_bit(toy_train: Train, tmp_path: Path, step: int) -> None:
    whole = list(fit(toy_train))
    stopped = changed(toy_train, out=tmp_path / "stopped")
    for progress in fit(stopped):
        if progress.step == step + 1:  # killed after the checkpoint
            break
    torch.randn(3), np.random.default_rng().normal()
    resumed = list(fit(stopped, resume=checkpoint.latest(stopped.out)))
    assert [p.metrics for p in resumed] == [p.metrics for p in whole[step:]]
    for a, b in ((p.checkpoint, q.checkpoint) for p, q in zip(whole[step:], resumed, strict=True) if p.checkpoint):
        assert weights(a) == weights(b)
        assert_same_state(checkpoint.load_resume(a), checkpoint.load_resume(b))
    assert weights(toy_train.out / "final") == weights(stopped.out / "final")


def assert_same_state(a: dict, b: dict) -> None:
    assert a["step"] == b["step"]
    moments, others = a["optimizer"]["state"], b["optimizer"]["state"]
    assert moments.keys() == others.keys()
    assert all(torch.equal(moments[i][key], others[i][key]) for i in moments for key in moments[i])


def test_two_workers_train_the_model_of_one(toy_train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = list(fit(toy_train))
    two = fit_on_two_workers(changed(toy_train, out=tmp_path / "two"), monkeypatch)
    for p, q in zip(one, two, strict=True):
        assert p.metrics.keys() == q.metrics.keys()
        np.testing.assert_allclose(list(q.metrics.values()), list(p.metrics.values()), rtol=2e-4)
    np.testing.assert_allclose(two[0].metrics["train/loss"], one[0].metrics["train/loss"], rtol=1e-6)


def test_the_seed_decides_the_run(toy_train: Train, tmp_path: Path) -> None:
    same, other = changed(toy_train, out=tmp_path / "a"), changed(toy_train, out=tmp_path / "b", seed=4)
    runs = []
    for config in (toy_train, same, other):
        runs.append([p.metrics for p in fit(config)])
        torch.randn(3)  # what others draw does not matter
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_final_is_the_checkpoint_of_the_smallest_validation_loss_without_its_optimiser(toy_train: Train) -> None:
    hot = changed(toy_train, optimizer=Optimizer(lr=0.3, n_warmup=0, ema=0.0))
    losses = {p.checkpoint: p.metrics["val/loss"] for p in fit(hot) if p.checkpoint}
    best = min(losses, key=lambda folder: losses[folder])
    assert weights(hot.out / "final") == weights(best)
    assert sorted(path.name for path in (hot.out / "final").iterdir()) == sorted([WEIGHTS, META])
    assert (best / RESUME).is_file()


def test_a_finished_run_is_known_and_not_run_again(toy_train: Train) -> None:
    assert not is_complete(toy_train)
    list(fit(toy_train))
    assert is_complete(toy_train)
    last = checkpoint.latest(toy_train.out)
    (again,) = fit(toy_train, resume=last)
    assert (again.step, again.checkpoint) == (6, last)
    assert again.metrics["val/loss"] > 0


@pytest.mark.parametrize(("key", "value"), [("n_steps", 12), ("seed", 9), ("batch_size", 2), ("log_pk_weight", 0.0)])
def test_another_run_is_not_resumed(toy_train: Train, key: str, value: float) -> None:
    list(fit(toy_train))
    other = changed(toy_train, **{key: value})
    with pytest.raises(ValueError, match=f"expected a checkpoint of the same run with {key}="):
        list(fit(other, resume=checkpoint.latest(toy_train.out)))
    with pytest.raises(ValueError, match=key):
        is_complete(other)


def test_a_run_moved_to_other_workers_is_resumed_and_other_data_are_not(
    toy_train: Train, toy_pairs_with: Callable[..., Path]
) -> None:
    next(iter(fit(changed(toy_train, validate_every=1))))
    last = checkpoint.latest(toy_train.out)
    assert next(iter(fit(changed(toy_train, n_workers=2, validate_every=3), resume=last))).step == 2
    with pytest.raises(ValueError, match="trained on the manifest with sha256"):
        list(fit(changed(toy_train, data=toy_pairs_with(commit="other")), resume=last))


def test_a_loss_that_is_not_finite_stops_the_run_before_the_update(
    toy_train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(toy_train, Local(), None)
    run.advance()
    before = {name: x.clone() for name, x in run.net.state_dict().items()}
    honest = Regression.loss

    def poisoned(self: Regression, net: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss, parts = honest(self, net, batch)
        return loss * float("nan"), parts

    monkeypatch.setattr(Regression, "loss", poisoned)
    with pytest.raises(RuntimeError, match="at step 1, got loss nan"):
        run.advance()
    assert all(torch.equal(x, before[name]) for name, x in run.net.state_dict().items())
    kept = np.load(toy_train.out / "nonfinite_step_1.npz")
    expected = run.batches.at(1)
    np.testing.assert_array_equal(kept["inputs"], expected.inputs)
    assert set(kept) == {"inputs", "targets", "params"}


def test_data_that_cannot_be_trained_on_are_refused_at_once(
    toy_train: Train, toy_pairs_with: Callable[..., Path]
) -> None:
    deep = changed(toy_train, net=toy_train.net.model_copy(update={"n_levels": 6}))
    with pytest.raises(ValueError, match=r"n_pixels divisible by 32 \(net.n_levels\), got 16"):
        next(fit(deep))
    with pytest.raises(ValueError, match="unit: "):
        next(fit(changed(toy_train, data=toy_pairs_with(unit="g/cm^2"))))
    with pytest.raises(ValueError, match="maps in the validation split"):
        next(fit(changed(toy_train, data=toy_pairs_with(split={"train": ("box_0000",), "validation": (), "test": ()}))))
    with pytest.raises(FileNotFoundError, match=r"manifest\.json"):
        next(fit(changed(toy_train, data=toy_train.out)))


def test_the_learning_rate_warms_up_and_falls() -> None:
    config = Optimizer(lr=1.0, n_warmup=9)
    rates = [learning_rate(config, step, 100) for step in range(100)]
    np.testing.assert_allclose(rates[0], 0.1, rtol=1e-6)
    assert np.argmax(rates) in range(9, 12)
    assert all(a > b for a, b in pairwise(rates[12:]))
    assert rates[-1] < 0.03


def test_the_average_forgets_the_first_weights() -> None:
    kept = np.prod([ema_decay(0.99, step) for step in range(1, 101)])
    assert kept < 1e-4
    assert ema_decay(0.99, 10_000) == 0.99


def test_numbers_of_a_run_are_kept_and_a_resumed_run_does_not_repeat_them(toy_train: Train) -> None:
    for progress in tracked(fit(toy_train), toy_train):
        if progress.step == 3:
            break
    resumed = fit(toy_train, resume=checkpoint.latest(toy_train.out))
    list(tracked(resumed, toy_train, start_step=2))
    lines = [json.loads(line) for line in (toy_train.out / METRICS).read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert all(line["train/maps_per_s"] > 0 for line in lines)
    assert len(list((toy_train.out / "tensorboard").glob("events.out.tfevents.*"))) == 2


def test_weights_and_biases_writes_an_offline_run(toy_train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    with Tracker(toy_train.out, toy_train) as tracker:
        tracker.log(1, {"train/loss": 1.0})
    (run,) = (toy_train.out / "wandb").glob("offline-run-*")
    assert next(run.glob("run-*.wandb")).stat().st_size > 0
