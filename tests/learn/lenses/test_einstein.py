"""Einstein radii of whole lenses: what the convergence, summed over the circle, says of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from learn.lenses.einstein import einstein_radii, of_radius, radii_of
from learn.lenses.latent import Lens
from sim.lensing.profiles import NFW, SIE, SIS, Mass, Shear, Sum

CENTRE = (torch.tensor([0.1, -0.05]), torch.tensor([0.02, 0.0]))


def at(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None, None]


def sie(q: float) -> Mass:
    e = (1 - q) / (1 + q)
    return SIE(at(0.8, 1.4), at(0.6 * e, 0), at(0.8 * e, -e), *(x[:, None, None].double() for x in CENTRE))


def found(mass: Mass) -> Tensor:
    return einstein_radii(mass, *(x.double() for x in CENTRE), torch.ones(2, dtype=torch.float64))


def within(mass: Mass, radius: Tensor, n: int = 120) -> Tensor:
    """The mean of the convergence over circles, by midpoints in radius and angle."""
    share = (torch.arange(n, dtype=torch.float64)[:, None] + 0.5) / n
    angle = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    r = radius[:, None, None] * share
    x, y = (c[:, None, None] for c in CENTRE)
    return (2 * share * mass.convergence(x + r * torch.cos(angle), y + r * torch.sin(angle))).mean((1, 2))


@pytest.mark.parametrize("q", [0.4, 1.0])
def test_the_mean_convergence_within_is_one(q: float) -> None:
    halo = NFW(at(0.1, 0.2), at(2.0, 5.0), *(x[:, None, None].double() for x in CENTRE))
    lens = Sum((sie(q), halo, Shear(at(0.05, 0.1), at(0.0, -0.1))))
    torch.testing.assert_close(within(lens, found(lens)), torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-3)


def test_of_a_sphere_it_is_the_parameter_and_shear_has_no_part() -> None:
    expected = torch.tensor([0.8, 1.4], dtype=torch.float64)
    torch.testing.assert_close(found(sie(1.0)), expected, rtol=1e-6, atol=0)
    sheared = Sum((sie(1.0), Shear(at(0.2, 0.1), at(-0.1, 0.3))))
    torch.testing.assert_close(found(sheared), expected, rtol=1e-6, atol=0)


def test_what_is_within_counts_whole_and_what_is_beyond_by_its_halo() -> None:
    """A sphere of theta_s at a distance d has a convergence of theta_s / 2 d here."""
    sphere = sie(1.0)

    def beside(x: float) -> Tensor:
        return found(Sum((sphere, SIS(*(one[..., None] for one in (at(0.05, 0.05), at(x, x), at(0.0, 0.0)))))))

    expected = found(sphere) / (1 - 0.05 / 2 / 10)
    torch.testing.assert_close(beside(10.0), expected, rtol=1e-4, atol=0)
    assert (beside(0.2) > found(sphere) + 0.04).all()


def test_numbers_of_lenses_have_one_each() -> None:
    lens = torch.tensor([[0.7, 0.0, 0.0, 0.3, 0.1, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
    draws = torch.cat((lens, 2 * lens)).view(2, 1, 11).expand(2, 3, 11)
    assert radii_of(draws.numpy()).tolist() == [[pytest.approx(0.7)] * 3, [pytest.approx(1.4)] * 3]
    assert torch.isfinite(Lens(lens).values).all()


def test_a_lens_takes_the_radius_it_is_given() -> None:
    lens = Lens(torch.tensor([[0.7, 0.3, -0.1, 0.05, 0.1, 0.1, 0.0, 0.04, 2.0, 0.0, 0.0]]))
    taken = of_radius(lens, torch.tensor([0.9]))
    assert radii_of(taken.values.numpy()) == pytest.approx(0.9, rel=1e-5)
    torch.testing.assert_close(taken.values[:, 1:], lens.values[:, 1:], rtol=0, atol=0)


def test_a_lens_that_its_halo_makes_alone_keeps_a_tenth() -> None:
    lens = Lens(torch.tensor([[0.7, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 2.0, 0.0, 0.0]]))
    assert of_radius(lens, torch.tensor([0.5])).values[0, 0] == pytest.approx(0.07)
