from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from learn.scores.bispectrum import EquilateralBispectrum
from learn.scores.geometry import Geometry
from learn.scores.views import Modes, contrast_modes

N = 64
GEOMETRY = Geometry(N, 0.5)


def white(seed: int, n: int) -> NDArray[np.float64]:
    """Gaussian contrasts whose modes are all within 2/9 of the grid, so that no square of them is aliased."""
    modes = np.fft.rfft2(np.random.default_rng(seed).normal(size=(n, N, N)))
    wave = np.hypot(np.fft.fftfreq(N, 1 / N)[:, None], np.arange(N // 2 + 1)[None])
    field = np.fft.irfft2(np.where((wave > 0) & (wave < 2 / 9 * N), modes, 0), s=(N, N))
    return field / field.std()


def modes_of(contrast: NDArray, geometry: Geometry = GEOMETRY) -> Modes:
    return contrast_modes(1 + contrast, geometry)


@pytest.mark.parametrize("periodic", [True, False])
def test_a_quadratic_field_has_the_bispectrum_of_theory(periodic: bool) -> None:
    """With delta = g + f g^2: B = 2 f (P1 P2 + P2 P3 + P3 P1) to first order in f; what f does not turn cancels."""
    geometry = Geometry(N, 0.5, periodic=periodic)
    statistic, g, f = EquilateralBispectrum(geometry), 0.05 * white(0, 1000), 0.3
    square = g**2 - (g**2).mean()
    plus, minus = (statistic.bispectrum(modes_of(g + sign * f * square, geometry)).mean(axis=0) for sign in (1, -1))
    plain = statistic.shells.power(modes_of(g, geometry), modes_of(g, geometry)).mean(axis=0)
    p = np.interp(statistic.axis, statistic.shells.k, plain)
    fundamental = 2 * np.pi / geometry.box_size
    inside = (statistic.axis > 4 * fundamental) & (statistic.axis < 0.8 * 2 / 9 * N * fundamental)
    assert inside.sum() >= 3
    np.testing.assert_allclose(((plus - minus) / 2)[inside], (6 * f * p**2)[inside], rtol=0.08)


def test_b_is_cubic_in_the_contrast_and_odd() -> None:
    statistic, field = EquilateralBispectrum(GEOMETRY), 0.1 * white(1, 1)[0]
    one, twice, mirrored = (statistic.bispectrum(modes_of(by * field)) for by in (1, 2, -1))
    np.testing.assert_allclose(twice, 8 * one, rtol=1e-9, atol=1e-20)
    np.testing.assert_allclose(mirrored, -one, rtol=1e-9, atol=1e-20)


def test_turns_mirrors_and_rolls_change_nothing(lognormal: Callable, views: Callable) -> None:
    statistic, truth = EquilateralBispectrum(GEOMETRY), lognormal(0)
    expected = statistic.measure(views(truth))
    for moved in (np.rot90(truth, axes=(2, 3)), truth[..., ::-1], np.roll(truth, (5, 3), (2, 3))):
        np.testing.assert_allclose(statistic.measure(views(moved)), expected, rtol=1e-9)


def test_one_ring_agrees_with_a_sum_over_its_triangles() -> None:
    """Three sines of one wavelength whose waves close a triangle: B is the product of their modes."""
    n, m = 32, np.array([[3, 0], [0, 3], [-3, -3]])
    statistic = EquilateralBispectrum(Geometry(n, 1.0))
    x = np.arange(n)
    field = np.ones((n, n)) + sum(0.1 * np.cos(2 * np.pi * (i * x[:, None] + j * x[None]) / n) for i, j in m)
    modes = np.fft.fft2(field - 1)
    line = np.fft.fftfreq(n, 1 / n).astype(int)
    k = 2 * np.pi / n * np.hypot(line[:, None], line[None])
    found = statistic.bispectrum(contrast_modes(field, statistic.geometry))
    edges = np.array(statistic.shells.edges)
    assert len(found) >= 4
    bins = [np.searchsorted(edges, one) - 1 for one in statistic.axis]
    for b, value in zip(bins, found, strict=True):
        ring = [tuple(at) for at in np.argwhere((k >= edges[b]) & (k < edges[b + 1]))]
        members = {(int(line[i]), int(line[j])) for i, j in ring}
        closing = [(p, q, (-p[0] - q[0], -p[1] - q[1])) for p in members for q in members]
        triangles = [one for one in closing if one[2] in members]
        total = sum((modes[p] * modes[q] * modes[r]).real for p, q, r in triangles)
        expected = total / len(triangles) * n**4 / n**6
        assert value == pytest.approx(expected, abs=1e-9 * n**2, rel=1e-8)


def test_blank_maps_have_none_and_the_truth_no_error(lognormal: Callable, views: Callable) -> None:
    statistic, truth = EquilateralBispectrum(GEOMETRY), lognormal(0)
    measured = statistic.measure(views(truth))
    blank = statistic.measure(views(np.ones_like(truth), truth))
    np.testing.assert_array_equal(blank, 0)
    np.testing.assert_array_equal(statistic.scores(measured, measured)["bispectrum"], 0)
    np.testing.assert_allclose(statistic.scores(blank, measured)["bispectrum"], 1)
