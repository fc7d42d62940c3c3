"""Spectra and bispectra of cubes: the spectra of sim, closed triangles counted one by one, a known skewness."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from learn.scores.cubes import CubeShells
from sim.spectra import log_edges, power


@pytest.fixture
def field() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.exp(rng.normal(size=(12, 12, 12)) + np.roll(rng.normal(size=(12, 12, 12)), 1, 0))


def test_the_power_is_that_of_sim(field: np.ndarray) -> None:
    other = np.roll(field, 1, 1)
    shells = CubeShells.logarithmic(12, 30.0, 5)
    a, b = shells.modes(field), shells.modes(other)
    for mine, theirs in ((shells.power(a, a), None), (shells.power(a, b), other)):
        expected = power(field, 30.0, theirs, edges=log_edges(30.0, 12, 5))
        np.testing.assert_allclose(mine, expected.pk, rtol=1e-9)
        np.testing.assert_allclose(shells.k, expected.k, rtol=1e-9)


def test_points_have_the_power_of_their_number() -> None:
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.5, (32, 32, 32))
    shells = CubeShells.logarithmic(32, 64.0, 4)
    modes = shells.modes(counts)
    np.testing.assert_allclose(shells.power(modes, modes)[1:], 64.0**3 / counts.sum(), rtol=0.1)


def test_a_box_without_halos_has_no_power() -> None:
    shells = CubeShells.rings(12, 30.0)
    modes = shells.modes(np.zeros((12, 12, 12)))
    assert np.all(shells.power(modes, modes) == 0)
    assert np.nanmax(np.abs(shells.bispectrum(modes))) == 0


def test_the_bispectrum_is_the_mean_over_closed_triangles() -> None:
    n, box = 8, 10.0
    rng = np.random.default_rng(2)
    field = 1 + 0.3 * rng.normal(size=(n, n, n)) ** 2
    shells = CubeShells(n, box, (1.5 * 2 * np.pi / box, 2.3 * 2 * np.pi / box))
    full = np.fft.fftn(field / field.mean() - 1)
    i = np.fft.fftfreq(n, 1 / n).astype(int)
    grid = np.stack(np.meshgrid(i, i, i, indexing="ij"), axis=-1).reshape(-1, 3)
    size = np.linalg.norm(grid, axis=1)
    ring = grid[(size >= 1.5) & (size < 2.3)]
    total, count = 0.0, 0
    inside = {tuple(k) for k in ring.tolist()}
    for a in ring.tolist():
        for b in ring.tolist():
            c = tuple(-(x + y) for x, y in zip(a, b, strict=True))
            if c in inside:
                total += (full[tuple(a)] * full[tuple(b)] * full[c]).real
                count += 1
    expected = total / count * box**6 / n**9
    p = np.mean([abs(full[tuple(k)]) ** 2 for k in ring.tolist()]) * box**3 / n**6
    modes = shells.modes(field)
    np.testing.assert_allclose(shells.power(modes, modes), [p], rtol=1e-9)
    np.testing.assert_allclose(shells.bispectrum(modes), [expected / (3 * p**2)], rtol=1e-8)


def test_coarse_grids_close_the_triangles_of_the_fine_one() -> None:
    n, box = 30, 60.0
    rng = np.random.default_rng(3)
    field = 1 + 0.3 * rng.normal(size=(n, n, n)) ** 2
    shells = CubeShells.rings(n, box)
    contrast = np.fft.fftn(field / field.mean() - 1)
    i = np.fft.fftfreq(n, 1 / n)
    size = np.sqrt(i[:, None, None] ** 2 + i[:, None] ** 2 + i**2) * 2 * np.pi / box
    expected = []
    for low, high in pairwise(shells.edges):
        ring = (size >= low) & (size < high)
        cubes, closed = (np.sum(np.fft.ifftn(x * ring).real ** 3) for x in (contrast, np.ones_like(contrast)))
        power = np.mean(np.abs(contrast[ring]) ** 2) * box**3 / n**6
        expected.append(cubes / closed * box**6 / n**9 / (3 * power**2))
    assert min(shells._n_coarse) < n // 2
    np.testing.assert_allclose(shells.bispectrum(shells.modes(field)), expected, rtol=1e-8)


def test_a_reflected_field_has_the_opposite_bispectrum(field: np.ndarray) -> None:
    shells = CubeShells.rings(12, 30.0)
    contrast = field / field.mean() - 1
    up, down = (shells.bispectrum(shells.modes(1 + 0.1 * sign * contrast)) for sign in (1, -1))
    np.testing.assert_allclose(up, -down, rtol=1e-9)
    assert np.nanmax(np.abs(up)) > 0


def test_a_box_too_small_for_triangles_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a box of at least 5 cells"):
        CubeShells.rings(4, 10.0)
