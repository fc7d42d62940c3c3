"""Painters: what every method that paints does with the answer of its network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from configs import PairShards, Train
from learn.data import Batch, InOrder
from learn.methods import METHODS, Method, Regression
from learn.methods.painting import NET, Painter, occupied
from learn.normalize import Normalizer
from learn.sources.shards import ShardSource

PAINTERS = ("regression", "stochastic")


class Constant(nn.Module):
    """A network that answers one number a channel."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values))

    def forward(self, x: Tensor, *_: Tensor) -> Tensor:
        return self.values[None, :, None, None].expand(len(x), -1, *x.shape[2:])


class Noise(nn.Module):
    """A network that answers noise of a given size."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor, *_: Tensor) -> Tensor:
        return self.size * torch.randn(len(x), 4, *x.shape[2:], generator=torch.Generator().manual_seed(0))


PAINTERS = ("regression", "stochastic")


def config_of(toy_train: Train, kind: str, **fields: object) -> Train:
    tree = toy_train.model_dump() | {"method": {"kind": kind, **fields}}
    return Train.model_validate(tree)


def made(toy_train: Train, source: ShardSource, kind: str = "regression", **fields: object) -> Method:
    config = config_of(toy_train, kind, **fields)
    return METHODS[kind](config, Normalizer.fit(InOrder(source, 4)), source.about)


@pytest.fixture
def source(toy_pairs: Path) -> ShardSource:
    return ShardSource(PairShards(folder=toy_pairs), "train")


@pytest.fixture
def batch(source: ShardSource) -> Batch:
    return source.read(range(6))


@pytest.fixture
def method(toy_train: Train, source: ShardSource) -> Regression:
    return made(toy_train, source)


def predicted(method: Method, net: nn.Module, batch: Batch) -> Tensor:
    return method.predict({NET: net}, batch.inputs, batch.params, batch.seeds).detach()


@pytest.mark.parametrize("kind", PAINTERS)
def test_an_untrained_painter_leaves_the_dark_matter_as_it_is(
    toy_train: Train, source: ShardSource, batch: Batch, kind: str
) -> None:
    method = made(toy_train, source, kind, context=(0.5, 1.0))
    painted = predicted(method, method.build()[NET], batch)
    share = torch.tensor([1.0, 0.048 / 0.3, method.painter.stellar_fraction])[:, None, None]
    np.testing.assert_allclose(painted, batch.inputs * share, rtol=1e-5)


def test_the_stellar_fraction_is_that_of_the_training_maps(method: Regression, source: ShardSource) -> None:
    every = source.read(range(9))
    expected = every.targets[:, 2].double().mean() / every.inputs.double().mean()
    np.testing.assert_allclose(method.painter.stellar_fraction, expected, rtol=1e-12)


@pytest.mark.parametrize("size", [1.0, 1e6])
@pytest.mark.parametrize("residual", [True, False])
def test_whatever_the_network_says_no_field_is_negative_and_total_keeps_the_mass(
    toy_train: Train, source: ShardSource, batch: Batch, size: float, residual: bool
) -> None:
    method = made(toy_train, source, residual=residual)
    painted = predicted(method, Noise(size), batch)
    assert torch.isfinite(painted).all()
    assert painted.min() >= 0
    assert not residual or painted[:, :2].min() > 0
    mass = painted[:, :1].double().mean((-2, -1)) / batch.inputs.double().mean((-2, -1))
    np.testing.assert_allclose(mass, 1, rtol=1e-6)


def test_mass_is_free_where_the_configuration_says_so(toy_train: Train, source: ShardSource, batch: Batch) -> None:
    free = made(toy_train, source, conserve_mass=False)
    painted = predicted(free, Constant(0.5, 0.0, 0.0, 0.0), batch)
    np.testing.assert_allclose(torch.log(painted[:, :1] / batch.inputs), 0.5, rtol=1e-2)


def test_the_answer_of_the_network_is_the_logarithm_of_the_ratio(method: Regression, batch: Batch) -> None:
    quiet = predicted(method, Constant(0.0, 0.0, 0.0, 0.0), batch)
    loud = predicted(method, Constant(0.5, 0.02, -0.03, 0.0), batch)
    np.testing.assert_allclose(loud[:, 0], quiet[:, 0], rtol=1e-6)
    np.testing.assert_allclose(torch.log(loud[:, 1] / quiet[:, 1]), 0.02, rtol=1e-3)
    np.testing.assert_allclose(torch.log(loud[:, 2] / quiet[:, 2]), -0.03, rtol=1e-3)


def test_without_the_residual_the_answer_is_the_field_in_the_numbers_of_the_normaliser(
    toy_train: Train, source: ShardSource, batch: Batch
) -> None:
    method = made(toy_train, source, residual=False)
    gas = predicted(method, Constant(0.0, 0.7, 0.0, 0.0), batch)[:, 1:2]
    scale = method.painter.normalizer.targets
    found = scale.forward(gas.expand(-1, 3, -1, -1))[:, 1]
    np.testing.assert_allclose(found, 0.7, rtol=1e-2)


def test_an_empty_pixel_is_exactly_empty_and_can_still_learn(method: Regression, batch: Batch) -> None:
    net = Constant(0.0, 0.0, 0.0, -9.0)
    painted = method.predict({NET: net}, batch.inputs, batch.params, batch.seeds)
    assert (painted[:, 2] == 0).all()
    assert painted[:, :2].min() > 0
    painted[:, 2].sum().backward()
    assert net.values.grad[3] > 0
    logits = torch.linspace(-20, 20, 401)
    occupancy = occupied(logits)
    assert (occupancy.diff() >= 0).all()
    assert (occupancy[0], occupancy[-1]) == (0, 1)
    assert occupied(torch.zeros(1)) == 1  # where the network answers 0


def test_context_is_the_dark_matter_smoothed_and_periodic(toy_train: Train, source: ShardSource, batch: Batch) -> None:
    painter = made(toy_train, source, context=(0.5, 2.0)).painter
    smooth = painter.smoothed(batch.inputs)
    assert smooth.shape == (6, 2, 16, 16)
    np.testing.assert_allclose(smooth.mean((-2, -1)), batch.inputs.mean((-2, -1)).expand(-1, 2), rtol=1e-5)
    rolled = painter.smoothed(batch.inputs.roll((3, 5), (-2, -1)))
    np.testing.assert_allclose(rolled, smooth.roll((3, 5), (-2, -1)), rtol=1e-4)
    oracle = gaussian_filter(batch.inputs[0, 0].double().numpy(), 2.0 / 0.5, mode="wrap", truncate=8)
    np.testing.assert_allclose(smooth[0, 1], oracle, rtol=1e-3)


def test_context_of_a_map_that_is_not_periodic_does_not_see_across_its_edges(
    toy_train: Train, source: ShardSource, batch: Batch
) -> None:
    normalizer, about = Normalizer.fit(InOrder(source, 4)), source.about.model_copy(update={"periodic": False})
    config = config_of(toy_train, "regression", context=(1.0,))
    smooth = Painter(config, normalizer, about).smoothed(batch.inputs)
    oracle = gaussian_filter(batch.inputs[0, 0].double().numpy(), 1.0 / 0.5, mode="reflect", truncate=8)
    np.testing.assert_allclose(smooth[0, 0], oracle, rtol=2e-3)


@pytest.mark.parametrize("kind", PAINTERS)
def test_a_painter_without_film_does_not_know_the_parameters_but_for_the_baryon_fraction(
    toy_train: Train, source: ShardSource, batch: Batch, kind: str
) -> None:
    for film in (True, False):
        blind = toy_train.model_copy(update={"net": toy_train.net.model_copy(update={"film": film})})
        method = made(blind, source, kind)
        (net,) = method.build().values()
        rng = torch.Generator().manual_seed(0)
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.1, generator=rng)
        other = batch.params.clone()
        other[:, source.about.param_names.index("log10_m_c")] += 3.0
        a, b = (method.predict({NET: net}, batch.inputs, p, batch.seeds) for p in (batch.params, other))
        assert torch.equal(a, b) != film


def test_the_loss_of_the_truth_is_zero(method: Regression, batch: Batch) -> None:
    loss, parts = method._loss(batch.targets, batch)
    assert loss == parts["pixels"] == parts["log_pk"] == 0


@pytest.mark.parametrize("kind", PAINTERS)
def test_validation_names_what_it_measures(toy_train: Train, source: ShardSource, batch: Batch, kind: str) -> None:
    method = made(toy_train, source, kind)
    judged = method.validate(method.build(), batch)
    assert judged["loss"] > 0
    assert set(judged) == {"loss", "pixels", "log_pk"} | {
        f"{kind}_{name}" for kind in ("power_error", "r") for name in ("total", "gas", "stars")
    }


@pytest.mark.parametrize("kind", PAINTERS)
def test_the_loss_of_a_batch_is_the_mean_of_the_losses_of_its_maps(
    toy_train: Train, source: ShardSource, batch: Batch, kind: str
) -> None:
    method = made(toy_train, source, kind)
    (net,) = method.build().values()
    torch.nn.init.normal_(net.head.conv.weight, std=0.3, generator=torch.Generator().manual_seed(0))
    whole = method.loss(NET, {NET: net}, batch)[0]
    single = [method.loss(NET, {NET: net}, part)[0] for part in batch.parts(6)]
    np.testing.assert_allclose(whole.detach(), torch.stack(single).mean().detach(), rtol=1e-5)


@pytest.mark.parametrize("kind", PAINTERS)
def test_parameters_without_the_baryon_fraction_are_refused(
    toy_train: Train, source: ShardSource, method: Regression, kind: str
) -> None:
    about = source.about.model_copy(update={"param_names": ("omega_m", "h")})
    with pytest.raises(ValueError, match="omega_b among them, got omega_m, h"):
        METHODS[kind](config_of(toy_train, kind), method.painter.normalizer, about)
