from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from lens_systems import MASSES, drawn, keywords
from lenstronomy.LensModel.lens_model import LensModel
from torch import Tensor

from sim.lensing.ellipse import arctanhc, arctanhc_rise, axis_ratio, ellipticity
from sim.lensing.profiles import EPL, SIE, SIS, Mass, Sum

N = 100


def angles(n: int = 61, half: float = 2.5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Of a grid (1, n^2) on which no profile has its centre."""
    side = torch.linspace(-half, half, n, dtype=dtype) + 0.0123
    y, x = torch.meshgrid(side, side, indexing="ij")
    return x.reshape(1, -1), y.reshape(1, -1)


def gradient(value: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(value.sum(), of, create_graph=True)


@pytest.mark.parametrize("kind", MASSES)
def test_profiles_are_lenstronomys(kind: str) -> None:
    mass, oracle = MASSES[kind](drawn(N, 1)), LensModel([kind])
    x, y = angles(21)
    found = [mass.potential(x, y), *mass.deflection(x, y), mass.convergence(x, y)]
    for i in range(N):
        told = [keywords(mass, i)]
        at = x[0].numpy(), y[0].numpy()
        expected = [oracle.potential(*at, told), *oracle.alpha(*at, told), oracle.kappa(*at, told)]
        for name, ours, theirs in zip(("psi", "alpha_x", "alpha_y", "kappa"), found, expected, strict=True):
            rtol = 2e-4 if name == "kappa" else 1e-6  # theirs of the SIE is a difference of deflections
            np.testing.assert_allclose(ours[i], theirs, rtol=rtol, atol=1e-6, err_msg=f"{kind} {name} {told}")


@pytest.mark.parametrize("kind", MASSES)
def test_deflection_is_the_gradient_of_the_potential_and_convergence_half_its_laplacian(kind: str) -> None:
    mass = MASSES[kind](drawn(10, 2))
    x, y = (side.repeat(10, 1).requires_grad_() for side in angles(21))
    alpha = mass.deflection(x, y)
    for ours, slope in zip(alpha, gradient(mass.potential(x, y), x, y), strict=True):
        torch.testing.assert_close(slope, ours, rtol=1e-5, atol=1e-6)
    xx, xy = gradient(alpha[0], x, y) if kind != "SHEAR" else gradient(alpha[0] + 0 * x * y, x, y)
    yx, yy = gradient(alpha[1], x, y)
    torch.testing.assert_close(xy, yx, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close((xx + yy) / 2, mass.convergence(x, y), rtol=1e-5, atol=1e-8)


def test_the_mean_convergence_within_the_einstein_ellipse_is_one() -> None:
    angle = torch.arange(720, dtype=torch.float64) * (2 * math.pi / 720)
    for kind in ("SIE", "EPL"):
        mass = MASSES[kind](drawn(50, 3))
        assert isinstance(mass, SIE | EPL)
        q, phi = axis_ratio(mass.e1, mass.e2)
        a, b = mass.theta_e * torch.cos(angle) / q.sqrt(), mass.theta_e * torch.sin(angle) * q.sqrt()
        x, y = mass.x + a * phi.cos() - b * phi.sin(), mass.y + a * phi.sin() + b * phi.cos()
        alpha_x, alpha_y = mass.deflection(x, y)
        a, b = -mass.theta_e * torch.sin(angle) / q.sqrt(), mass.theta_e * torch.cos(angle) * q.sqrt()
        dx, dy = a * phi.cos() - b * phi.sin(), a * phi.sin() + b * phi.cos()
        within = (alpha_x * dy - alpha_y * dx).sum(1) * (2 * math.pi / 720) / (2 * math.pi)  # by Gauss's theorem
        torch.testing.assert_close(2 * within, mass.theta_e[:, 0].square() * 2, rtol=1e-6, atol=0)


def test_a_power_law_of_slope_two_is_isothermal() -> None:
    sie = MASSES["SIE"](drawn(50, 4))
    assert isinstance(sie, SIE)
    epl = EPL(sie.theta_e, torch.full_like(sie.theta_e, 2.0), sie.e1, sie.e2, sie.x, sie.y)
    for ours, theirs in zip(sie.deflection(*angles()), epl.deflection(*angles()), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", ["SIE", "EPL"])
def test_a_round_lens_has_finite_slopes_in_its_ellipticity(kind: str) -> None:
    one, zero = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)

    def alpha(e1: Tensor, e2: Tensor) -> Tensor:
        mass = SIE(one, e1, e2, zero, zero) if kind == "SIE" else EPL(one, 2.2 * one, e1, e2, zero, zero)
        return torch.stack(mass.deflection(*angles(9)))

    slopes = torch.autograd.functional.jacobian(alpha, (zero, zero))
    for i, slope in enumerate(slopes):
        step = [torch.full_like(zero, 1e-5 * (j == i)) for j in range(2)]
        moved = (alpha(*step) - alpha(*(-s for s in step))) / 2e-5
        torch.testing.assert_close(slope.reshape(moved.shape), moved, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", MASSES)
def test_single_precision_is_enough_and_the_very_centre_is_finite(kind: str) -> None:
    mass = MASSES[kind](drawn(50, 5))
    single: Mass = type(mass)(**{name: value.float() for name, value in vars(mass).items()})
    exact: Mass = type(mass)(**{name: value.double() for name, value in vars(single).items()})
    x, y = angles(31, dtype=torch.float32)
    for name in ("potential", "deflection", "convergence"):
        ours, expected = getattr(single, name)(x, y), getattr(exact, name)(x.double(), y.double())
        torch.testing.assert_close(ours, expected, rtol=2e-5, atol=5e-6, check_dtype=False)
    at = [getattr(single, name, torch.zeros(1, 1)) for name in ("x", "y")]
    x, y = (side.detach().clone().requires_grad_() for side in at)
    alpha = single.deflection(x, y)
    assert all(torch.isfinite(one).all() for one in (*alpha, *gradient(alpha[0], x, y)))


def test_masses_add_up() -> None:
    draw = drawn(5, 6)
    parts = [*(make(draw) for make in MASSES.values()), MASSES["NFW"](drawn(1, 6))]  # one that all systems share
    x, y = angles(15)
    for name in ("potential", "convergence"):
        total = sum(getattr(part, name)(x, y) for part in parts)
        torch.testing.assert_close(getattr(Sum(parts), name)(x, y), total)
    for axis in range(2):
        total = sum(part.deflection(x, y)[axis] for part in parts)
        torch.testing.assert_close(Sum(parts).deflection(x, y)[axis], total)


def test_subhalos_are_the_sum_of_their_spheres() -> None:
    draw = drawn(3, 7)
    each = [SIS(draw(0.01, 0.1), draw(-1, 1), draw(-1, 1)) for _ in range(4)]
    together = SIS(*(torch.stack([getattr(one, name) for one in each], dim=-1) for name in ("theta_e", "x", "y")))
    alone = [SIS(one.theta_e[..., None], one.x[..., None], one.y[..., None]) for one in each]
    for found, expected in zip(together.deflection(*angles(9)), Sum(alone).deflection(*angles(9)), strict=True):
        torch.testing.assert_close(found, expected)


def test_axis_ratio_and_angle_go_there_and_back() -> None:
    q, phi = torch.tensor([0.3, 0.7, 0.99]), torch.tensor([-1.2, 0.1, 1.5])
    for found, expected in zip(axis_ratio(*ellipticity(q, phi)), (q, phi), strict=True):
        torch.testing.assert_close(found, expected)


def test_arctanhc_is_one_smooth_function() -> None:
    s = torch.linspace(-20, 0.999, 4001, dtype=torch.float64)
    root = s.to(torch.complex128).sqrt()
    expected = (torch.atanh(root) / root).real
    torch.testing.assert_close(arctanhc(s), expected, rtol=1e-8, atol=0)
    torch.testing.assert_close(arctanhc_rise(s), (expected - 1) / s, rtol=1e-6, atol=0)
    assert float(arctanhc(torch.zeros(()))) == 1
    assert float(arctanhc_rise(torch.zeros(()))) == pytest.approx(1 / 3)
