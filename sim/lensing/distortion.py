"""The Jacobian matrix of a lens: convergence, shear and magnification from exact derivatives of its deflection.

Points are (B or 1, n) [arcsec].
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sim.lensing.profiles import Mass, Vector

N_AT_A_TIME = 2**17  # points: a power law of as many takes 300 MB


class Distortion(NamedTuple):
    """A = [[1 - kappa - gamma1, -gamma2], [-gamma2, 1 - kappa + gamma1]] of a lens in one plane."""

    kappa: Tensor
    gamma1: Tensor
    gamma2: Tensor

    @property
    def gamma(self) -> Tensor:
        return torch.sqrt(self.gamma1.square() + self.gamma2.square())

    @property
    def tangential(self) -> Tensor:
        """The eigenvalue 1 - kappa - gamma, 0 on tangential critical curves."""
        return 1 - self.kappa - self.gamma

    @property
    def radial(self) -> Tensor:
        """The eigenvalue 1 - kappa + gamma, 0 on radial critical curves."""
        return 1 - self.kappa + self.gamma

    @property
    def inverse_magnification(self) -> Tensor:
        """The determinant of A."""
        return (1 - self.kappa).square() - self.gamma1.square() - self.gamma2.square()

    def undone(self, x: Tensor, y: Tensor) -> Vector:
        """The step in the image plane that is (x, y) in the source plane, to first order."""
        det = self.inverse_magnification
        xx, yy = 1 - self.kappa - self.gamma1, 1 - self.kappa + self.gamma1
        return (yy * x + self.gamma2 * y) / det, (self.gamma2 * x + xx * y) / det


def distortion(mass: Mass, x: Tensor, y: Tensor) -> Distortion:
    """Of a mass in one plane, or of B, at the points x, y (B or 1, n); some of them at a time."""
    n_masses = len(mass.deflection(x[:, :1], y[:, :1])[0])
    size = max(1, N_AT_A_TIME // n_masses)
    parts = [
        _exact(mass, n_masses, *part) for part in zip(torch.split(x, size, 1), torch.split(y, size, 1), strict=True)
    ]
    return Distortion(*(torch.cat(one, dim=1) for one in zip(*parts, strict=True)))


def _exact(mass: Mass, n_masses: int, x: Tensor, y: Tensor) -> Distortion:
    x, y = (side.detach().expand(n_masses, -1).clone().requires_grad_() for side in (x, y))
    with torch.enable_grad():
        alpha_x, alpha_y = mass.deflection(x, y)
    xx, _ = torch.autograd.grad(alpha_x.sum(), (x, y), retain_graph=True)
    yx, yy = torch.autograd.grad(alpha_y.sum(), (x, y))
    return Distortion((xx + yy) / 2, (xx - yy) / 2, yx)
