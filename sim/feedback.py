"""What the parameters of CAMELS-IllustrisTNG do to our baryons: a model, not a fit.

Each baryon parameter answers each CAMELS parameter linearly in dex, with the signs that are published:

- stronger or faster galactic winds leave fewer stars and, as they starve black holes, less gas ejected from groups
  (Villaescusa-Navarro et al. 2021, arXiv:2010.00619; Delgado et al. 2023, arXiv:2301.02231; Gebhardt et al. 2024,
  arXiv:2307.11832). What makes winds stronger, in energy for each star formed, works alike: a shallower initial mass
  function, lighter stars that explode, less weakening by metals, added momentum;
- stronger, burstier or earlier kinetic feedback of black holes empties heavier halos, which suppresses power (Delgado
  et al. 2023; Gebhardt et al. 2024; Ni et al. 2023, arXiv:2304.02096), and so does what lets black holes grow:
  heavier seeds, faster accretion, less mass lost to radiation. Heating by quasars makes them stop at a lower mass;
- slower star formation leaves fewer stars and more cold gas;
- stars form from baryons: their share follows omega_b / omega_m.

Sizes are ours, an order of magnitude read off those papers. Parameters without a row have no response (`UNMAPPED`):
h, n_s and sigma8, whose effect is in the halos; the ultraviolet background, type Ia supernovae and softening, which act
below our halos or on metals; and what has no published sign here. Sums of responses are squashed, smoothly and
monotonically, into intervals in which every baryon model is valid, so that every vector of the published ranges is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from configs import Baryons
from sim.designs import FIDUCIAL, NAMES, PARAMETERS, checked

LIMITS = {
    "log10_m_c": (11.6, 15.4),
    "mu": (0.2, 2.0),
    "theta_ej": (2.0, 12.0),
    "theta_co": (0.01, 0.6),
    "n_star": (0.002, 0.06),
    "log10_m_star": (10.8, 12.2),
    "inner_gas": (0.01, 0.9),
}
"""What a baryon parameter can become. With fewer than 0.06 no halo of CAMELS has more stars than baryons."""

RESPONSES = {
    "WindEnergyIn1e51erg": {"n_star": -0.20, "log10_m_star": 0.08, "log10_m_c": -0.20},
    "VariableWindVelFactor": {"n_star": -0.20, "log10_m_star": 0.08, "log10_m_c": -0.25},
    "VariableWindSpecMomentum": {"n_star": -0.06, "log10_m_c": -0.05},
    "WindEnergyReductionFactor": {"n_star": -0.10, "log10_m_c": -0.08},
    "WindEnergyReductionMetallicity": {"n_star": -0.06, "log10_m_c": -0.05},
    "IMFslope": {"n_star": -0.10, "log10_m_c": -0.08},
    "SNII_MinMass_Msun": {"n_star": 0.06, "log10_m_c": 0.05},
    "MaxSfrTimescale": {"n_star": -0.03, "inner_gas": 0.15},
    "RadioFeedbackFactor": {"log10_m_c": 0.05, "theta_ej": 0.01},
    "RadioFeedbackReiorientationFactor": {"log10_m_c": 0.10, "theta_ej": 0.02, "theta_co": 0.03, "n_star": -0.02},
    "SeedBlackHoleMass": {"log10_m_c": 0.12, "n_star": -0.03},
    "BlackHoleAccretionFactor": {"log10_m_c": 0.08, "n_star": -0.02},
    "BlackHoleEddingtonFactor": {"log10_m_c": 0.06},
    "BlackHoleFeedbackFactor": {"log10_m_c": -0.06, "n_star": -0.02},
    "BlackHoleRadiativeEfficiency": {"log10_m_c": -0.10},
    "QuasarThreshold": {"log10_m_c": 0.25, "theta_ej": 0.03, "n_star": -0.10},
    "QuasarThresholdPower": {"mu": 0.05},
}
"""CAMELS parameter -> baryon parameter -> change in dex for one published unit, two steps of the 1P set."""

_BARYON_SHARE = ("Omega0", "OmegaBaryon")
UNMAPPED = tuple(name for name in NAMES if name not in RESPONSES and name not in _BARYON_SHARE)
"""CAMELS parameters that change no baryon parameter."""


def baryons_of(vector: ArrayLike, fiducial: Baryons | None = None) -> Baryons:
    """The baryon parameters of a CAMELS vector (35,); its fiducial vector gives `fiducial`, by default `Baryons()`.

    ValueError for a value outside the published ranges and for a `fiducial` model outside `LIMITS`.
    """
    start = fiducial or Baryons()
    values = checked(vector)
    dex = dict.fromkeys(LIMITS, 0.0)
    for parameter, value in zip(PARAMETERS, values.tolist(), strict=True):
        for name, slope in RESPONSES.get(parameter.name, {}).items():
            dex[name] += slope * parameter.scaled(value)
    dex["n_star"] += _log_share(values) - _log_share(FIDUCIAL)
    return start.model_copy(update={name: _moved(name, getattr(start, name), by) for name, by in dex.items() if by})


def _log_share(vector: ArrayLike) -> float:
    """log10 of omega_b / omega_m."""
    matter, baryons = (np.asarray(vector)[NAMES.index(name)] for name in _BARYON_SHARE)
    return float(np.log10(baryons / matter))


def _moved(name: str, value: float, dex: float) -> float:
    """`value` moved by `dex` within the limits of its parameter."""
    low, high = LIMITS[name]
    if not low < value < high:
        raise ValueError(f"baryons: expected {name} between {low} and {high} to vary it, got {value}")
    if name.startswith("log10_"):
        return value + _squashed(dex, value - low, high - value)
    return float(value * 10 ** _squashed(dex, np.log10(value / low), np.log10(high / value)))


def _squashed(step: float, below: float, above: float) -> float:
    """`step` if it is small, never as far as `below` or `above`, rising with it."""
    room = above if step > 0 else below
    return float(room * np.tanh(step / room))
