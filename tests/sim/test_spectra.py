"""Spectra: white noise is flat, one sine is one bin, windows cancel what painting did, Parseval holds."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from sim import spectra
from sim.maps import project
from sim.spectra import correlation, linear_edges, log_edges, power, suppression

BOX = 50.0
FUNDAMENTAL = 2 * np.pi / BOX


def noise(n: int, n_dim: int, seed: int = 0) -> np.ndarray:
    return 1 + 0.1 * np.random.default_rng(seed).standard_normal((n,) * n_dim)


@pytest.mark.parametrize(("n", "n_dim"), [(128, 2), (32, 3)])
def test_white_noise_is_flat(n: int, n_dim: int) -> None:
    found = power(noise(n, n_dim), BOX)
    pull = (found.pk / (0.01 * (BOX / n) ** n_dim) - 1) * np.sqrt(found.n_modes / 2)
    assert np.abs(pull).max() < 4
    assert abs(pull.mean()) < 4 / np.sqrt(len(pull))


@pytest.mark.parametrize("n", [16, 15])
@pytest.mark.parametrize("n_dim", [2, 3])
def test_one_sine_is_one_bin(n: int, n_dim: int) -> None:
    x = np.indices((n,) * n_dim) / n
    for mode in ([3] + [0] * (n_dim - 1), [0] * (n_dim - 1) + [3]):
        field = 5 * (1 + 0.2 * np.cos(2 * np.pi * np.tensordot(mode, x, 1) + 0.4))
        found = power(field, BOX)
        i = np.argmin(np.abs(found.k / FUNDAMENTAL - 3))
        np.testing.assert_allclose(found.pk[i] * found.n_modes[i], BOX**n_dim * 0.2**2 / 2, rtol=1e-10)
        assert np.delete(found.pk, i).max() < 1e-12 * found.pk[i]


@pytest.mark.parametrize("n", [12, 13])
@pytest.mark.parametrize("n_dim", [2, 3])
def test_full_transform_agrees(n: int, n_dim: int) -> None:
    """The same sums over all modes of a complex transform, where no mode is left out or counted for its conjugate."""
    a, b = noise(n, n_dim, 1), noise(n, n_dim, 2)
    wave = FUNDAMENTAL * n * np.stack(np.meshgrid(*[np.fft.fftfreq(n)] * n_dim, indexing="ij"))
    k = np.sqrt((wave**2).sum(0)).ravel()
    p = np.real(np.fft.fftn(a / a.mean()) * np.conj(np.fft.fftn(b / b.mean()))).ravel() * BOX**n_dim / n ** (2 * n_dim)
    edges = np.array([0.5, 1.7, 2.6, 4.1, 20]) * FUNDAMENTAL
    inside = [(k >= low) & (k < high) for low, high in pairwise(edges)]
    found = power(a, BOX, b, edges=edges)
    np.testing.assert_array_equal(found.n_modes, [part.sum() for part in inside])
    np.testing.assert_allclose(found.k, [k[part].mean() for part in inside], rtol=1e-12)
    np.testing.assert_allclose(found.pk, [p[part].mean() for part in inside], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("n", "n_dim"), [(64, 2), (16, 3), (15, 3)])
def test_parseval(n: int, n_dim: int) -> None:
    field = noise(n, n_dim)
    found = power(field, BOX, edges=[0.1 * FUNDAMENTAL, 10 * n * FUNDAMENTAL])
    assert found.n_modes[0] == n**n_dim - 1
    variance = (found.pk * found.n_modes).sum() / BOX**n_dim
    np.testing.assert_allclose(variance, (field / field.mean()).var(), rtol=1e-10)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = power(noise(16, 3), BOX, window="tsc", shot_noise=1.0)
    monkeypatch.setattr(spectra, "_CHUNK", 400)
    np.testing.assert_allclose(power(noise(16, 3), BOX, window="tsc", shot_noise=1.0).pk, whole.pk, rtol=1e-12)


@pytest.mark.parametrize("window", ["cic", "tsc"])
def test_window_correction_removes_the_bias_of_painting(window: Any) -> None:
    """Particles on a fine lattice carry a few waves as masses; the map that is painted from them loses power."""
    n_fine, n = 512, 32
    x = (np.indices((n_fine, n_fine)).reshape(2, -1).T + 0.5) * (BOX / n_fine)
    pos = np.column_stack([x, np.full(len(x), 1.0)]).astype(np.float32)
    waves = np.array([[3, 0], [0, 7], [6, 6], [-10, 4]])
    mass = 1 + 0.1 * np.cos(2 * np.pi * x @ waves.T / BOX + np.arange(4)).sum(1)
    edges = (np.hypot(*waves.T)[:, None] + [-0.01, 0.01]) * FUNDAMENTAL
    image = project(pos, mass, BOX, n, 2, assignment=window)
    for pair in edges:
        raw, corrected = power(image, BOX, edges=pair), power(image, BOX, edges=pair, window=window)
        expected = BOX**2 * 0.1**2 / 2
        np.testing.assert_allclose(corrected.pk * corrected.n_modes, expected, rtol=2e-3)
        assert raw.pk[0] < 0.98 * corrected.pk[0]


@pytest.mark.parametrize("window", ["cic", "tsc"])
def test_shot_noise_of_painted_points_is_removed(window: Any) -> None:
    """Unclustered points have only shot noise, with the aliases that painting folds into it."""
    n_points, n = 20000, 64
    rng = np.random.default_rng(8)
    images = [project(rng.random((n_points, 3)) * BOX, 1.0, BOX, n, 0, assignment=window) for _ in range(8)]
    shot = BOX**2 / n_points
    found = [power(image, BOX, window=window, shot_noise=shot) for image in images]
    pull = np.mean([each.pk for each in found], 0) / shot * np.sqrt(8 * found[0].n_modes / 2)
    corrected = power(images[0], BOX, window=window).pk[-1] / shot
    assert corrected > 1.3
    assert np.abs(pull * np.sinc(found[0].k / FUNDAMENTAL / n) ** 2).max() < 4


def test_correlation_and_suppression() -> None:
    a, b = noise(32, 2, 1), noise(32, 2, 2)
    np.testing.assert_allclose(correlation(a, 3 * a, BOX).value, 1, rtol=1e-12)
    np.testing.assert_allclose(correlation(a, 4 - a, BOX).value, -1, rtol=1e-12)
    unrelated = correlation(a, b, BOX)
    assert np.abs(unrelated.value * np.sqrt(unrelated.n_modes / 2)).max() < 4
    scaled = 1 + 0.5 * (a / a.mean() - 1)
    np.testing.assert_allclose(suppression(scaled, a, BOX, n_bins=5).value, 0.25, rtol=1e-12)


def test_correlation_with_a_constant_is_undefined() -> None:
    assert np.isnan(correlation(noise(8, 2), np.ones((8, 8)), BOX).value).all()


def test_edges() -> None:
    linear = power(noise(16, 2), BOX)
    np.testing.assert_allclose(linear_edges(BOX, 16)[[0, -1]] / FUNDAMENTAL, [0.5, 8.5])
    assert len(linear.k) == 8
    assert np.all((linear.k > linear_edges(BOX, 16)[:-1]) & (linear.k < linear_edges(BOX, 16)[1:]))
    logarithmic = log_edges(BOX, 16, 6)
    np.testing.assert_allclose(np.diff(np.log(logarithmic)), np.log(logarithmic[-1] / logarithmic[0]) / 6)
    assert logarithmic[0] < FUNDAMENTAL
    assert logarithmic[-1] > 8 * FUNDAMENTAL


def test_the_mean_is_no_mode() -> None:
    assert power(noise(8, 2), BOX, edges=[0.0, 1.2 * FUNDAMENTAL]).n_modes.tolist() == [4]


def test_empty_bins_are_left_out() -> None:
    found = power(noise(8, 2), BOX, edges=np.array([0.2, 0.8, 1.2, 1.3, 1.5]) * FUNDAMENTAL)
    np.testing.assert_array_equal(found.n_modes, [4, 4])


@pytest.mark.parametrize(
    ("field", "options", "words"),
    [
        (np.ones(8), {}, r"shape \(n, n\) or \(n, n, n\), got \(8,\)"),
        (np.ones((8, 9)), {}, r"got \(8, 9\)"),
        (np.ones((8, 8)), {"other": np.ones((4, 4))}, r"one shape, got \(8, 8\) and \(4, 4\)"),
        (np.zeros((8, 8)), {}, "positive mean, got mean 0.0"),
        (np.full((8, 8), np.nan), {}, "got mean nan"),
        (np.ones((8, 8)), {"window": "pcs"}, "window of cic, tsc or None, got 'pcs'"),
        (np.ones((8, 8)), {"edges": [1.0]}, "rising numbers"),
        (np.ones((8, 8)), {"edges": [1.0, 2.0], "n_bins": 3}, "edges or n_bins, got both"),
    ],
)
def test_nonsense_is_refused(field: np.ndarray, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        power(field, BOX, **options)
