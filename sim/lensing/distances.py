"""From angles to masses, speeds and days: the distances of a lens and its source. Everything has its astropy unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import astropy.cosmology
import numpy as np
from astropy import constants, units
from astropy.cosmology import FLRW, FlatLambdaCDM
from astropy.units import Quantity

from configs.mass_analysis import flat, known


def cosmology_of(name: str) -> FLRW:
    """Planck15, Planck18 or WMAP9 of astropy, or FlatLambdaCDM(H0, Om0); ValueError for others."""
    told = flat(known(name))
    return getattr(astropy.cosmology, name) if told is None else FlatLambdaCDM(H0=told[0], Om0=told[1])


@dataclass(frozen=True)
class Distances:
    """Angular diameter distances to the lens, to the source and between them."""

    z_lens: float
    lens: Quantity
    source: Quantity
    between: Quantity

    @classmethod
    def of(cls, z_lens: float, z_source: float, cosmology: FLRW) -> Distances:
        """ValueError unless the lens is in front of the source."""
        if not 0 < z_lens < z_source:
            raise ValueError(f"distances: expected 0 < z_lens < z_source, got {z_lens:g} and {z_source:g}")
        to = cosmology.angular_diameter_distance
        return cls(z_lens, to(z_lens), to(z_source), to(z_lens, z_source))

    @property
    def sigma_crit(self) -> Quantity:
        """Critical surface density c^2 D_s / (4 pi G D_l D_ls)."""
        value = constants.c**2 / (4 * np.pi * constants.G) * self.source / (self.lens * self.between)
        return value.to(units.Msun / units.kpc**2)

    @property
    def time_delay(self) -> Quantity:
        """(1 + z_l) D_l D_s / D_ls."""
        return ((1 + self.z_lens) * self.lens * self.source / self.between).to(units.Mpc)

    def length(self, angle: Any) -> Quantity:
        """In the plane of the lens, of an angle [arcsec]."""
        return (self.lens * _radians(angle)).to(units.kpc)

    def mass(self, mean_convergence: Any, radius: Any) -> Quantity:
        """Projected mass within circles of `radius` [arcsec] in which the mean convergence is this."""
        return (mean_convergence * self.sigma_crit * np.pi * self.length(radius) ** 2).to(units.Msun)

    def dispersion(self, theta_e: Any) -> Quantity:
        """sigma_v of the singular isothermal sphere of this Einstein radius [arcsec]."""
        ratio = _radians(theta_e) * (self.source / self.between).to_value("") / (4 * np.pi)
        return (constants.c * np.sqrt(ratio)).to(units.km / units.s)

    def einstein_radius(self, sigma: Quantity) -> Quantity:
        """Of the singular isothermal sphere of this velocity dispersion."""
        ratio = (sigma / constants.c).to_value("") ** 2 * (self.between / self.source).to_value("")
        return (4 * np.pi * ratio * units.rad).to(units.arcsec)

    def delay(self, fermat: Any) -> Quantity:
        """Of light on a path of this Fermat potential [arcsec^2], after light on one of 0."""
        squared = units.arcsec.to(units.rad) ** 2 * np.asarray(fermat)
        return (self.time_delay / constants.c * squared).to(units.day)


def _radians(angle: Any) -> Any:
    return np.asarray(angle) * units.arcsec.to(units.rad)
