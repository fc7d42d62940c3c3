from __future__ import annotations

import numpy as np
from astropy import constants, units
from astropy.cosmology import FlatLambdaCDM

from sim.units import GRAVITY, RHO_CRITICAL, SPEED_OF_LIGHT


def test_constants_are_astropys() -> None:
    """They are written out, because importing astropy takes longer than everything else they are used for."""
    gravity = constants.G.to_value(units.Mpc * units.km**2 / units.s**2 / units.Msun)
    np.testing.assert_allclose(GRAVITY, gravity, rtol=1e-14)
    np.testing.assert_allclose(SPEED_OF_LIGHT, constants.c.to_value("km/s"), rtol=0)
    density = FlatLambdaCDM(H0=100, Om0=0.3).critical_density0.to_value(units.Msun / units.Mpc**3)
    np.testing.assert_allclose(RHO_CRITICAL, density, rtol=1e-12)
