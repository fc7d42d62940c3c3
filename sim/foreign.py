"""The same cosmology as an object of astropy, for those who want its other distances and times.

A file of its own because importing astropy.cosmology takes half as long as importing the N-body engine.
"""

from __future__ import annotations

from typing import Any

from astropy import units
from astropy.cosmology import FlatLambdaCDM, Flatw0waCDM

from configs import Cosmology
from sim.cosmology import omega_nu
from sim.neutrinos import N_EFF, N_SPECIES, T_CMB


def to_astropy(cosmology: Cosmology) -> FlatLambdaCDM | Flatw0waCDM:
    """The same cosmology in astropy, without radiation if neutrinos have no mass.

    If they have, astropy wants photons with them: E is 0.4 % more than ours at z=49 and 0.013 % at z=1, the distance
    to z=3 is 0.014 % less. Its Om0 is without neutrinos. Their density is within 0.4 % of ours: it does not heat them
    to reach Neff, as CAMB and we do, and is a fit (Komatsu et al. 2011, eq. 26).
    """
    common: dict[str, Any] = {"H0": 100 * cosmology.h, "Om0": cosmology.omega_m - omega_nu(cosmology)}
    common |= {"Ob0": cosmology.omega_b, "Tcmb0": 0}
    if cosmology.m_nu:
        masses = [cosmology.m_nu / N_SPECIES] * N_SPECIES
        common |= {"Tcmb0": T_CMB, "Neff": N_EFF, "m_nu": units.Quantity(masses, "eV")}
    if (cosmology.w0, cosmology.wa) == (-1, 0):
        return FlatLambdaCDM(**common)
    return Flatw0waCDM(w0=cosmology.w0, wa=cosmology.wa, **common)
