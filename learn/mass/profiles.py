"""Radial profiles of an analysed lens, with the 68 % of the draws around them, as columns with units in their names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from learn.mass.analysis import Analysis
from learn.mass.measure import QUANTILES
from sim.lensing.rings import Rings

Array = NDArray[np.float64]
Columns = dict[str, Array]


def profiles(analysis: Analysis) -> Columns:
    """Columns (R,): `NAME`, and `NAME_low` and `NAME_high` of the draws where there are some.

    mass_arcsec2 is the mass within, over the critical surface density.
    """
    radii, distances = analysis.rings.radii.numpy(), analysis.distances
    columns = {"radius_arcsec": radii}
    if distances is not None:
        columns["radius_kpc"] = distances.length(radii).to_value("kpc")
    columns |= banded(analysis, "kappa", lambda rings: rings.kappa.numpy())
    columns |= banded(analysis, "mean_kappa", lambda rings: rings.mean_kappa.numpy())
    columns |= banded(analysis, "mass_arcsec2", lambda rings: np.pi * radii**2 * rings.mean_kappa.numpy())
    if distances is not None:
        weigh = distances.mass
        columns |= banded(analysis, "mass_msun", lambda rings: weigh(rings.mean_kappa.numpy(), radii).to_value("Msun"))
    return columns


def around(analysis: Analysis) -> Columns:
    """Columns (A,) of the circle of the Einstein radius, of each draw its own: convergence and radial deflection."""
    n = analysis.rings.kappa_around.shape[1]
    columns: Columns = {"angle_deg": np.linspace(0, 360, n, endpoint=False, dtype=np.float64)}
    columns |= banded(analysis, "kappa", lambda rings: rings.kappa_around.numpy())
    columns |= banded(analysis, "alpha_r_arcsec", lambda rings: rings.alpha_around.numpy())
    columns |= banded(analysis, "kappa_over_mean", lambda rings: over_mean(rings.kappa_around.numpy()))
    return columns | banded(analysis, "alpha_r_over_mean", lambda rings: over_mean(rings.alpha_around.numpy()))


def over_mean(values: Array) -> Array:
    """Each row over its own."""
    return values / values.mean(axis=1, keepdims=True)


def banded(analysis: Analysis, name: str, of: Callable[[Rings], Array]) -> Columns:
    """What `of` makes of the rings: (1, n) of the best parameters, and the outer quantiles of (B, n)."""
    columns: Columns = {name: of(analysis.rings)[0]}
    if analysis.drawn_rings is not None:
        low, high = np.nanquantile(of(analysis.drawn_rings), QUANTILES[::2], axis=0)
        columns |= {f"{name}_low": low, f"{name}_high": high}
    return columns
