"""Images of a point and their times of arrival."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from astropy.cosmology import Planck18
from lens_models import component, for_lenstronomy, model, random_model, sie
from lenstronomy.LensModel.lens_model import LensModel as Oracle
from lenstronomy.LensModel.Solver.lens_equation_solver import LensEquationSolver

from sim.lensing.arrivals import arrivals
from sim.lensing.distances import Distances
from sim.lensing.images import solve
from sim.lensing.posterior import best


@pytest.mark.filterwarnings("ignore:Cosmology is provided:UserWarning")
@pytest.mark.parametrize("seed", range(12))
def test_images_magnifications_and_delays_are_lenstronomys(seed: int) -> None:
    lens, rng = random_model(seed), np.random.default_rng(seed)
    source = (float(rng.uniform(-0.25, 0.25)), float(rng.uniform(-0.25, 0.25)))
    found = solve(best(lens).mass, source, 3.0)
    kinds, told = for_lenstronomy(lens)
    oracle = Oracle(kinds, z_lens=0.3, z_source=1.5, cosmo=Planck18)
    x, y = LensEquationSolver(oracle).image_position_from_source(
        *source,
        told,
        min_distance=0.05,
        search_window=6,
        precision_limit=1e-10,
        num_iter_max=100,
        arrival_time_sort=True,
    )
    assert len(found.x) == len(x) >= 1
    np.testing.assert_allclose(found.x, x, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.y, y, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.magnification, oracle.magnification(x, y, told), rtol=2e-3)
    delays = oracle.arrival_time(x, y, told, x_source=source[0], y_source=source[1])
    ours = Distances.of(0.3, 1.5, Planck18).delay((found.fermat - found.fermat[0]).numpy())
    np.testing.assert_allclose(ours.to_value("day"), delays - delays[0], rtol=1e-5, atol=1e-5)


def test_an_isothermal_sphere_has_two_images_whose_delay_is_known() -> None:
    lens = model(component("sis", theta_e=1.0, x=0.0, y=0.0))
    found = solve(best(lens).mass, (0.3, 0.0), 3.0)
    torch.testing.assert_close(found.x, torch.tensor([1.3, -0.7], dtype=torch.float64), rtol=0, atol=1e-7)
    torch.testing.assert_close(
        found.magnification, torch.tensor([13 / 3, -7 / 3], dtype=torch.float64), rtol=1e-6, atol=0
    )
    assert float(found.fermat[1] - found.fermat[0]) == pytest.approx(2 * 0.3, rel=1e-6)  # 2 theta_e beta
    assert found.kinds == ("minimum", "saddle")
    assert solve(best(lens).mass, (1.1, 0.0), 3.0).kinds == ("minimum",)


def test_images_are_one_more_inside_the_caustic_of_a_core_and_have_an_odd_number() -> None:
    lens = model(component("nfw", kappa_s=0.6, r_s=3.0, x=0.0, y=0.0), component("shear", gamma=0.08, phi=0.0))
    inside, outside = solve(best(lens).mass, (0.01, 0.01), 3.0), solve(best(lens).mass, (0.01, 0.45), 3.0)
    assert sorted(inside.kinds) == ["maximum", "minimum", "minimum", "saddle", "saddle"]
    assert sorted(outside.kinds) == ["maximum", "minimum", "saddle"]


def test_two_images_beside_a_satellite_are_found() -> None:
    """.18 arcsec apart; two singular centres have a maximum each that has no light: minima and maxima are one more."""
    found = solve(best(random_model(41)).mass, (0.227, 0.134), 3.0)
    assert sorted(found.kinds) == ["minimum", "minimum", "saddle", "saddle", "saddle"]


def test_a_source_of_image_positions_has_these_images_again() -> None:
    first = arrivals(model(sie(), source=(0.1, 0.05)), best(model()), best(model()), 3.0)
    assert first is not None
    told = torch.stack((first.best.x, first.best.y), dim=1).tolist()
    again = arrivals(model(sie(), image_positions=told), best(model()), best(model()), 3.0)
    assert again is not None
    torch.testing.assert_close(again.x, first.x, rtol=0, atol=1e-8)
    torch.testing.assert_close(again.best.fermat, first.best.fermat, rtol=0, atol=1e-8)


def test_images_that_a_draw_has_not_are_nan_in_it() -> None:
    lens = model(component("sis", theta_e=1.0, x=0.0, y=0.0), source=(0.9, 0.0))
    draws = best(lens)
    weaker = type(draws)(draws.kinds, ({**draws.columns[0], "theta_e": torch.tensor([[1.0], [0.8]]).double()},), 0)
    found = arrivals(lens, draws, weaker, 3.0)
    assert found is not None
    assert torch.isfinite(found.x[0]).all()
    assert torch.isfinite(found.x[1]).tolist() == [True, False]
    assert arrivals(model(), best(model()), best(model()), 3.0) is None
