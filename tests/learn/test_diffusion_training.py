"""Training of diffusion models: what a resumed run shares with one that never stopped, and which weights sample."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import assert_same_state, fit_on_two_workers, weights
from torch import Tensor

from configs import Train
from learn import checkpoint
from learn.checkpoint import Kind
from learn.data import Batch
from learn.methods import METHODS, Diffusion, Metrics, Nets
from learn.sampler import Sampler, seeds_of
from learn.train import fit

METHODS_TOLD = {
    "eps": {"kind": "diffusion", "objective": "eps", "dropout": 0.4},
    "edm": {"kind": "diffusion", "objective": "edm"},
    "learned schedule": {"kind": "variational", "every": 2},
}


def generating(config: Train, name: str, out: Path) -> Train:
    told = METHODS_TOLD[name] | {"sampler": {"n_steps": 3}}
    return Train.model_validate(config.model_dump() | {"method": told, "out": out})


def half(config: Train, whole: Path, out: Path) -> Train:
    """The run as it is when it is stopped after its checkpoint of step 4 of 6."""
    folder = checkpoint.step_folder(whole, 4)
    shutil.copytree(folder, checkpoint.step_folder(out, 4))
    return config.model_copy(update={"out": out})


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """Every batch that is learned from."""
    found: list[Batch] = []
    loss = Diffusion.loss

    def watched(self: Diffusion, phase: str, nets: Nets, batch: Batch) -> tuple[Tensor, Metrics]:
        found.append(batch)
        return loss(self, phase, nets, batch)

    monkeypatch.setattr(Diffusion, "loss", watched)
    return found


@pytest.mark.parametrize("name", METHODS_TOLD)
def test_a_generator_resumed_is_the_one_that_never_stopped_bit_for_bit(
    toy_generator: Train, tmp_path: Path, name: str
) -> None:
    config = generating(toy_generator, name, tmp_path / "whole")
    whole = list(fit(config))
    stopped = half(config, config.out, tmp_path / "stopped")
    torch.randn(3), np.random.default_rng().normal()
    resumed = list(fit(stopped, resume=checkpoint.latest(stopped.out)))
    assert [p.step for p in resumed] == [5, 6]
    assert [p.metrics for p in resumed] == [p.metrics for p in whole[4:]]  # of the same maps, levels and noise
    assert weights(whole[-1].checkpoint) == weights(resumed[-1].checkpoint)  # as trained, and their averages
    assert_same_state(*(checkpoint.load_resume(run[-1].checkpoint) for run in (whole, resumed)))
    assert weights(config.out / "final") == weights(stopped.out / "final")


def test_maps_moves_and_noise_of_a_resumed_generator_are_those_of_the_whole_run(
    toy_generator: Train, tmp_path: Path, seen: list[Batch]
) -> None:
    config = generating(toy_generator, "eps", tmp_path / "whole").model_copy(update={"n_steps": 5, "validate_every": 4})
    list(fit(config))
    whole = list(seen)
    seen.clear()
    stopped = half(config, config.out, tmp_path / "stopped")
    next(fit(stopped, resume=checkpoint.latest(stopped.out)))
    for name in ("targets", "params", "seeds"):
        assert torch.equal(getattr(seen[0], name), getattr(whole[4], name)), name
        assert not torch.equal(getattr(seen[0], name), getattr(whole[3], name)), name


def test_a_generator_is_resumed_bit_for_bit_by_two_workers_and_to_rounding_by_one(
    toy_generator: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = generating(toy_generator, "eps", tmp_path / "whole")
    whole = fit_on_two_workers(config, monkeypatch)
    stopped = half(config, config.out, tmp_path / "stopped")
    resumed = fit_on_two_workers(stopped, monkeypatch, resume=checkpoint.latest(stopped.out))
    assert [p.metrics for p in resumed] == [p.metrics for p in whole[4:]]
    assert weights(whole[-1].checkpoint) == weights(resumed[-1].checkpoint)
    alone = half(config, config.out, tmp_path / "alone")
    by_one = list(fit(alone, resume=checkpoint.latest(alone.out)))
    for p, q in zip(whole[4:], by_one, strict=True):
        np.testing.assert_allclose(list(q.metrics.values()), list(p.metrics.values()), rtol=2e-4)


def test_averaged_weights_sample(toy_generator: Train) -> None:
    last = list(fit(toy_generator))[-1].checkpoint
    meta = checkpoint.load_meta(last)
    method = METHODS[meta.config.method.kind](meta.config, meta.normalizer, meta)

    def drawn(kind: Kind) -> np.ndarray:
        nets = method.build()
        checkpoint.load_nets(last, meta, nets, kind)
        return Sampler(meta, method, nets, torch.device("cpu"))(seeds_of(1, range(2)))

    np.testing.assert_array_equal(Sampler.load(last)(seeds_of(1, range(2))), drawn("ema"))
    assert not np.allclose(drawn("raw"), drawn("ema"), rtol=1e-3)
