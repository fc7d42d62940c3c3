"""What others say S(k) is: HMCode2020 with feedback, and SP(k) for given baryon fractions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyspk import sup_model

from benchmarks.hydro.boxes import COSMOLOGY, SPK_REDSHIFT, K
from sim.power import nonlinear_power

Array = NDArray[np.float64]

FEEDBACK = (7.6, 7.8, 8.0)
SPK_LIMIT = 5.0
"""Largest k [h/Mpc] that is compared with SP(k)."""


def band() -> dict[float, Array]:
    """S at `K` of HMCode2020 at each log10 T_AGN, z = 0."""
    without = nonlinear_power(COSMOLOGY)(K)
    return {heat: nonlinear_power(COSMOLOGY, 0.0, heat)(K) / without for heat in FEEDBACK}


def spk(mass: Array, share: Array) -> Array:
    """S at `K` up to SPK_LIMIT of SP(k) (Salcido et al. 2023, arXiv:2305.09710) at SPK_REDSHIFT.

    `share` is the baryon fraction inside R200c over the cosmic one of halos of `mass` [Msun].
    """
    wanted = {"k_array": K[K <= SPK_LIMIT], "M_halo": mass, "fb": share, "extrapolate": True}
    return np.asarray(sup_model(SO=200, z=SPK_REDSHIFT, **wanted)[1])
