"""Correlated noise: of the variance of white noise, and as alike as its law says."""

from __future__ import annotations

import math

import pytest
import torch

from learn.lenses.correlated import LENGTH, amplitudes, correlated

M = 56


@pytest.fixture(scope="module")
def noise() -> torch.Tensor:
    return correlated(torch.randn(400, M, M, generator=torch.Generator().manual_seed(0)))


def matern(distance: float) -> float:
    """Rasmussen & Williams 2006, eq. 4.17."""
    x = math.sqrt(3) * distance / LENGTH
    return (1 + x) * math.exp(-x)


def test_every_pixel_has_the_variance_of_white_noise(noise: torch.Tensor) -> None:
    assert float(noise.var()) == pytest.approx(1, abs=0.03)
    assert float(noise.var(0).std()) < 0.1
    columns = torch.full((M // 2 + 1,), 2.0, dtype=torch.float64)
    columns[[0, -1]] = 1.0
    assert float((amplitudes(M).square() * columns).sum()) / M**2 == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("distance", [1, 3, 6])
def test_neighbours_agree_as_matern_says(noise: torch.Tensor, distance: int) -> None:
    for axis in (1, 2):
        found = float((noise * noise.roll(distance, axis)).mean())
        assert found == pytest.approx(matern(distance), abs=0.03)


def test_maps_are_independent(noise: torch.Tensor) -> None:
    assert abs(float((noise[1:] * noise[:-1]).mean())) < 0.03
