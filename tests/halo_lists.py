"""A catalogue of random halos, and what it means that a reader found it."""

from __future__ import annotations

import numpy as np

from sim.halo_list import Halos, PeriodicBox, sphere_radius
from sim.halos import Catalog

BOX = 50.0


def catalog(n: int = 7, *, redshift: float = 0.0, omega_m: float = 0.3) -> Catalog:
    """Random halos with spheres, the last without one."""
    rng = np.random.default_rng(n)
    mass = np.append(np.sort(rng.lognormal(31, 1, n - 1))[::-1], 0.0)
    return Catalog(
        center=rng.random((n, 3)) * BOX,
        mass_fof=1.1 * mass + 1e11,
        n_particles=rng.integers(20, 10**6, n),
        m200c=mass,
        r200c=sphere_radius(mass, PeriodicBox(BOX, redshift, omega_m)),
        box_size=BOX,
        vel=rng.normal(0, 300, (n, 3)),
        m200m=1.2 * mass,
        r200m=2 * mass ** (1 / 3) / 1e5,
    )


def check_same(found: Halos, expected: Catalog, *, rtol: float) -> None:
    np.testing.assert_allclose(found.center, expected.center, rtol=rtol)
    np.testing.assert_allclose(found.m200c, expected.m200c, rtol=rtol)
    np.testing.assert_allclose(found.r200c, expected.r200c, rtol=rtol)
    np.testing.assert_array_equal(found.number, np.arange(len(expected)))
