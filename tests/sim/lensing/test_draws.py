from __future__ import annotations

import numpy as np
import pytest
from lenstronomy.Cosmo.lens_cosmo import LensCosmo
from small_lenses import FAMILIES, family

from configs.lensing import Subhalos
from configs.priors import Choice, Normal, Prior, Uniform
from sim.foreign import to_astropy
from sim.lensing.draws import between, einstein_radius, power_law, system, value
from sim.lensing.planes import scaling
from sim.lensing.truth import TRUTH

COSMOLOGY = family("foundation").cosmology


def values(prior: Prior, n: int = 4000) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.array([value(prior, rng) for _ in range(n)])


def test_priors_are_the_distributions_they_say() -> None:
    assert set(values(2.5, 10)) == {2.5}
    flat, steep = values(Uniform(low=1, high=3)), values(Uniform(low=1, high=100, log=True))
    assert (flat.mean(), flat.std()) == pytest.approx((2, 2 / 12**0.5), abs=0.03)
    assert np.log10(steep).mean() == pytest.approx(1, abs=0.03)
    cut = values(Normal(mean=0, std=1, low=0, high=2))
    assert 0 <= cut.min() < cut.max() <= 2
    assert cut.mean() == pytest.approx((1 - np.exp(-2)) / np.sqrt(2 * np.pi) / 0.4772499, abs=0.03)
    some = values(Choice(choice=(1.0, 5.0, 7.0), weights=(3.0, 0.0, 1.0)))
    assert set(some) == {1.0, 7.0}
    assert (some == 1).mean() == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_system_is_a_function_of_seed_index_and_attempt(name: str) -> None:
    config = family(name)
    one, again = system(config, 7, 0), system(config.model_copy(update={"n": 5, "systems_per_task": 3}), 7, 0)
    assert one.numbers == again.numbers
    np.testing.assert_array_equal(one.subhalos, again.subhalos)
    np.testing.assert_array_equal(one.clumps, again.clumps)
    others = [system(config, 8, 0), system(config, 7, 1), system(config.model_copy(update={"seed": 1}), 7, 0)]
    assert len({other.numbers["theta_e"] for other in (one, *others)}) == 4
    assert list(one.numbers) == list(TRUTH)
    assert {other.subhalos.shape for other in others} == {one.subhalos.shape}


def test_einstein_radii_and_planes_are_those_of_astropy() -> None:
    told = LensCosmo(0.4, 1.9, cosmo=to_astropy(COSMOLOGY)).sis_sigma_v2theta_E(250.0)
    assert einstein_radius(250.0, 0.4, 1.9, COSMOLOGY) == pytest.approx(told, rel=1e-5)
    assert einstein_radius(250.0, 0.9, 0.5, COSMOLOGY) == 0
    factor = scaling([0.3, 0.8], 2.0, to_astropy(COSMOLOGY))[0, 1]
    assert between(0.3, 0.8, 2.0, COSMOLOGY) == between(0.8, 0.3, 2.0, COSMOLOGY) == pytest.approx(factor, rel=1e-5)


def test_subhalos_have_their_mass_function() -> None:
    config, rng = Subhalos(number=3.0, slope=-1.9, theta_e=(0.01, 0.1), radius=1.0), np.random.default_rng(0)
    mass = np.array([power_law(config, rng) for _ in range(20_000)]) ** 1.5
    assert 0.01**1.5 <= mass.min() < mass.max() <= 0.1**1.5
    edges = np.geomspace(0.01, 0.1, 5) ** 1.5
    counts = np.histogram(mass, edges)[0]
    np.testing.assert_allclose(
        counts / counts.sum(), np.diff(edges**-0.9) / (edges[-1] ** -0.9 - edges[0] ** -0.9), atol=0.01
    )


def test_lenses_without_light_and_sources_behind_nothing_are_told_so() -> None:
    dark = system(family("foundation"), 0, 0)
    assert dark.numbers["lens_magnitude"] == np.inf
    assert (dark.numbers["kappa_s"], dark.numbers["theta_e_los"], dark.numbers["sigma_v"]) == (0, 0, 0)
    assert dark.subhalos.shape == (0, 3)
    clumpy = [system(family("enhanced"), i, 0) for i in range(12)]
    shares = [one.clumps[:, 0].sum() for one in clumpy]
    assert set(np.round(shares, 12)) == {0.0, 1.0}
