"""Satellites: the whole mass of each halo, the number and the mass function that the formula gives."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad

from sim import satellites
from sim.satellites import FAINTEST, HEAVIEST, KNEE, SLOPE, Satellites, drawn

Array = NDArray[np.float64]


def shape(log_x: float) -> float:
    return float(np.exp((SLOPE + 1) * log_x - np.exp(2 * log_x)))


def of(total: Array, central: float = 1e11, n_particles: int = 100_000, seed: int = 1) -> Satellites:
    rngs = [np.random.default_rng([seed, i]) for i in range(len(total))]
    n = len(total)
    return drawn(total, np.full(n, central), np.full(n, n_particles), rngs)


def test_each_halo_keeps_its_whole_mass() -> None:
    total = np.array([0.0, 1e8, 3e10, 5e12, 0.0, 2e11])
    found = of(total)
    np.testing.assert_allclose(np.bincount(found.halo, found.mass, minlength=6), total, rtol=1e-12)
    assert found.mass.min() > 0
    assert np.bincount(found.halo, minlength=6)[1] == 1  # too little for any: still one


def test_no_particle_is_taken_twice_and_all_are_equally_likely() -> None:
    found = of(np.full(2000, 5e11), n_particles=40)
    assert len(np.unique(found.halo * 40 + found.rank)) == len(found.rank)
    counts = np.bincount(found.rank, minlength=40)
    assert counts.sum() > 10_000
    np.testing.assert_allclose(counts, counts.mean(), atol=5 * np.sqrt(counts.mean()))


def test_more_satellites_than_particles_are_not_made() -> None:
    found = of(np.array([1e14]), n_particles=7)
    np.testing.assert_array_equal(np.sort(found.rank), np.arange(7))
    np.testing.assert_allclose(found.mass.sum(), 1e14, rtol=1e-12)


def test_numbers_and_masses_follow_the_mass_function() -> None:
    """Mean number by quadrature; then the share of galaxies in each decade of mass, in halos rich enough."""
    low, high, total, central = np.log(FAINTEST), np.log(HEAVIEST), 2e12, 1e11
    mass = quad(lambda t: shape(t) * np.exp(t), low, high)[0]
    expected = total / (KNEE * central) * quad(shape, low, high)[0] / mass
    found = of(np.full(300, total), central)
    counts = np.bincount(found.halo, minlength=300)
    np.testing.assert_allclose(satellites.expected_number(np.array(total), np.array(central)), expected, rtol=1e-3)
    np.testing.assert_allclose(counts.mean(), expected, atol=4 * np.sqrt(expected / 300))
    np.testing.assert_allclose(counts.var(), expected, rtol=0.3)
    edges = np.log([0.015, 0.05, 0.2, 0.7])
    shares = np.array([quad(shape, *pair)[0] for pair in itertools.pairwise(edges)])
    got = np.histogram(np.log(found.mass / (KNEE * central)), edges)[0]
    np.testing.assert_allclose(got / got.sum(), shares / shares.sum(), atol=0.02)


def test_heavier_galaxies_have_heavier_satellites() -> None:
    few, many = (of(np.full(50, 2e12), central) for central in (3e11, 3e10))
    assert len(many.mass) > 5 * len(few.mass)
    assert many.mass.max() < few.mass.max()


def test_no_satellites_without_halos() -> None:
    found = of(np.empty(0))
    assert len(found.halo) == len(found.rank) == len(found.mass) == 0
