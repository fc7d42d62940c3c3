"""Einstein radii, rings and critical curves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from lens_models import component, for_lenstronomy, model, random_model, sie
from lenstronomy.LensModel.lens_model import LensModel as Oracle
from lenstronomy.LensModel.lens_model_extensions import LensModelExtensions
from scipy.integrate import quad
from scipy.special import ellipk
from torch import Tensor

from configs.lens_model import LensModel
from sim.lensing.critical import critical_curves
from sim.lensing.einstein import SPAN, einstein_radius_near
from sim.lensing.posterior import Draws, best
from sim.lensing.profiles import NFW, SIE, SIS, Mass, Shear, Sum
from sim.lensing.rings import Rings, multipole, rings

RADII = torch.logspace(-2, 1, 41, dtype=torch.float64)


def ring_of(lens: LensModel) -> Rings:
    return rings(best(lens), RADII)


def ellipse(angle: float, q: float) -> float:
    """Product-averaged radius where the radius is 1."""
    return math.sqrt(q * math.cos(angle) ** 2 + math.sin(angle) ** 2 / q)


@pytest.mark.parametrize("q", [0.3, 0.7, 0.999])
def test_the_critical_curve_of_an_isothermal_ellipsoid_has_the_area_of_its_einstein_radius(q: float) -> None:
    found = ring_of(model(sie(1.2, q, x=0.1)))
    assert float(found.theta_critical) == pytest.approx(1.2, rel=1e-7)
    mean = 1.2 * 2 / math.pi * math.sqrt(q) * ellipk(1 - q**2)  # theta_e over the mean of the ellipse's radius
    assert float(found.theta_e) == pytest.approx(mean, rel=1e-7)


def test_both_einstein_radii_of_a_sphere_are_its_own_and_a_shear_changes_one_of_them() -> None:
    sphere = component("sis", theta_e=0.9, x=0.2, y=-0.1)
    for lens in (
        ring_of(model(sphere)),
        ring_of(model(component("epl", theta_e=0.9, slope=1.8, q=1.0, phi=0.0, x=0.2, y=-0.1))),
    ):
        assert float(lens.theta_e) == pytest.approx(0.9, rel=1e-9)
        assert float(lens.theta_critical) == pytest.approx(0.9, rel=1e-9)
    sheared = ring_of(model(sphere, component("shear", gamma=0.1, phi=20.0)))
    assert float(sheared.theta_e) == pytest.approx(0.9, rel=1e-9)
    assert float(sheared.theta_critical) > 0.901


def test_profiles_are_those_of_power_laws() -> None:
    found = ring_of(model(component("epl", theta_e=1.1, slope=1.7, q=1.0, phi=0.0, x=0.0, y=0.0)))
    torch.testing.assert_close(found.mean_kappa[0], (1.1 / RADII) ** 0.7, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.kappa[0], 0.65 * (1.1 / RADII) ** 0.7, rtol=1e-6, atol=0)


def test_the_deflection_of_an_isothermal_lens_follows_its_convergence() -> None:
    found = ring_of(model(sie(q=0.6, phi=25.0)))
    kappa, alpha = multipole(found.kappa_around, 2), multipole(found.alpha_around, 2)
    torch.testing.assert_close(alpha, -kappa / 3, rtol=1e-6, atol=0)  # of F + F'' = f: a_2 / (1 - 2^2)
    assert math.degrees(float(kappa.angle()) / 2) == pytest.approx(25.0, abs=1e-6)
    mean, wave = (quad(lambda a, m=m: math.cos(m * a) / ellipse(a, 0.6), 0, math.pi)[0] for m in (0, 2))
    assert float(kappa.abs()) == pytest.approx(2 * wave / mean, rel=1e-6)


def test_a_weak_lens_has_no_einstein_radius() -> None:
    found = ring_of(model(component("nfw", kappa_s=0.01, r_s=3.0, x=0.0, y=0.0)))
    assert torch.isnan(found.theta_e).all()
    assert torch.isnan(found.theta_critical).all()


def test_a_mean_convergence_that_rises_to_one_is_no_einstein_radius() -> None:
    draws = best(model(component("epl", theta_e=0.0109, slope=1.5, q=1.0, phi=0.0, x=0.0, y=0.0)))
    rising = Draws(draws.kinds, ({**draws.columns[0], "slope": torch.tensor([[0.5]], dtype=torch.float64)},), 0)
    assert torch.isnan(rings(rising, RADII).theta_e).all()


@pytest.mark.parametrize(("seed", "rtol"), [(0, 1e-4), (1, 1e-3)])  # the second has a satellite beside its curve
def test_curves_have_the_area_of_the_rays_and_lie_where_lenstronomys_do(seed: int, rtol: float) -> None:
    lens = random_model(seed)
    center = tuple(float(side) for side in best(lens).center)
    curves = critical_curves(best(lens).mass, (center[0], center[1]), 3.0)
    main = next(curve for curve in curves if curve.kind == "tangential")
    assert main.is_closed
    assert math.sqrt(main.area / math.pi) == pytest.approx(float(ring_of(lens).theta_critical), rel=rtol)
    kinds, told = for_lenstronomy(lens)
    theirs_x, theirs_y = LensModelExtensions(Oracle(kinds)).critical_curve_tiling(
        told, compute_window=6, start_scale=0.1, max_order=6
    )
    theirs = np.stack((theirs_x, theirs_y), axis=1)
    ours = np.concatenate([curve.points for curve in curves if curve.kind != "cut"])
    away = np.hypot(*(theirs - np.array(center)).T) > 0.1  # theirs has the singular centre too
    distance = np.sqrt(((theirs[away, None] - ours[None]) ** 2).sum(-1)).min(1)
    assert distance.max() < 0.02  # the length of our edges
    magnification = Oracle(kinds).magnification(*ours.T, told)
    assert np.abs(1 / magnification).max() < 1e-3  # their convergence of an ellipsoid is right to 2e-4


def test_lenstronomys_convergence_has_a_mean_of_one_within_the_circle() -> None:
    """Summed up on a polar grid: its own effective_einstein_radius, of ten directions, is 3 % more here."""
    lens = random_model(0)
    kinds, told = for_lenstronomy(lens)
    theta_e, n = float(ring_of(lens).theta_e), 1500
    radius, angle = (np.arange(n) + 0.5) / n * theta_e, np.arange(128) * (2 * math.pi / 128)
    x = told[0]["center_x"] + np.outer(radius, np.cos(angle))
    y = told[0]["center_y"] + np.outer(radius, np.sin(angle))
    kappa = Oracle(kinds).kappa(x.ravel(), y.ravel(), told).reshape(x.shape)
    assert 2 * np.average(kappa.mean(1) * radius) / theta_e == pytest.approx(1, rel=1e-5)


def test_a_caustic_is_where_the_magnification_of_a_source_diverges_and_a_core_has_a_radial_one() -> None:
    lens = model(component("nfw", kappa_s=0.6, r_s=3.0, x=0.0, y=0.0), component("shear", gamma=0.05, phi=0.0))
    curves = critical_curves(best(lens).mass, (0.0, 0.0), 3.0)
    assert sorted(curve.kind for curve in curves) == ["radial", "tangential"]
    tangential = next(curve for curve in curves if curve.kind == "tangential")
    x, y = (torch.as_tensor(side.copy())[None] for side in tangential.points.T)
    alpha_x, alpha_y = best(lens).mass.deflection(x, y)
    np.testing.assert_allclose(tangential.caustic, torch.stack((x - alpha_x, y - alpha_y), -1)[0], rtol=0, atol=1e-12)
    (cut,) = (curve for curve in critical_curves(best(model()).mass, (0.0, 0.0), 3.0) if curve.kind == "cut")
    far, scale = np.hypot(*cut.caustic.T), 1.2 * math.sqrt(0.7 / 0.51)
    assert far.max() == pytest.approx(scale * math.acosh(1 / 0.7), rel=1e-3)
    assert far.min() == pytest.approx(scale * math.acos(0.7), rel=1e-3)


def at(*values: float) -> Tensor:
    """Beside images."""
    return torch.tensor(values, dtype=torch.float64)[:, None, None]


CENTRE = (at(0.1, -0.05), at(0.02, 0.0))


def two(q: float) -> Mass:
    """Ellipsoids."""
    e = (1 - q) / (1 + q)
    return SIE(at(0.8, 1.4), at(0.6 * e, 0), at(0.8 * e, -e), *CENTRE)


def near(mass: Mass) -> Tensor:
    return einstein_radius_near(mass, CENTRE, at(1.0, 1.0))[:, 0]


def within(mass: Mass, radius: Tensor, n: int = 120) -> Tensor:
    """The mean of the convergence over circles, by midpoints in radius and angle."""
    share = (torch.arange(n, dtype=torch.float64)[:, None] + 0.5) / n
    angle = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    r = radius[:, None, None] * share
    x, y = CENTRE
    return (2 * share * mass.convergence(x + r * torch.cos(angle), y + r * torch.sin(angle))).mean((1, 2))


@pytest.mark.parametrize("q", [0.4, 1.0])
def test_the_mean_convergence_within_is_one(q: float) -> None:
    halo = NFW(at(0.1, 0.2), at(2.0, 5.0), *CENTRE)
    lens = Sum((two(q), halo, Shear(at(0.05, 0.1), at(0.0, -0.1))))
    torch.testing.assert_close(within(lens, near(lens)), torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-3)


def test_of_a_sphere_it_is_the_parameter_and_shear_has_no_part() -> None:
    expected = torch.tensor([0.8, 1.4], dtype=torch.float64)
    torch.testing.assert_close(near(two(1.0)), expected, rtol=1e-6, atol=0)
    sheared = Sum((two(1.0), Shear(at(0.2, 0.1), at(-0.1, 0.3))))
    torch.testing.assert_close(near(sheared), expected, rtol=1e-6, atol=0)


def test_what_is_within_counts_whole_and_what_is_beyond_by_its_halo() -> None:
    """A sphere of theta_s at a distance d has a convergence of theta_s / 2 d here."""
    sphere = two(1.0)

    def beside(x: float) -> Tensor:
        return near(Sum((sphere, SIS(*(one[..., None] for one in (at(0.05, 0.05), at(x, x), at(0.0, 0.0)))))))

    expected = near(sphere) / (1 - 0.05 / 2 / 10)
    torch.testing.assert_close(beside(10.0), expected, rtol=1e-4, atol=0)
    assert (beside(0.2) > near(sphere) + 0.04).all()


def test_without_one_it_is_the_end_of_what_was_looked_at() -> None:
    halos = NFW(at(0.001, 900.0), at(2.0, 2.0), *CENTRE)
    torch.testing.assert_close(near(halos), torch.tensor(SPAN, dtype=torch.float64), rtol=1e-12, atol=0)


def test_short_numbers_are_as_good_as_they_can_be() -> None:
    short = SIE(*(value.float() for value in vars(two(0.4)).values()))
    radii = einstein_radius_near(short, (CENTRE[0].float(), CENTRE[1].float()), at(1.0, 1.0).float())[:, 0]
    torch.testing.assert_close(radii.double(), near(two(0.4)), rtol=3e-6, atol=0)
