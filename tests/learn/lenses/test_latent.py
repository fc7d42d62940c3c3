"""The numbers that an inversion moves, and what they stand for."""

from __future__ import annotations

import pytest
import torch

from learn.lenses.latent import NAMES, ROUND, Lens, brightness, latent_of, radii_of


def lenses(n: int = 200) -> Lens:
    """Physical ones of all sorts."""
    rng = torch.Generator().manual_seed(0)
    low = torch.tensor([0.05, 1.4, -0.5, -0.5, -0.5, -0.5, -0.3, -0.3, 0.0, 0.1, -0.2, -0.2])
    high = torch.tensor([0.9, 2.7, 0.5, 0.5, 0.5, 0.5, 0.3, 0.3, 0.5, 8.0, 0.2, 0.2])
    return Lens(low + (high - low) * torch.rand(n, len(NAMES), generator=rng, dtype=torch.float64))


def test_a_lens_comes_back_from_its_latent() -> None:
    truth = lenses()
    torch.testing.assert_close(Lens.of(truth.latent()).values, truth.values, rtol=1e-9, atol=1e-12)


def test_any_numbers_are_a_lens() -> None:
    """Radii above 0, ellipses that are no lines, whatever a network says."""
    wild = 20 * torch.randn(500, len(NAMES), generator=torch.Generator().manual_seed(1))
    values = Lens.of(wild).values
    assert torch.isfinite(values).all()
    assert (values[:, 0] > 0).all()
    named = dict(zip(NAMES, values.unbind(1), strict=True))
    assert (named["r_s"] > 0).all()
    assert (named["kappa_s"] > -0.01).all()
    assert (named["slope"] - 2).abs().max() < 1
    assert torch.hypot(named["e1"], named["e2"]).max() <= ROUND


def test_brightness_comes_back_from_its_latent() -> None:
    values = torch.logspace(-4, 2, 60, dtype=torch.float64)
    torch.testing.assert_close(brightness(latent_of(values)), values, rtol=1e-9, atol=0)


def test_no_latent_is_dark_light() -> None:
    latent = torch.linspace(-50, 8, 500)
    shown = brightness(latent)
    assert (shown >= 0).all()
    assert (shown.diff() >= 0).all()


@pytest.mark.parametrize("name", ["theta_e", "kappa_s", "r_s"])
def test_a_step_of_a_scale_is_a_factor(name: str) -> None:
    """A tenth more of what must be above 0 is as far wherever it is."""
    i, truth = NAMES.index(name), lenses(2)
    moved = truth.values.clone()
    moved[:, i] *= 1.1
    steps = (Lens(moved).latent() - truth.latent())[:, i]
    assert steps.min() > 0.09
    assert steps.max() < 0.0954


def test_numbers_of_lenses_have_one_each() -> None:
    lens = torch.tensor([[0.7, 2.0, 0.0, 0.0, 0.3, 0.1, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
    double = torch.cat((2 * lens[:, :1], lens[:, 1:]), dim=1)
    draws = torch.cat((lens, double)).view(2, 1, 12).expand(2, 3, 12)
    assert radii_of(draws.numpy()).tolist() == [[pytest.approx(0.7)] * 3, [pytest.approx(1.4)] * 3]
    assert torch.isfinite(Lens(lens).values).all()


@pytest.mark.parametrize("slope", [1.6, 2.0, 2.4])
def test_a_lens_takes_the_radius_it_is_given(slope: float) -> None:
    lens = Lens(torch.tensor([[0.7, slope, 0.3, -0.1, 0.05, 0.1, 0.1, 0.0, 0.04, 2.0, 0.0, 0.0]]))
    taken = lens.of_radius(torch.tensor([0.9]))
    assert radii_of(taken.values.numpy()) == pytest.approx(0.9, rel=1e-5)
    torch.testing.assert_close(taken.values[:, 1:], lens.values[:, 1:], rtol=0, atol=0)


def test_a_lens_that_its_halo_makes_alone_keeps_a_tenth() -> None:
    lens = Lens(torch.tensor([[0.7, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 2.0, 0.0, 0.0]]))
    assert lens.of_radius(torch.tensor([0.5])).values[0, 0] == pytest.approx(0.07)
