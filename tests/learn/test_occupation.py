"""One halo or none and further ones: a whole probability, scatter of either sign, draws of it, true gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from learn.methods.negative_binomial import NegativeBinomial
from learn.methods.occupation import Occupation

SIDE = 60
PAIRS = torch.cartesian_prod(*2 * (torch.arange(float(SIDE), dtype=torch.float64),)).T[None]
"""All counts of two bins, (1, 2, SIDE^2)."""
CASES = [
    ([0.6, 0.3], [0.02, 0.001], [0.1, 0.1]),
    ([1e-3, 1e-6], [1e-6, 1e-9], [0.1, 40.0]),
    ([0.3, 0.2], [1.5, 0.4], [0.5, 1.5]),
    ([1 - 2e-9, 1e-9], [2.0, 1e-3], [1e-9, 0.2]),
]
Numbers = list[float]


def law(p: Numbers, mean: Numbers, dispersion: Numbers, n: int = SIDE**2) -> Occupation:
    """The same in n cells."""
    none = 1 - sum(p)
    odds, *others = (
        torch.tensor(x, dtype=torch.float64)[None, :, None].expand(1, -1, n)
        for x in ([np.log(one / none) for one in p], mean, dispersion)
    )
    return Occupation(odds, NegativeBinomial(*others))


def probabilities(one: Occupation) -> NDArray:
    return one.log_likelihood(PAIRS).exp().numpy()[0, 0].reshape(SIDE, SIDE)


@pytest.mark.parametrize(("p", "mean", "dispersion"), CASES)
def test_probabilities_sum_to_one_with_the_moments_that_are_told(
    p: Numbers, mean: Numbers, dispersion: Numbers
) -> None:
    one = law(p, mean, dispersion)
    found = probabilities(one)
    assert found.sum() == pytest.approx(1, rel=1e-9)
    n = np.arange(SIDE)
    means = [(found * n[:, None]).sum(), (found * n).sum()]
    for i, axis in enumerate((1, 0)):
        scatter = (found.sum(axis=axis) * (n - means[i]) ** 2).sum()
        assert means[i] == pytest.approx(p[i] + mean[i], rel=1e-7)
        assert scatter == pytest.approx(p[i] * (1 - p[i]) + mean[i] + dispersion[i] * mean[i] ** 2, rel=1e-6)
        assert float(one.mean[0, i, 0]) == pytest.approx(means[i], rel=1e-7)
        assert float(one.variance[0, i, 0]) == pytest.approx(scatter, rel=1e-6)
    covariance = (found * np.multiply.outer(n - means[0], n - means[1])).sum()
    assert covariance == pytest.approx(-p[0] * p[1], rel=1e-6, abs=1e-12)


def test_it_is_the_sum_of_one_halo_and_negative_binomials_of_scipy() -> None:
    p, mean, dispersion = CASES[2]
    first, second = (
        stats.nbinom.pmf(np.arange(SIDE), 1 / a, 1 / (1 + a * m)) for m, a in zip(mean, dispersion, strict=True)
    )
    apart = np.multiply.outer(first, second)
    expected = (1 - sum(p)) * apart
    expected[1:] += p[0] * apart[:-1]
    expected[:, 1:] += p[1] * apart[:, :-1]
    np.testing.assert_allclose(probabilities(law(p, mean, dispersion)), expected, rtol=1e-9, atol=1e-300)


def test_counts_scatter_less_than_poisson_or_more_and_a_halo_is_of_one_bin() -> None:
    sure, crowd = law([0.5, 0.49], [0.001, 0.001], [0.1, 0.1]), law([0.05, 0.05], [2.0, 1.0], [2.0, 2.0])
    assert float(sure.variance[0, 0, 0] / sure.mean[0, 0, 0]) < 0.55
    total = [(n, probabilities(sure)[::-1].diagonal(n - SIDE + 1).sum()) for n in range(3)]
    assert total[1][1] > 0.98  # of whatever mass
    assert float(crowd.variance[0, 0, 0] / crowd.mean[0, 0, 0]) > 4


def test_the_gradient_is_that_of_finite_differences_and_finite_at_extremes() -> None:
    counts = torch.tensor([[[0.0, 1.0, 2.0, 9.0], [0.0, 0.0, 1.0, 1.0]]], dtype=torch.float64)
    given = [
        torch.randn(1, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_(),
        (torch.rand(1, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.2).requires_grad_(),
    ]

    def told(odds: Tensor, mean: Tensor) -> Tensor:
        return Occupation(odds, NegativeBinomial(mean, mean / 3)).log_likelihood(counts)

    assert torch.autograd.gradcheck(told, given, rtol=1e-4)
    odds = torch.tensor([[[-60.0, -60.0, 60.0, 60.0]]], requires_grad=True)
    mean = torch.full((1, 1, 4), 1e-9, requires_grad=True)
    found = Occupation(odds, NegativeBinomial(mean)).log_likelihood(torch.tensor([[[0.0, 1.0, 0.0, 1.0]]]))
    assert found.dtype == torch.float32
    found.sum().backward()
    assert all(torch.isfinite(x).all() for x in (found, odds.grad, mean.grad))
    assert odds.grad[0, 0, 2] < -0.5


@pytest.mark.parametrize(("p", "mean", "dispersion"), [CASES[0], CASES[2]])
def test_draws_are_those_of_the_probabilities(p: Numbers, mean: Numbers, dispersion: Numbers) -> None:
    n = 200_000
    uniforms = np.random.default_rng(1).random((1, 2, n), dtype=np.float32).astype(np.float64)
    found = law(p, mean, dispersion, n).quantiles(uniforms)
    assert (found == np.rint(found)).all()
    assert found.min() >= 0
    expected = n * probabilities(law(p, mean, dispersion)).ravel()
    counted = np.bincount((found[0, 0] * SIDE + found[0, 1]).astype(int), minlength=SIDE**2)
    many = expected > 10
    pairs = [np.append(x[many], x[~many].sum()) for x in (counted, expected)]
    assert stats.chisquare(*pairs).pvalue > 1e-3


def test_uniforms_at_their_ends_draw_counts() -> None:
    ends = np.array([0.0, 1 - 2.0**-24, 1 - 2.0**-53, 0.5, np.nextafter(0.5, 0)])
    for p in ([1e-9, 1e-9], [0.5, 0.25], [1 - 2e-9, 1e-9]):
        found = law(p, [0.3, 0.3], [0.1, 0.1], 5).quantiles(np.stack([ends, ends])[None])
        assert np.isfinite(found).all()
        assert found.min() >= 0
