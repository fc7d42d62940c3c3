"""Power spectra of total matter, linear and non-linear, normalised to sigma8. Knows nothing of boxes or files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from threading import Lock
from typing import Any

import camb
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import simpson
from scipy.interpolate import CubicSpline

from configs import Cosmology
from sim.cosmology import growth, omega_nu
from sim.neutrinos import N_EFF, N_SPECIES, T_CMB

K_MIN = 1e-4
K_CAMB = 20.0
K_MAX = 1000.0
"""CAMB is asked up to K_CAMB; its linear power is continued to K_MAX."""
N_TABLE = 1024
ONE_AT_A_TIME = Lock()
"""CAMB is not thread-safe, and ranks may be threads."""
TRIAL_AMPLITUDE = 2e-9
"""A_s of the run that finds which A_s gives the wanted sigma8."""
ROUNDING = 1e-6
"""How far outside a table k may be, relatively: k of float32 may be."""


@dataclass(frozen=True)
class PowerTable:
    """P(k) at rising k: k [h/Mpc], pk [(Mpc/h)^3]."""

    k: NDArray[np.float64]
    pk: NDArray[np.float64]

    def __call__(self, k: ArrayLike) -> NDArray[np.float64]:
        """P at `k`, a cubic spline in log-log; ValueError outside the table."""
        k = np.asarray(k, np.float64)
        if k.size and not self.covers(k.min(), k.max()):
            covered = f"{self.k[0]:g} to {self.k[-1]:g} h/Mpc"
            raise ValueError(f"power table: expected k from {covered}, got {k.min():g} to {k.max():g} h/Mpc")
        return np.exp(self._spline(np.log(k)))

    def covers(self, low: float, high: float) -> bool:
        """Whether P can be had from k = `low` to `high`."""
        return bool(low >= self.k[0] * (1 - ROUNDING) and high <= self.k[-1] * (1 + ROUNDING))

    @cached_property
    def _spline(self) -> CubicSpline:
        """Of ln P over ln k."""
        return CubicSpline(np.log(self.k), np.log(self.pk))

    def sigma(self, radius: float) -> float:
        """Rms of the density in spheres of `radius` [Mpc/h]."""
        x = self.k * radius
        window = 3 * (np.sin(x) - x * np.cos(x)) / x**3
        variance = simpson(self.pk * window**2 * self.k**3 / (2 * np.pi**2), x=np.log(self.k))
        return float(np.sqrt(variance))


@lru_cache(maxsize=64)
def linear_power(cosmology: Cosmology, z: float = 0.0) -> PowerTable:
    """Linear P(k) of CAMB at z=0, scaled to sigma8 exactly and back to `z` by the growth factor of the N-body code.

    With neutrinos it is that of total matter, on small scales less than CAMB's own before z=0 (see `growth`).
    """
    d = growth(cosmology, 1 / (1 + z))
    today = _continued(_trial(cosmology), cosmology.n_s)
    scale = cosmology.sigma8 / today.sigma(8.0) * d
    return PowerTable(today.k, today.pk * scale**2)


@lru_cache(maxsize=64)
def nonlinear_power(cosmology: Cosmology, z: float = 0.0, feedback: float | None = None) -> PowerTable:
    """HMCode2020 of CAMB (Mead et al. 2021), or its baryonic version with log10 T_AGN = `feedback`."""
    return nonlinear_powers(cosmology, [z], feedback)[0]


def nonlinear_powers(
    cosmology: Cosmology, redshifts: Sequence[float], feedback: float | None = None
) -> list[PowerTable]:
    """`nonlinear_power` up to k = 20 h/Mpc at each of `redshifts`, in their order, from one run of CAMB.

    ValueError when there are none, more than 256, or one is negative.
    """
    rising, most = sorted(set(redshifts)), camb.model.max_transfer_redshifts
    if not 1 <= len(rising) <= most or rising[0] < 0:
        got = f"{len(rising)} from {min(rising, default=0)}"
        raise ValueError(f"redshifts: expected 1 to {most} of them, from 0, got {got}")
    ratio = cosmology.sigma8 / _continued(_trial(cosmology), cosmology.n_s).sigma(8.0)
    version: dict[str, Any] = {"halofit_version": "mead2020"}
    if feedback is not None:
        version = {"halofit_version": "mead2020_feedback", "HMCode_logT_AGN": feedback}
    tables = _camb_powers(cosmology, rising, TRIAL_AMPLITUDE * ratio**2, version)
    return [tables[z] for z in redshifts]


@lru_cache(maxsize=64)
def _trial(cosmology: Cosmology) -> PowerTable:
    """CAMB's linear P(k) today, of some amplitude."""
    return _camb_powers(cosmology, [0.0], TRIAL_AMPLITUDE)[0.0]


def _continued(table: PowerTable, n_s: float) -> PowerTable:
    """`table` up to K_MAX with the small-scale solution of cold matter, P ~ k^(n_s-4) ln(k/k0)^2 (Hu & Sugiyama 1996).

    Within 1 % of CAMB at k=100 h/Mpc and 5 % at 200, where CAMB has the pressure of baryons too.
    """
    shape = np.sqrt(table.pk / table.k ** (n_s - 4))
    half = len(table.k) - len(table.k) // 16
    slope = (shape[-1] - shape[half]) / np.log(table.k[-1] / table.k[half])
    k = np.geomspace(K_CAMB, K_MAX, N_TABLE // 4)[1:]
    pk = (shape[-1] + slope * np.log(k / table.k[-1])) ** 2 * k ** (n_s - 4)
    return PowerTable(np.append(table.k, k), np.append(table.pk, pk))


def _camb_powers(
    cosmology: Cosmology, redshifts: list[float], amplitude: float, halofit: dict[str, Any] | None = None
) -> dict[float, PowerTable]:
    """CAMB's P(k) of total matter at rising `redshifts`; non-linear when `halofit` names a version."""
    parameters = _camb_parameters(cosmology)
    parameters.InitPower.set_params(As=amplitude, ns=cosmology.n_s)
    parameters.set_matter_power(redshifts=redshifts[::-1], kmax=K_CAMB * cosmology.h, nonlinear=halofit is not None)
    if halofit is not None:
        parameters.NonLinearModel.set_params(**halofit)
    with ONE_AT_A_TIME:
        results = camb.get_results(parameters)
        k, _, pk = results.get_matter_power_spectrum(minkh=K_MIN, maxkh=K_CAMB, npoints=N_TABLE)
    return {z: PowerTable(k, row) for z, row in zip(redshifts, pk, strict=True)}


def _camb_parameters(cosmology: Cosmology) -> camb.CAMBparams:
    """Matter and dark energy as CAMB wants them: what may cross w = -1 is not a fluid (Fang et al. 2008)."""
    parameters = camb.CAMBparams(WantCls=False)
    if (cosmology.w0, cosmology.wa) != (-1, 0):
        parameters.set_dark_energy(w=cosmology.w0, wa=cosmology.wa, dark_energy_model="ppf")
    parameters.set_cosmology(
        H0=100 * cosmology.h,
        ombh2=cosmology.omega_b * cosmology.h**2,
        omch2=(cosmology.omega_m - cosmology.omega_b - omega_nu(cosmology)) * cosmology.h**2,
        mnu=cosmology.m_nu,
        num_massive_neutrinos=N_SPECIES if cosmology.m_nu else 0,
        nnu=N_EFF,
        TCMB=T_CMB,
    )
    return parameters
