from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from configs import Train
from learn.sources import ShardSource
from learn.data import Batch, InOrder
from learn.methods import Regression
from learn.methods.power import bin_means, mode_bins, spectra
from learn.normalize import Normalizer
from sim.shards import PARAM_NAMES


class Constant(nn.Module):
    """A network that answers one number a channel."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values))

    def forward(self, x: Tensor, _: Tensor) -> Tensor:
        return self.values[None, :, None, None].expand(len(x), -1, *x.shape[2:])


class Noise(nn.Module):
    """A network that answers noise of a given size."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor, _: Tensor) -> Tensor:
        return self.size * torch.randn(len(x), 3, *x.shape[2:], generator=torch.Generator().manual_seed(0))


@pytest.fixture
def batch(toy_pairs: Path) -> Batch:
    return ShardSource(PairShards(folder=toy_pairs), "train").read(range(6))


@pytest.fixture
def method(toy_train: Train, toy_pairs: Path) -> Regression:
    normalizer = Normalizer.fit(InOrder(ShardSource(PairShards(folder=toy_pairs), "train"), 4))
    return Regression(toy_train, normalizer, PARAM_NAMES)


def test_an_untrained_painter_leaves_the_dark_matter_as_it_is(method: Regression, batch: Batch) -> None:
    painted = method.predict(method.build(), batch.inputs, batch.params)
    share = torch.tensor([1.0, 0.048 / 0.3, method.stellar_fraction])[:, None, None]
    np.testing.assert_allclose(painted.detach(), batch.inputs * share, rtol=1e-5)


def test_the_stellar_fraction_is_that_of_the_training_maps(method: Regression, toy_pairs: Path) -> None:
    every = ShardSource(PairShards(folder=toy_pairs), "train").read(range(9))
    expected = every.targets[:, 2].double().mean() / every.inputs.double().mean()
    np.testing.assert_allclose(method.stellar_fraction, expected, rtol=1e-12)


@pytest.mark.parametrize("size", [1.0, 1e6])
def test_whatever_the_network_says_maps_are_positive_finite_and_total_keeps_the_mass(
    method: Regression, batch: Batch, size: float
) -> None:
    painted = method.predict(Noise(size), batch.inputs, batch.params)
    assert torch.isfinite(painted).all()
    assert painted.min() > 0
    mass = painted[:, :1].double().mean((-2, -1)) / batch.inputs.double().mean((-2, -1))
    np.testing.assert_allclose(mass, 1, rtol=1e-6)


def test_the_answer_of_the_network_is_the_logarithm_of_the_ratio(method: Regression, batch: Batch) -> None:
    quiet = method.predict(Constant(0.0, 0.0, 0.0), batch.inputs, batch.params).detach()
    loud = method.predict(Constant(0.5, 0.02, -0.03), batch.inputs, batch.params).detach()
    np.testing.assert_allclose(loud[:, 0], quiet[:, 0], rtol=1e-6)
    np.testing.assert_allclose(torch.log(loud[:, 1] / quiet[:, 1]), 0.02, rtol=1e-3)
    np.testing.assert_allclose(torch.log(loud[:, 2] / quiet[:, 2]), -0.03, rtol=1e-3)


def test_the_loss_of_the_truth_is_zero(method: Regression, batch: Batch) -> None:
    loss, parts = method._loss(batch.targets, batch)
    assert loss == parts["pixels"] == parts["log_pk"] == 0
    judged = method.validate(method.build(), batch)
    assert judged["loss"] > 0
    assert set(judged) == {"loss", "pixels", "log_pk"} | {
        f"{kind}_{name}" for kind in ("power_error", "r") for name in ("total", "gas", "stars")
    }


def test_the_loss_of_a_batch_is_the_mean_of_the_losses_of_its_maps(method: Regression, batch: Batch) -> None:
    net = Noise(0.3)
    painted = method.predict(net, batch.inputs, batch.params)
    whole = method._loss(painted, batch)[0]
    parts = [Batch(*(x[i : i + 1] for x in (batch.inputs, batch.targets, batch.params))) for i in range(6)]
    single = [method._loss(painted[i : i + 1], part)[0] for i, part in enumerate(parts)]
    np.testing.assert_allclose(whole, torch.stack(single).mean(), rtol=1e-5)


def test_parameters_without_the_baryon_fraction_are_refused(method: Regression, toy_train: Train) -> None:
    with pytest.raises(ValueError, match="omega_b among them, got omega_m, h"):
        Regression(toy_train, method.normalizer, ("omega_m", "h"))


def test_one_wave_fills_one_bin_with_its_whole_power() -> None:
    x = torch.arange(32.0)
    for waves in (1, 5, 16):
        maps = (1 + 0.1 * torch.cos(2 * torch.pi * waves * x / 32))[None, :].expand(32, 32)
        found = spectra(maps, maps)
        filled = found.a > 1e-4 * found.a.sum()
        assert filled.sum() == 1
        np.testing.assert_allclose(found.cross, found.a, rtol=1e-5, atol=1e-6)


def test_bins_count_every_mode_of_the_full_plane_up_to_nyquist() -> None:
    n = 16
    bins, share, n_bins = mode_bins(n, n, torch.device("cpu"))
    field = torch.rand(n, n, generator=torch.Generator().manual_seed(0))
    power = torch.fft.fft2(field).abs().square()
    k = torch.hypot(torch.fft.fftfreq(n)[:, None], torch.fft.fftfreq(n)) * 2
    found = bin_means(power[:, : n // 2 + 1], n)
    edges = [k[:, : n // 2 + 1].flatten()[(bins == i) & (share > 0)] for i in range(n_bins)]
    for value, low, high in zip(found, map(min, edges), map(max, edges), strict=True):
        np.testing.assert_allclose(value, power[(k >= low) & (k <= high)].mean(), rtol=1e-5)
    assert torch.cat(edges).max() <= 1
    assert min(map(min, edges)) == 2 / n


def test_white_noise_is_flat_and_uncorrelated_with_other_noise() -> None:
    noise = 1 + 0.1 * torch.randn(2, 400, 32, 32, generator=torch.Generator().manual_seed(0))
    found = spectra(noise[0], noise[1])
    np.testing.assert_allclose(found.a.mean(0), 0.01, rtol=0.1)
    np.testing.assert_allclose(found.coherence().mean(0), 0, atol=0.1)
    np.testing.assert_allclose(found.log_ratio().mean(0), 0, atol=0.15)


def test_scaling_a_contrast_by_two_multiplies_its_power_by_four() -> None:
    noise = 0.1 * torch.randn(16, 16, generator=torch.Generator().manual_seed(0))
    noise -= noise.mean()
    found = spectra(1 + 2 * noise, 1 + noise)
    np.testing.assert_allclose(found.log_ratio(), np.log(4), rtol=1e-4)
    np.testing.assert_allclose(found.coherence(), 1, rtol=1e-4)


def test_the_gradient_of_the_spectrum_is_that_of_finite_differences() -> None:
    rng = torch.Generator().manual_seed(0)
    maps, other = (torch.rand(8, 8, generator=rng) + 0.5 for _ in range(2))

    def score(x: Tensor) -> Tensor:
        return spectra(x, other).log_ratio().square().mean()

    maps.requires_grad_()
    (slope,) = torch.autograd.grad(score(maps), maps)
    direction = torch.randn(8, 8, generator=rng)
    eps = 1e-2
    measured = (score(maps + eps * direction) - score(maps - eps * direction)) / (2 * eps)
    np.testing.assert_allclose((slope * direction).sum(), measured.detach(), rtol=2e-2)
