"""The classical baseline: it finds the power law that halos were drawn from, and keeps their number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import xlogy

from learn.counts.local_bias import Cells, LocalBias, MeanRate, drawn, fitted, log_of_shape
from learn.data import Batch

TRUE = np.array([[0.5, 1.4, 0.6, 0.8], [0.05, 2.0, 1.5, 0.5]])


def batch(seed: int, n: int = 40) -> Batch:
    rng = np.random.default_rng(seed)
    density = np.exp(rng.normal(-0.5, 1, (n, n, n)))
    density[0, 0, :3] = 0  # voids of a grid of few particles
    counts = rng.poisson(LocalBias(TRUE).rates(density))
    return Batch(
        torch.tensor(density[None, None], dtype=torch.float32),
        torch.tensor(counts[None], dtype=torch.float32),
        torch.zeros(1, 1),
        torch.zeros(1),
    )


@pytest.fixture(scope="module")
def cells() -> Cells:
    return Cells.of(batch(seed) for seed in range(3))


def test_the_true_rates_are_found(cells: Cells) -> None:
    found = LocalBias.fit(cells)
    density = np.array([0.1, 0.3, 1.0, 3.0, 8.0])
    for own, true, few in zip(found.rates(density), LocalBias(TRUE).rates(density), (0.3, 1.0), strict=True):
        shown = density >= few
        np.testing.assert_allclose(own[shown], true[shown], rtol=0.08)


def test_the_number_of_halos_is_kept(cells: Cells) -> None:
    found = LocalBias.fit(cells)
    expected = (found.rates(cells.density) * cells.n_cells).sum(axis=1)
    np.testing.assert_allclose(expected, cells.halos.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(MeanRate(cells.mean).rates(np.ones((2, 2)))[:, 0, 1], cells.mean)


def test_no_parameters_nearby_are_more_likely(cells: Cells) -> None:
    found = LocalBias.fit(cells).parameters

    def likelihood(parameters: np.ndarray) -> float:
        rates = LocalBias(parameters[None]).rates(cells.density)[0]
        return float(np.sum(xlogy(cells.halos[0], rates) - cells.n_cells * rates))

    best = likelihood(found[0])
    for i in range(4):
        for factor in (0.97, 1.03):
            other = found[0].copy()
            other[i] *= factor
            assert likelihood(other) < best


def test_binned_cells_have_the_likelihood_of_single_ones() -> None:
    one = batch(7, 20)
    cells = Cells.of([one])
    density = np.maximum(one.inputs.numpy()[0, 0].astype(float), 1e-9)
    bias = LocalBias(TRUE)
    single = stats.poisson.logpmf(one.targets.numpy()[0], bias.rates(density)).sum()
    rates = bias.rates(cells.density)
    together = np.sum(xlogy(cells.halos, rates) - cells.n_cells * rates)
    constant = stats.poisson.logpmf(one.targets.numpy(), 1.0).sum() + one.targets.numel()
    assert single == pytest.approx(together + constant, rel=1e-4)
    assert cells.n_cells.sum() == 20**3
    assert cells.halos.sum() == one.targets.sum()


def test_draws_are_poisson_and_those_of_their_seed() -> None:
    rates = np.full((1, 50, 50, 50), 0.7)
    counts = drawn(rates, 3)
    assert counts.mean() == pytest.approx(0.7, rel=0.02)
    assert counts.var() == pytest.approx(0.7, rel=0.02)
    np.testing.assert_array_equal(counts, drawn(rates, 3))
    assert not np.array_equal(counts, drawn(rates, 4))


def test_empty_cells_and_empty_bins() -> None:
    assert np.isfinite(log_of_shape(np.array([0.0, 1e4]), (1.0, 1.0, 2.0))).all()
    with pytest.raises(ValueError, match="expected halos in every mass bin"):
        fitted(np.array([1.0]), np.array([1.0]), np.array([0.0]))
    with pytest.raises(ValueError, match="at least one training box"):
        Cells.of([])
