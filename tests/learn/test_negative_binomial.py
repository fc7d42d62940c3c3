"""The negative binomial distribution: scipy's likelihood and quantiles, Poisson as its limit, gradients that are so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from learn.methods.negative_binomial import POISSON, log_likelihood, quantiles

COUNTS = torch.tensor([0.0, 0.0, 1.0, 3.0, 40.0, 2.0, 700.0], dtype=torch.float64)
MEAN = torch.tensor([1e-6, 3.0, 0.2, 3.0, 12.0, 900.0, 650.0], dtype=torch.float64)
DISPERSION = torch.tensor([0.1, 2.0, 40.0, 1e-3, 0.5, 0.05, 1e-2], dtype=torch.float64)


def test_the_likelihood_is_that_of_scipy() -> None:
    r = 1 / DISPERSION.numpy()
    expected = stats.nbinom.logpmf(COUNTS.numpy(), r, r / (r + MEAN.numpy()))
    np.testing.assert_allclose(log_likelihood(COUNTS, MEAN, DISPERSION), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(log_likelihood(COUNTS, MEAN), stats.poisson.logpmf(COUNTS, MEAN), rtol=1e-10)


def test_probabilities_sum_to_one_with_the_mean_and_the_variance_that_are_told() -> None:
    n = torch.arange(4000.0, dtype=torch.float64)
    for mean, dispersion in ((0.3, 2.0), (5.0, 0.1), (5.0, 0.0)):
        p = log_likelihood(n, torch.full_like(n, mean), torch.full_like(n, dispersion)).exp()
        assert float(p.sum()) == pytest.approx(1, rel=1e-10)
        assert float((p * n).sum()) == pytest.approx(mean, rel=1e-9)
        assert float((p * (n - mean) ** 2).sum()) == pytest.approx(mean + dispersion * mean**2, rel=1e-8)


def test_without_dispersion_it_is_poisson_and_becomes_it_smoothly() -> None:
    n, mean = torch.arange(30.0, dtype=torch.float64), torch.full((30,), 4.0, dtype=torch.float64)
    poisson = log_likelihood(n, mean)
    for dispersion, tolerance in ((0.0, 1e-12), (0.5 * POISSON, 1e-12), (2 * POISSON, 1e-3), (1e-4, 0.05)):
        found = log_likelihood(n, mean, torch.full_like(mean, dispersion))
        np.testing.assert_allclose(found, poisson, atol=tolerance)
    away = (log_likelihood(n, mean, torch.full_like(mean, 1e-4)) - poisson).abs().max()
    assert away > 1e-4


def test_the_gradient_is_that_of_finite_differences_and_finite_at_extremes() -> None:
    mean, dispersion = MEAN[1:5].clone().requires_grad_(), DISPERSION[1:5].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda m, d: log_likelihood(COUNTS[1:5], m, d), (mean, dispersion), rtol=1e-4)
    small = torch.tensor([1e-9, 1e5], requires_grad=True)
    spread = torch.tensor([1e-9, 40.0], requires_grad=True)
    found = log_likelihood(torch.tensor([0.0, 3.0]), small, spread)
    assert found.dtype == torch.float32
    found.sum().backward()
    assert torch.isfinite(small.grad).all()
    assert torch.isfinite(spread.grad).all()


@pytest.mark.parametrize("dispersion", [0.0, 0.3, 5.0])
def test_quantiles_are_the_least_counts_that_reach_them(dispersion: float) -> None:
    rng = np.random.default_rng(0)
    mean = 10 ** rng.uniform(-3, 1.5, 4000)
    uniforms = rng.random(4000)
    found = quantiles(uniforms, mean, np.full(4000, dispersion))
    r = 1 / dispersion if dispersion else 1.0
    law = stats.nbinom(r, r / (r + mean)) if dispersion else stats.poisson(mean)
    assert (found == np.rint(found)).all()
    assert (found >= 0).all()
    assert (law.cdf(found) >= uniforms - 1e-12).all()
    assert (law.cdf(found - 1) < uniforms).all()


def test_draws_have_the_mean_and_the_scatter_that_are_told() -> None:
    uniforms = np.random.default_rng(1).random(200_000)
    found = quantiles(uniforms, np.full(200_000, 2.0), np.full(200_000, 0.5))
    assert found.mean() == pytest.approx(2.0, rel=0.02)
    assert found.var() == pytest.approx(2.0 + 0.5 * 4, rel=0.03)
    assert quantiles(uniforms, np.full(200_000, 2.0)).var() == pytest.approx(2.0, rel=0.02)
