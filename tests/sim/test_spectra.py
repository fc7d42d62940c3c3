"""Spectra: white noise is flat, one sine is one bin, windows cancel what painting did, Parseval holds.

Of particles: aliases are gone where two meshes interlace, and ranks and threads change nothing.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from sim.fourier import Fourier
from sim.maps import project
from sim.mesh import paint
from sim.parallel import Comm, ThreadComm, n_threads_of_rank, set_threads
from sim.slab import Slab
from sim.spectra import (
    Spectrum,
    correlation,
    linear_edges,
    log_edges,
    particle_power,
    power,
    power_of_modes,
    suppression,
)

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


def clumps(n_points: int, seed: int) -> np.ndarray:
    """Points scattered by 0.7 Mpc/h around random centres, (n, 3): clustered beyond the Nyquist frequencies here."""
    rng = np.random.default_rng(seed)
    centres = rng.random((n_points // 20, 3)) * BOX
    return ((np.repeat(centres, 20, axis=0) + 0.7 * rng.standard_normal((n_points, 3))) % BOX).astype(np.float32)


def test_same_bits_at_any_number_of_threads() -> None:
    before = n_threads_of_rank()
    assert before > 1
    field, pos, found = noise(96, 3).astype(np.float32), clumps(2000, 1), []
    for n_threads in (1, before, before, before):
        set_threads(n_threads)
        found.append(np.r_[power(field, BOX, window="tsc", shot_noise=1.0).pk, particle_power(pos, BOX, 32).pk])
    for each in found[1:]:
        np.testing.assert_array_equal(each, found[0])


def test_single_precision_agrees_with_double() -> None:
    """A field whose power falls by four decades, as that of matter does, on top of a mean far above its scatter."""
    n = 64
    white = np.fft.rfftn(np.random.default_rng(5).standard_normal((n, n, n)))
    k = np.sqrt(sum(np.square(part) for part in np.ix_(*[np.fft.fftfreq(n) * n] * 2, np.arange(n // 2 + 1))))
    field = 1000 * (1 + 0.03 * np.fft.irfftn(white / (1 + (k / 3) ** 2), s=(n, n, n), axes=(0, 1, 2)))
    single = field.astype(np.float32)
    found, expected = power(single, BOX), power(single.astype(np.float64), BOX)
    assert expected.pk[0] > 1e3 * expected.pk[-1]
    np.testing.assert_allclose(found.pk, expected.pk, rtol=1e-6)


@pytest.mark.parametrize("n", [16, 15])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_modes_of_slabs_have_the_power_of_the_field(size: int, n: int) -> None:
    a, b = noise(n, 3, 1), noise(n, 3, 2)

    def cross(comm: Comm) -> Spectrum:
        fourier = Fourier(Slab(n, BOX, comm))
        parts = (field[fourier.slab.lo : fourier.slab.hi] / field.mean() - 1 for field in (a, b))
        first, second = (fourier.forward(part) for part in parts)
        return power_of_modes(first, fourier, second, window="cic", shot_noise=0.3)

    expected = power(a, BOX, b, window="cic", shot_noise=0.3)
    for found in ThreadComm.run(size, cross):
        np.testing.assert_array_equal(found.n_modes, expected.n_modes)
        np.testing.assert_allclose(found.k, expected.k, rtol=1e-12)
        np.testing.assert_allclose(found.pk, expected.pk, rtol=1e-9, atol=1e-12)


def test_modes_of_another_mesh_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected modes of shape \(8, 8, 5\), got \(8, 8, 8\)"):
        power_of_modes(np.zeros((8, 8, 8), complex), Fourier(Slab(8, BOX)))


def test_particles_have_the_power_of_the_mesh_they_are_painted_on() -> None:
    pos = clumps(4000, 2)
    found = particle_power(pos, BOX, 32, assignment="cic", interlace=False, n_bins=5)
    np.testing.assert_allclose(found.pk, power(paint(pos, BOX, 32), BOX, window="cic", n_bins=5).pk, rtol=1e-6)


@pytest.mark.parametrize("assignment", ["cic", "tsc"])
def test_interlacing_removes_odd_aliases(assignment: Any) -> None:
    """A wave of 29 periods on a mesh of 32 cells looks like one of 3; halfway between the cells, like its opposite."""
    n, n_fine = 32, 128
    q = (np.indices((n_fine, n, n)).reshape(3, -1).T + 0.5) * [BOX / n_fine, BOX / n, BOX / n]
    q[:, 0] += 0.01 * np.sin(29 * FUNDAMENTAL * q[:, 0])
    plain, interlaced = (
        particle_power(q.astype(np.float32), BOX, n, assignment=assignment, interlace=on) for on in (False, True)
    )
    assert np.argmax(plain.pk) == 2
    assert interlaced.pk[2] < 1e-4 * plain.pk[2]


@pytest.mark.parametrize("assignment", ["cic", "tsc"])
def test_interlacing_is_as_good_as_a_finer_mesh(assignment: Any) -> None:
    pos = clumps(20000, 3)
    exact = particle_power(pos, BOX, 128, assignment="tsc", edges=linear_edges(BOX, 32)).pk
    plain, interlaced = (particle_power(pos, BOX, 32, assignment=assignment, interlace=on).pk for on in (False, True))
    np.testing.assert_allclose(interlaced, exact, rtol=0.01)
    assert plain[-1] > 1.1 * exact[-1]


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("assignment", ["cic", "tsc"])
def test_shot_noise_of_particles_is_removed(assignment: Any, interlace: bool) -> None:
    n_points = 20000
    pos = (np.random.default_rng(4).random((n_points, 3)) * BOX).astype(np.float32)
    shot = BOX**3 / n_points
    found = particle_power(pos, BOX, 32, assignment=assignment, interlace=interlace, shot_noise=shot)
    assert np.abs(found.pk / shot * np.sqrt(found.n_modes / 2)).max() < 4
    assert abs(np.average(found.pk[-5:], weights=found.n_modes[-5:])) < 0.03 * shot


@pytest.mark.parametrize("size", [2, 3])
def test_particles_of_ranks_have_the_power_of_all(size: int) -> None:
    pos = clumps(4000, 2)

    def of_rank(comm: Comm) -> np.ndarray:
        return particle_power(pos[Slab(16, BOX, comm).owners(pos) == comm.rank], BOX, 16, comm=comm, n_bins=4).pk

    for found in ThreadComm.run(size, of_rank):
        np.testing.assert_allclose(found, particle_power(pos, BOX, 16, n_bins=4).pk, rtol=1e-6)


@pytest.mark.parametrize(("n_points", "assignment"), [(0, "cic"), (5, "pcs")])
def test_no_particles_and_no_scheme_are_refused(n_points: int, assignment: Any) -> None:
    words = f"particles and an assignment of cic, tsc, got {n_points} and '{assignment}'"
    with pytest.raises(ValueError, match=words):
        particle_power(np.ones((n_points, 3), np.float32), BOX, 8, assignment=assignment)


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
