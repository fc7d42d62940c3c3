"""Thin lenses in closed form: potential, deflection and convergence of sums of mass profiles.

Parameters are tensors that broadcast with the angles x, y [arcsec]. Deflections are reduced ones, for one source
plane. Ellipticities are those of `sim.lensing.ellipse`; Einstein radii are product-averaged, so that the mean
convergence within the ellipse is 1. Conventions are lenstronomy's. Knows nothing of light.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from sim.lensing.ellipse import FAINT, arctanc, arctanhc, arctanhc_rise, artanhc, elliptical, squeezed_square

N_TERMS = 28  # of the series of the power law: 1e-7 at an axis ratio of .3
CLOSE = 0.7  # r / r_s below which an NFW halo is written with the logarithms of its core

Vector = tuple[Tensor, Tensor]


class Deflector(Protocol):
    """What bends light: in one plane, or in several."""

    def deflection(self, x: Tensor, y: Tensor) -> Vector:
        """Alpha [arcsec]."""
        ...


class Mass(Deflector, Protocol):
    """What bends light in one plane."""

    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        """Psi [arcsec^2], of which the deflection is the gradient."""
        ...

    def convergence(self, x: Tensor, y: Tensor) -> Tensor:
        """kappa, half the Laplacian of the potential."""
        ...


@dataclass(frozen=True)
class SIE:
    """Singular isothermal ellipsoid (Kormann et al. 1994; Keeton 2001, astro-ph/0102341)."""

    theta_e: Tensor
    e1: Tensor
    e2: Tensor
    x: Tensor
    y: Tensor

    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        return along(self.deflection(x, y), x - self.x, y - self.y)

    def deflection(self, x: Tensor, y: Tensor) -> Vector:
        x, y = x - self.x, y - self.y
        e = torch.sqrt(self.e1.square() + self.e2.square() + FAINT**2)
        cos, sin = self.e1 / e, self.e2 / e  # of twice the angle of the major axis
        over = torch.rsqrt(squeezed_square(x, y, self.e1, self.e2))
        turned_x, turned_y = cos * x + sin * y, sin * x - cos * y
        r2, share = x.square() + y.square(), 2 * e * over.square()
        turned = x * turned_x + y * turned_y
        wide, high = arctanc(share * (r2 + turned)), artanhc((share * (r2 - turned)).clamp(max=1 - FAINT))
        scale = self.theta_e * torch.sqrt(1 - e.square()) / 2 * over
        even, odd = scale * (wide + high), scale * (wide - high)
        return even * x + odd * turned_x, even * y + odd * turned_y

    def convergence(self, x: Tensor, y: Tensor) -> Tensor:
        return self.theta_e / (2 * elliptical(x - self.x, y - self.y, self.e1, self.e2).radius)


@dataclass(frozen=True)
class EPL:
    """Elliptical power law, kappa = (3 - slope) / 2 (theta_e / R)^(slope - 1) (Tessore & Metcalf 2015, eq. 23)."""

    theta_e: Tensor
    slope: Tensor
    e1: Tensor
    e2: Tensor
    x: Tensor
    y: Tensor

    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        return along(self.deflection(x, y), x - self.x, y - self.y) / (3 - self.slope)

    def deflection(self, x: Tensor, y: Tensor) -> Vector:
        radius, u, v = elliptical(x - self.x, y - self.y, self.e1, self.e2)
        re, im = self._hypergeometric(u, v)
        flat = 1 - self.e1.square() - self.e2.square()
        scale = self.theta_e * torch.sqrt(flat) * (self.theta_e / radius) ** (self.slope - 2)
        return scale * (u * re - v * im), scale * (u * im + v * re)

    def convergence(self, x: Tensor, y: Tensor) -> Tensor:
        radius = elliptical(x - self.x, y - self.y, self.e1, self.e2).radius
        return (3 - self.slope) / 2 * (self.theta_e / radius) ** (self.slope - 1)

    def _hypergeometric(self, u: Tensor, v: Tensor) -> Vector:
        """2F1(1, t/2; 2 - t/2; w), t = slope - 1, w = -conj(e) (u + iv)^2.

        A real polynomial of a complex number, by the rest after division by the square that has it as a root (Knuth,
        The Art of Computer Programming 2, 4.6.4): |w|^2 is one number a lens. Each sum and product is rounded by
        itself: a fused one is rounded as the shape of a batch has it.
        """
        cos, sin = u.square() - v.square(), 2 * u * v
        w_re, w_im = -self.e1 * cos - self.e2 * sin, self.e2 * cos - self.e1 * sin
        square, twice = self.e1.square() + self.e2.square(), 2 * w_re
        last, here = torch.zeros_like(w_re), torch.zeros_like(w_re)
        for term in reversed(self._terms().unbind(-1)):
            last, here = here, term + twice * here - square * last
        return here - w_re * last, w_im * last

    def _terms(self) -> Tensor:
        """(..., N_TERMS + 1): of the series, that of w^0 first."""
        rest, even = 3 - self.slope[..., None], 2 * torch.arange(1, N_TERMS + 1, device=self.slope.device)
        return functional.pad(torch.cumprod((even - rest) / (even + rest), -1), (1, 0), value=1.0)


@dataclass(frozen=True)
class Shear:
    """External shear about the origin."""

    gamma1: Tensor
    gamma2: Tensor

    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        return along(self.deflection(x, y), x, y) / 2

    def deflection(self, x: Tensor, y: Tensor) -> Vector:
        return self.gamma1 * x + self.gamma2 * y, self.gamma2 * x - self.gamma1 * y

    def convergence(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.zeros_like(self.gamma1 * x * y)


@dataclass(frozen=True)
class NFW:
    """Spherical NFW halo with kappa_s = rho_s r_s / Sigma_crit (Bartelmann 1996; Golse & Kneib 2002)."""

    kappa_s: Tensor
    r_s: Tensor
    x: Tensor
    y: Tensor

    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        ratio = self._radius(x, y) / self.r_s
        core, far = Core.of(ratio), ratio.clamp(min=CLOSE)
        s = 1 - far.square()
        outer = torch.log(far / 2).square() - s * arctanhc(s).square()
        inner = -core.dip * (2 * core.log + core.dip)
        return 2 * self.kappa_s * self.r_s.square() * torch.where(ratio < CLOSE, inner, outer)

    def deflection(self, x: Tensor, y: Tensor) -> Vector:
        radius = self._radius(x, y)
        ratio = radius / self.r_s
        core, far = Core.of(ratio), ratio.clamp(min=CLOSE)
        inner = (core.log * core.squared / (1 + core.root) + core.dip) / core.root
        enclosed = torch.where(ratio < CLOSE, inner, torch.log(far / 2) + arctanhc(1 - far.square()))
        scale = 4 * self.kappa_s * enclosed * (self.r_s / radius).square()
        return scale * (x - self.x), scale * (y - self.y)

    def convergence(self, x: Tensor, y: Tensor) -> Tensor:
        ratio = self._radius(x, y) / self.r_s
        core, far = Core.of(ratio), ratio.clamp(min=CLOSE)
        inner = ((core.log + core.dip) / core.root - 1) / core.root.square()
        return 2 * self.kappa_s * torch.where(ratio < CLOSE, inner, arctanhc_rise(1 - far.square()))

    def _radius(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.sqrt((x - self.x).square() + (y - self.y).square() + FAINT**2)


class Core(NamedTuple):
    """What the logarithms of an NFW halo are made of near its centre, so that none is lost in their difference.

    r = sqrt(1 - x^2), ln(2 / x) and ln((1 + r) / 2), of which arccosh(1 / x) is the sum, x being the radius over r_s.
    """

    squared: Tensor
    root: Tensor
    log: Tensor
    dip: Tensor

    @classmethod
    def of(cls, ratio: Tensor) -> Core:
        """At most at `CLOSE`."""
        x = ratio.clamp(max=CLOSE)
        root = torch.sqrt(1 - x.square())
        return cls(x.square(), root, torch.log(2 / x), torch.log1p(-x.square() / (2 * (1 + root))))


@dataclass(frozen=True)
class SIS:
    """Singular isothermal spheres, one along each index of the last axis of the parameters: subhalos."""

    theta_e: Tensor
    x: Tensor
    y: Tensor

    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.theta_e * self._from_each(x, y)[2]).sum(-1)

    def deflection(self, x: Tensor, y: Tensor) -> Vector:
        dx, dy, radius = self._from_each(x, y)
        return (self.theta_e * dx / radius).sum(-1), (self.theta_e * dy / radius).sum(-1)

    def convergence(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.theta_e / (2 * self._from_each(x, y)[2])).sum(-1)

    def _from_each(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        dx, dy = x[..., None] - self.x, y[..., None] - self.y
        return dx, dy, torch.sqrt(dx.square() + dy.square() + FAINT**2)


@dataclass(frozen=True)
class Sum:
    """Several masses in one plane."""

    parts: Sequence[Mass]

    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        return sum_of([part.potential(x, y) for part in self.parts])

    def deflection(self, x: Tensor, y: Tensor) -> Vector:
        every = [part.deflection(x, y) for part in self.parts]
        return sum_of([one[0] for one in every]), sum_of([one[1] for one in every])

    def convergence(self, x: Tensor, y: Tensor) -> Tensor:
        return sum_of([part.convergence(x, y) for part in self.parts])


def sum_of(terms: Sequence[Tensor]) -> Tensor:
    """Of at least one tensor."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def along(vector: Vector, x: Tensor, y: Tensor) -> Tensor:
    """The scalar product."""
    return vector[0] * x + vector[1] * y
