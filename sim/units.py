"""Constants and conversions between the base units (comoving Mpc/h, km/s, Msun/h) and those of files.

Knows nothing of cosmological parameters.
"""

from __future__ import annotations

HUBBLE = 100.0
"""H0 in h km/s/Mpc."""

SPEED_OF_LIGHT = 299792.458
"""km/s"""

GRAVITY = 4.300917270036279e-09
"""G (CODATA 2018) in Mpc (km/s)^2 / Msun; the same number in (Mpc/h) (km/s)^2 / (Msun/h)."""

RHO_CRITICAL = 3 * HUBBLE**2 / (8 * 3.141592653589793 * GRAVITY)
"""Critical density at z=0 in Msun/h / (Mpc/h)^3, about 2.775e11."""

KPC_PER_MPC = 1000.0
GADGET_MASS = 1e10
"""Msun/h in one Gadget mass unit."""
