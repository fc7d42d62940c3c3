"""Masses at several redshifts: rays are bent plane after plane.

With reduced deflections alpha_i for the last source plane, a ray is in plane j at

    theta_j = theta - sum_{i < j} B_ij alpha_i(theta_i),   B_ij = D_ij D_s / (D_j D_is)

(Schneider, Ehlers & Falco 1992, eq. 9.5; B_is = 1). Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.cosmology import FLRW
from numpy.typing import NDArray
from torch import Tensor

from sim.lensing.profiles import Mass, Vector, sum_of


@dataclass(frozen=True)
class Planes:
    """One mass a plane, nearest first, and B (n, n), of which what is above the diagonal is used.

    As a tensor (n, n, B, 1, 1) B differs among systems.
    """

    masses: Sequence[Mass]
    factors: NDArray[np.float64] | Tensor

    @classmethod
    def of(cls, masses: Sequence[Mass], redshifts: Sequence[float], z_source: float, cosmology: FLRW) -> Planes:
        """Of masses at `redshifts`, in any order. ValueError unless all are in front of the source."""
        if not all(0 < z < z_source for z in redshifts) or len(masses) != len(redshifts):
            told = ", ".join(f"{z:g}" for z in redshifts)
            raise ValueError(f"planes: {len(masses)} redshifts above 0 and below the source's {z_source:g}, got {told}")
        order = np.argsort(redshifts, kind="stable")
        sorted_z = [float(redshifts[i]) for i in order]
        return cls([masses[i] for i in order], scaling(sorted_z, z_source, cosmology))

    def deflection(self, x: Tensor, y: Tensor) -> Vector:
        """Theta - beta [arcsec]: the sum of the reduced deflections where the ray meets each plane."""
        bent: list[Vector] = []
        for j, mass in enumerate(self.masses):
            at_x = x - sum(bent[i][0] * self.factors[i, j] for i in range(j))
            at_y = y - sum(bent[i][1] * self.factors[i, j] for i in range(j))
            bent.append(mass.deflection(at_x, at_y))
        return sum_of([alpha_x for alpha_x, _ in bent]), sum_of([alpha_y for _, alpha_y in bent])


def scaling(redshifts: Sequence[float], z_source: float, cosmology: FLRW) -> NDArray[np.float64]:
    """B of planes at rising redshifts; 0 between planes that are one."""
    z = np.asarray(redshifts, dtype=np.float64)
    to, to_source = cosmology.angular_diameter_distance(z), cosmology.angular_diameter_distance(z_source)
    rest = cosmology.angular_diameter_distance(z, z_source)
    i, j = np.triu_indices(len(z), k=1)
    between = cosmology.angular_diameter_distance(z[i], z[j])
    factors = np.zeros((len(z), len(z)))
    factors[i, j] = (between * to_source / (to[j] * rest[i])).to_value("")
    return factors
