from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from runs import assert_same_state, fit_on_two_workers, weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from configs import Optimizer, PairShards, Train
from learn import checkpoint
from learn.checkpoint import META, RESUME, WEIGHTS
from learn.data import Batch, InOrder
from learn.methods import METHODS, Nets, Regression
from learn.methods.painting import NET
from learn.normalize import Normalizer
from learn.prepare import Autocast, Local
from learn.schedule import ema_decay, learning_rate
from learn.sources.shards import ShardSource
from learn.track import METRICS, Tracker, tracked
from learn.train import Run, adamw, fit, is_complete

PAINTERS = ("regression", "stochastic")


def changed(config: Train, **fields: object) -> Train:
    return config.model_copy(update=fields)


def test_every_step_is_yielded_with_its_metrics_and_checkpoints_where_asked(toy_train: Train) -> None:
    seen = list(fit(toy_train))
    assert [p.step for p in seen] == [1, 2, 3, 4, 5, 6]
    assert [p.step for p in seen if p.checkpoint] == [2, 4, 6]
    assert all({"train/loss", "train/grad_norm", "train/lr"} <= set(p.metrics) for p in seen)
    assert all(("val/loss" in p.metrics) == bool(p.checkpoint) for p in seen)
    assert checkpoint.latest(toy_train.out) == seen[-1].checkpoint
    assert checkpoint.latest_step(toy_train.out) == 6


@pytest.mark.parametrize("kind", PAINTERS)
def test_a_painter_overfits_one_batch(toy_train: Train, toy_pairs: Path, kind: str) -> None:
    source = ShardSource(PairShards(folder=toy_pairs), "train")
    batch = source.read(range(2))
    config = Train.model_validate(toy_train.model_dump() | {"method": kind})
    method = METHODS[kind](config, Normalizer.fit(InOrder(source, 4)), source.about)
    torch.manual_seed(0)
    nets = method.build()
    phase = method.phases(0)[0]
    optimizer = adamw(nets[phase], Optimizer(lr=1e-2))
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss, _ = method.loss(phase, nets, batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.25 * losses[0]


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


@pytest.mark.parametrize(("key", "value"), [("n_steps", 12), ("seed", 9), ("batch_size", 2), ("n_accumulate", 2)])
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
    with pytest.raises(ValueError, match="trained on data with sha256"):
        list(fit(changed(toy_train, data=PairShards(folder=toy_pairs_with(commit="other"))), resume=last))


def test_a_loss_that_is_not_finite_stops_the_run_before_the_update(
    toy_train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(toy_train, Local(), None)
    run.advance()
    before = {name: x.clone() for name, x in run.nets[NET].state_dict().items()}
    honest = Regression.loss

    def poisoned(self: Regression, phase: str, nets: Nets, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss, parts = honest(self, phase, nets, batch)
        return loss * float("nan"), parts

    monkeypatch.setattr(Regression, "loss", poisoned)
    with pytest.raises(RuntimeError, match="of painter at step 1, got loss nan"):
        run.advance()
    assert all(torch.equal(x, before[name]) for name, x in run.nets[NET].state_dict().items())
    kept = np.load(toy_train.out / "nonfinite_step_1.npz")
    expected = run.batches.at(1)
    np.testing.assert_array_equal(kept["inputs"], expected.inputs)
    assert set(kept) == {"inputs", "targets", "params", "seeds"}


def test_data_that_cannot_be_trained_on_are_refused_at_once(
    toy_train: Train, toy_pairs_with: Callable[..., Path]
) -> None:
    deep = changed(toy_train, net=toy_train.net.model_copy(update={"n_levels": 6}))
    with pytest.raises(ValueError, match=r"n_pixels divisible by 32 \(net.n_levels, net.patch\), got 16"):
        next(fit(deep))
    with pytest.raises(ValueError, match="unit: "):
        next(fit(changed(toy_train, data=PairShards(folder=toy_pairs_with(unit="g/cm^2")))))
    empty = toy_pairs_with(split={"train": ("box_0000",), "validation": (), "test": ()})
    with pytest.raises(ValueError, match="maps in the validation split"):
        next(fit(changed(toy_train, data=PairShards(folder=empty))))
    with pytest.raises(FileNotFoundError, match=r"manifest\.json"):
        next(fit(changed(toy_train, data=PairShards(folder=toy_train.out))))


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


def test_a_run_keeps_a_picture_of_every_validation_and_the_model(
    toy_train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    list(tracked(fit(toy_train), toy_train))
    (run,) = (toy_train.out / "wandb").glob("offline-run-*")
    pictures = sorted((run / "files" / "media" / "images").glob("specimen_*.png"))
    assert len(pictures) == 3
    assert imread(pictures[0]).std() > 0.1
    events = EventAccumulator(str(toy_train.out / "tensorboard"))
    events.Reload()
    assert [image.step for image in events.Images("specimen")] == [2, 4, 6]
    written = next(run.glob("run-*.wandb")).read_bytes()
    assert b"weights.safetensors" in written
    assert b"maps_per_s" in written


def test_weights_and_biases_writes_an_offline_run(toy_train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    with Tracker(toy_train.out, toy_train) as tracker:
        tracker.log(1, {"train/loss": 1.0})
    (run,) = (toy_train.out / "wandb").glob("offline-run-*")
    assert next(run.glob("run-*.wandb")).stat().st_size > 0


@pytest.mark.parametrize("size", [2, 3])
def test_workers_with_unequal_shares_have_the_gradient_of_one(toy_train: Train, size: int) -> None:
    config = changed(toy_train, batch_size=5)
    whole = Run(config, Local(), None)
    expected = gradient(whole)
    summed = torch.zeros_like(expected)
    for rank in range(size):
        worker = Local()
        worker.rank, worker.size = rank, size
        summed += gradient(Run(config, worker, None)) / size
    np.testing.assert_allclose(summed, expected, rtol=1e-4, atol=1e-6)


def gradient(run: Run) -> Tensor:
    """What the share of one worker adds to the update, before averaging."""
    run._accumulate(NET, run.batches.at(0))
    return torch.cat([p.grad.flatten() for p in run.nets[NET].parameters()])


@pytest.mark.parametrize("n", [2, 3, 4, 9])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(toy_train: Train, n: int) -> None:
    whole, parts = (gradient(Run(changed(toy_train, n_accumulate=k), Local(), None)) for k in (1, n))
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-6)
    assert whole.abs().max() > 0


class TwoPlayers:
    """A method of two networks: the second is updated every other step, after the first, and sees its update."""

    is_stochastic = False
    seen: ClassVar[list[tuple[str, float]]] = []

    def __init__(self, *_: object) -> None: ...

    def build(self) -> dict[str, nn.Module]:
        return {"first": nn.Linear(1, 1), "second": nn.Linear(1, 1)}

    def phases(self, step: int) -> tuple[str, ...]:
        return ("first", "second") if step % 2 else ("first",)

    def loss(self, phase: str, nets: Nets, _batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        self.seen.append((phase, float(nets["first"].weight.detach())))
        loss = sum((net.weight - 1).square().sum() + net.bias.square().sum() for net in nets.values())
        return loss, {}

    def validate(self, nets: Nets, batch: Batch) -> dict[str, Tensor]:
        return {"loss": self.loss("", nets, batch)[0]}


def test_each_phase_updates_its_own_network_and_sees_the_updates_before_it(
    toy_train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "regression", TwoPlayers)
    TwoPlayers.seen.clear()
    run = Run(changed(toy_train, optimizer=Optimizer(lr=0.1, n_warmup=0)), Local(), None)
    before = [float(net.weight.detach()) for net in run.nets.values()]
    metrics = run.advance()
    after = [float(net.weight.detach()) for net in run.nets.values()]
    assert after[0] != before[0]
    assert after[1] == before[1]
    assert {"train/first/loss", "train/first/grad_norm"} <= set(metrics)
    run.advance()
    assert [phase for phase, _ in TwoPlayers.seen] == ["first", "first", "second"]
    assert TwoPlayers.seen[2][1] == float(run.nets["first"].weight.detach())
    assert float(run.nets["second"].weight.detach()) != after[1]


def test_a_run_of_two_networks_is_resumed_bit_for_bit(
    toy_train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "regression", TwoPlayers)
    whole = list(fit(toy_train))
    stopped = changed(toy_train, out=tmp_path / "stopped")
    next(p for p in fit(stopped) if p.step == 3)
    list(fit(stopped, resume=checkpoint.latest(stopped.out)))
    last = checkpoint.latest(stopped.out)
    assert weights(whole[-1].checkpoint) == weights(last)
    assert_same_state(checkpoint.load_resume(whole[-1].checkpoint), checkpoint.load_resume(last))


def test_a_network_in_short_precision_answers_float32_and_learns_float32_weights(toy_train: Train) -> None:
    short = changed(toy_train, precision="bfloat16")
    run, exact = Run(short, Local(), None), Run(toy_train, Local(), None)
    assert isinstance(run.parallel[NET], Autocast)
    assert not isinstance(exact.parallel[NET], Autocast)  # auto, on a CPU
    x, params = torch.rand(1, 1, 16, 16), torch.rand(1, len(run.meta.param_names))
    for net in (run.nets[NET], exact.nets[NET]):
        torch.nn.init.normal_(net.head.conv.weight, generator=torch.Generator().manual_seed(0))
    answers = [one.parallel[NET](x, params).detach() for one in (run, exact)]
    assert answers[0].dtype == torch.float32
    assert 1e-4 < float((answers[0] - answers[1]).abs().max() / answers[1].abs().max()) < 0.05
    run.advance()
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in run.nets[NET].parameters())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_compiled_run_is_the_run_to_rounding(toy_train: Train, tmp_path: Path) -> None:
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        pytest.skip("torch.compile needs a C++ compiler on a CPU")
    small = changed(toy_train, net=toy_train.net.model_copy(update={"n_levels": 1}), n_steps=2)
    plain = list(fit(small))
    compiled = list(fit(changed(small, compile=True, out=tmp_path / "compiled")))
    losses = ([p.metrics["train/loss"] for p in run] for run in (compiled, plain))
    np.testing.assert_allclose(*losses, rtol=1e-3)


def test_fine_tuning_starts_from_the_model_and_its_normaliser(
    toy_train: Train, tmp_path: Path, toy_pairs_with: Callable[..., Path]
) -> None:
    list(fit(toy_train))
    parent = toy_train.out / "final"
    other = PairShards(folder=toy_pairs_with(commit="other"))
    tuned = changed(toy_train, start_from=parent, data=other, out=tmp_path / "tuned", optimizer=Optimizer(lr=1e-4))
    run = Run(tuned, Local(), None)
    meta = checkpoint.load_meta(parent)
    assert run.meta.normalizer == meta.normalizer
    expected = checkpoint.load_weights(parent, meta)
    for nets in (run.nets, run.ema):
        assert all(torch.equal(x, expected[f"{NET}.{name}"]) for name, x in nets[NET].state_dict().items())
    whole = list(fit(tuned))
    again = changed(tuned, out=tmp_path / "again")
    next(p for p in fit(again) if p.step == 3)
    resumed = list(fit(again, resume=checkpoint.latest(again.out)))
    assert [p.metrics for p in resumed] == [p.metrics for p in whole[2:]]


def test_fine_tuning_of_another_network_is_refused(toy_train: Train, tmp_path: Path) -> None:
    list(fit(toy_train))
    wider = toy_train.net.model_copy(update={"width": 8})
    tuned = changed(toy_train, start_from=toy_train.out / "final", out=tmp_path / "tuned", net=wider)
    with pytest.raises(ValueError, match=r"start_from: .*final: expected net .*width=8.*, got .*width=4"):
        next(fit(tuned))


@pytest.mark.slow
def test_processes_that_read_ahead_change_nothing(toy_train: Train, tmp_path: Path) -> None:
    alone = list(fit(toy_train))
    ahead = list(fit(changed(toy_train, n_loaders=2, out=tmp_path / "ahead")))
    assert [p.metrics for p in ahead] == [p.metrics for p in alone]
