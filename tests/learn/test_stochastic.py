"""A painter that draws: its score, its noise and its draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from configs import PairShards, Train
from learn.data import Batch, InOrder
from learn.methods import Stochastic
from learn.methods.noise import draw, successors
from learn.methods.painting import NET
from learn.methods.stochastic import score
from learn.normalize import Normalizer
from learn.predict import Predictor
from learn.prepare import Local
from learn.sources.shards import ShardSource
from learn.train import Run, fit


@pytest.fixture
def drawing(toy_train: Train) -> Train:
    """A run of a tiny painter that draws."""
    method = {"kind": "stochastic", "n_noise": 2, "pools": (1, 4), "context": (1.0,)}
    return Train.model_validate(toy_train.model_dump() | {"method": method})


@pytest.fixture
def batch(toy_pairs: Path) -> Batch:
    return ShardSource(PairShards(folder=toy_pairs), "train").read(range(4))


@pytest.fixture
def method(drawing: Train, toy_pairs: Path) -> Stochastic:
    source = ShardSource(PairShards(folder=toy_pairs), "train")
    return Stochastic(drawing, Normalizer.fit(InOrder(source, 4)), source.about)


def loud(method: Stochastic) -> dict[str, torch.nn.Module]:
    """Networks that answer something."""
    nets = method.build()
    torch.nn.init.normal_(nets[NET].head.conv.weight, std=0.3, generator=torch.Generator().manual_seed(0))
    return nets


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_score_of_gaussian_draws_is_the_closed_form() -> None:
    """CRPS of N(0, s) about y (Gneiting & Raftery 2007, eq. 21), mean over y ~ N(0, 1), with few draws."""
    n = 200_000
    for s in (0.5, 1.0, 2.0):
        found = score(torch.cat((normal(1, n), s * normal(4, n, seed=1))))
        # E|x - y| = sqrt(2 (1 + s^2) / pi), E|x - x'| = 2 s / sqrt(pi); the score of 4 draws is 95 % fair
        spread = 2 * s / np.sqrt(np.pi)
        expected = np.sqrt(2 * (1 + s**2) / np.pi) - 0.5 * (0.95 + 0.05 * 3 / 4) * spread
        np.testing.assert_allclose(found, expected, rtol=5e-3)


def test_the_score_is_least_for_the_true_scatter_and_the_true_mean() -> None:
    truth, draws = normal(1, 100_000), normal(2, 100_000, seed=1)
    scores = {
        (shift, s): float(score(torch.cat((truth, shift + s * draws)))) for shift in (0, 0.3) for s in (0.7, 1, 1.4)
    }
    assert min(scores, key=lambda key: scores[key]) == (0, 1)


def test_draws_that_are_the_truth_score_zero() -> None:
    truth = normal(1, 10)
    assert score(truth.expand(3, -1)) == 0
    assert score(torch.cat((truth, truth + 1, truth + 1))) == 1


def test_noise_depends_on_the_seed_alone() -> None:
    shapes = [(2, 8, 8), (2, 4, 4)]
    together = draw(shapes, torch.tensor([5, 6, 5]))
    assert [x.shape for x in together] == [(3, 2, 8, 8), (3, 2, 4, 4)]
    for part in together:
        assert torch.equal(part[0], part[2])
        assert not torch.equal(part[0], part[1])
    assert torch.equal(draw(shapes, torch.tensor([6]))[1][0], together[1][1])
    many = draw([(100, 100)], torch.arange(3))[0]
    np.testing.assert_allclose(many.std(), 1, rtol=0.02)
    assert len(set(successors(torch.tensor([5, 6]), 4).tolist())) == 8


def test_a_seed_gives_a_draw_whatever_is_drawn_beside_it(method: Stochastic, batch: Batch) -> None:
    nets = loud(method)
    with torch.no_grad():
        together = method.predict(nets, batch.inputs, batch.params, batch.seeds)
        alone = method.predict(nets, batch.inputs[2:3], batch.params[2:3], batch.seeds[2:3])
        other = method.predict(nets, batch.inputs[2:3], batch.params[2:3], batch.seeds[2:3] + 1)
    np.testing.assert_allclose(alone[0], together[2], rtol=1e-5)
    assert not np.allclose(other, alone, rtol=1e-2)


def test_every_weight_gets_a_gradient_the_noise_too(method: Stochastic, batch: Batch) -> None:
    nets = loud(method)
    for parameter in nets[NET].parameters():  # what is zero at first hides what comes before it
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(parameter.numel()))
    method.loss(NET, nets, batch)[0].backward()
    silent = [name for name, p in nets[NET].named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []


def test_draws_of_a_model_on_disk(drawing: Train, toy_pairs: Path) -> None:
    list(fit(drawing))
    predictor = Predictor.load(drawing.out / "final")
    shard = ShardSource(PairShards(folder=toy_pairs), "test").read(range(3))
    maps, params = shard.inputs.numpy(), shard.params.numpy()
    draws = predictor.draws(maps, params, 4, seed=7)
    assert draws.shape == (4, 3, 3, 16, 16)
    assert len({one.tobytes() for one in draws}) == 4
    assert predictor.is_stochastic
    np.testing.assert_array_equal(draws[0], predictor(maps, params, seed=7))
    np.testing.assert_array_equal(draws[2, 1:2], predictor.draws(maps[1:2], params[1:2], 3, seed=7)[2])
    mixed = predictor.draws(maps, params, 2, seed=[7, 8, 7])
    np.testing.assert_array_equal(mixed[:, ::2], draws[:2, ::2])
    np.testing.assert_array_equal(mixed[:, 1], predictor.draws(maps[1:2], params[1:2], 2, seed=8)[:, 0])
    for wrong in (-1, 2**40, 0.5, [1, 2]):
        with pytest.raises(ValueError, match=r"^seed: "):
            predictor(maps, params, seed=wrong)
    np.testing.assert_allclose(draws[:, :, 0].mean((-2, -1)), np.tile(maps.mean((-2, -1))[:, 0], (4, 1)), rtol=1e-6)


def test_the_scatter_of_draws_grows_to_that_of_the_truth(drawing: Train, toy_pairs: Path) -> None:
    """Gas whose share scatters from map to map for no visible reason: the draws must scatter by as much."""
    run = Run(
        drawing.model_copy(update={"optimizer": drawing.optimizer.model_copy(update={"lr": 1e-2})}), Local(), None
    )
    assert run.validate()["val/loss"] > 0
    before = spread_of(run, toy_pairs)
    for _ in range(6):
        run.advance()
    assert before < 1e-6 < spread_of(run, toy_pairs)


def spread_of(run: Run, folder: Path) -> float:
    """Mean standard deviation of ln gas between two draws."""
    batch = ShardSource(PairShards(folder=folder), "validation").read([0])
    with torch.no_grad():
        draws = [run.method.predict(run.nets, batch.inputs, batch.params, torch.tensor([seed])) for seed in (0, 1)]
    return float((draws[0][:, 1] / draws[1][:, 1]).log().abs().mean())
