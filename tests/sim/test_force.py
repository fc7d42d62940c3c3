"""The force of the mesh beside Ewald's sum: exact beyond a few cells, antisymmetric, none of a particle on itself.

And of a lattice of particles: plane waves grow as point masses let them, and no faster.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import resonance
from benchmarks.force import DEFAULT, SCHEMES, Engine, Scheme, box_of, ewald, exact, measure
from benchmarks.resonance import Wave, exact_response, rate, response, shares

ALL = pytest.mark.parametrize("scheme", SCHEMES, ids=[scheme.name.replace(" ", "-") for scheme in SCHEMES])
N = 32


@pytest.fixture
def separations() -> np.ndarray:
    return np.random.default_rng(1).random((40, 3)) - 0.5


def test_ewald_does_not_depend_on_how_the_sum_is_split(separations: np.ndarray) -> None:
    for first, second in zip(ewald(separations, 1.6), ewald(separations, 2.4), strict=True):
        np.testing.assert_allclose(first, second, rtol=0, atol=1e-11)


def test_ewald_is_newton_nearby() -> None:
    x = np.array([[0.003, -0.004, 0.0], [0.0, 0.0, 0.002]])
    r = np.linalg.norm(x, axis=1)
    potential, gradient = ewald(x)
    np.testing.assert_allclose(gradient, -x / r[:, None] ** 3, rtol=1e-6, atol=1e-6)
    # The constant of a simple cubic lattice in its neutralising background (e.g. Nijboer & Ruijgrok 1988).
    np.testing.assert_allclose(potential - 1 / r, -2.837297479, atol=1e-4)


def test_ewald_gives_the_constant_of_rock_salt() -> None:
    """Alternating charges on a lattice of spacing 1/2: 1.747565 (Madelung) over the distance of neighbours."""
    sites = np.indices((2, 2, 2)).reshape(3, -1).T[1:] / 2
    charges = (-1.0) ** (2 * sites).sum(axis=1)
    itself = ewald(np.array([[1e-4, 0, 0]]))[0][0] - 1e4
    np.testing.assert_allclose((charges @ ewald(sites)[0] + itself) / 2, -1.7475645946, atol=1e-7)


def test_ewald_solves_poisson(separations: np.ndarray) -> None:
    """The Laplacian of the potential is that of the background, 4 pi, and its gradient is the gradient."""
    step = 1e-3 * np.eye(3)
    sides = np.array([[ewald(separations + sign * e)[0] for e in step] for sign in (1, -1)])
    scale = 1 + np.abs(ewald(separations)[1]).max()
    slopes = (sides[0] - sides[1]).T / 2e-3
    np.testing.assert_allclose(slopes, ewald(separations)[1], atol=1e-4 * scale)
    far = np.linalg.norm(separations, axis=1) > 0.3
    laplacian = (sides.sum(axis=(0, 1)) - 6 * ewald(separations)[0]) / 1e-6
    np.testing.assert_allclose(laplacian[far], 4 * np.pi, rtol=1e-2)


def test_ewald_vanishes_by_symmetry() -> None:
    corners = np.array([[0.5, 0.5, 0.5], [0.5, 0, 0], [0.5, 0.5, 0]])
    np.testing.assert_allclose(ewald(corners)[1], 0, atol=1e-12)


@pytest.mark.parametrize("assignment", ["cic", "tsc"])
def test_the_default_force_is_exact_beyond_a_few_cells(assignment: str) -> None:
    box = box_of(Scheme(assignment), N)
    errors = measure(box, np.array([4.0, 5.0, 6.0, 8.0]), n_sources=6, n_tests=30)
    np.testing.assert_allclose(errors.median, 1, atol=0.01)
    assert np.all(errors.rms < [0.04, 0.03, 0.02, 0.02])


def test_the_force_scales_with_the_mesh_and_not_with_the_particles() -> None:
    """At equal separations in cells, a mesh of 2 cells a spacing errs like one of 1."""
    coarse = measure(box_of(DEFAULT, N), np.array([1.0, 3.0]), n_sources=6, n_tests=30)
    fine = measure(box_of(DEFAULT, N // 2, 2), np.array([0.5, 1.5]), n_sources=6, n_tests=30)
    np.testing.assert_allclose(fine.median, coarse.median, rtol=0.05)


@ALL
def test_every_scheme_is_right_on_average_far_away(scheme: Scheme) -> None:
    errors = measure(box_of(scheme, N), np.array([8.0]), n_sources=2, n_tests=40)
    assert abs(errors.median[0] - 1) < 0.02


@ALL
def test_pairs_attract_each_other_equally(scheme: Scheme) -> None:
    rng = np.random.default_rng(7)
    engine = Engine.of(box_of(scheme, N))
    for r in (0.3, 1.0, 4.0):
        direction = rng.standard_normal(3)
        pos = rng.random(3) * N + np.array([[0.0], [r / np.linalg.norm(direction)]]) * direction
        force = engine.force(pos)
        assert np.abs(force.sum(axis=0)).max() < 2e-5 * np.abs(force).max()


@ALL
def test_a_particle_does_not_attract_itself(scheme: Scheme) -> None:
    engine = Engine.of(box_of(scheme, N))
    neighbour = np.linalg.norm(exact(np.array([[1.0, 0.0, 0.0]]), N, 1.0))
    for pos in np.random.default_rng(8).random((5, 1, 3)) * N:
        assert np.abs(engine.force(pos)).max() < 1e-5 * neighbour


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_wave_on_the_lattice_feels_what_double_precision_says(factor: int) -> None:
    """Modes of the particles and modes beyond them, each by its own transform, add up to the force of the engine."""
    wave = Wave(8, 2)
    for scheme in resonance.SCHEMES:
        np.testing.assert_allclose(sum(shares(scheme, wave, factor)), response(scheme, wave, factor), rtol=1e-4)


def test_the_default_force_grows_waves_on_a_fine_mesh_as_point_masses_do() -> None:
    """Spectral gradients and deconvolution let the sidebands of the lattice add to it on a 2x mesh."""
    wave = Wave(16, 2)
    exact_rate = rate(exact_response(wave))
    assert 0.005 < exact_rate - 1 < 0.015
    for factor in (2, 3):
        assert abs(rate(response(DEFAULT, wave, factor)) - exact_rate) < 0.01
    assert rate(response(Scheme(gradient="spectral"), wave, 2)) > 1.05
    assert rate(response(Scheme(deconvolve=True), wave, 2)) > 1.05
    assert shares(Scheme(gradient="spectral"), wave, 2)[1] > 3 * shares(DEFAULT, wave, 2)[1]


def test_a_long_wave_of_any_scheme_grows_as_linear_theory_says() -> None:
    """Point masses and a 3x mesh, whose Nyquist frequency no sideband of the lattice hits."""
    wave = Wave(32, 1)
    for scheme in resonance.SCHEMES:
        assert abs(rate(response(scheme, wave, 3)) - 1) < 0.01
    assert abs(rate(exact_response(Wave(16, 1))) - 1) < 0.005
