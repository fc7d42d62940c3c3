"""What an image says of a source and a lens: the exact likelihood, by finite differences and by simulation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from learn.lenses.latent import NAMES, Lens, brightness, latent_of
from learn.lenses.likelihood import Forward, Observation, blurred, core_variance
from sim.lensing.psf import gaussian

N, M = 24, 16
FORWARD = Forward(N, 0.5, 2)
LENS = torch.tensor([[0.5, 2.1, 0.1, -0.15, 0.03, -0.02, 0.05, 0.03, 0.05, 2.0, 0.05, 0.1]] * 2, dtype=torch.float64)
PSF = gaussian(torch.tensor([2.5, 3.0], dtype=torch.float64), 1.0, 9)


def source() -> Tensor:
    """Two round blobs, (2, m, m)."""
    along = torch.linspace(-1, 1, M, dtype=torch.float64)
    r2 = along.square()[:, None] + (along - 0.2).square()
    return torch.stack((torch.exp(-8 * r2), 0.5 * torch.exp(-4 * r2))) + 0.01


def observation(scale: float = 1.0) -> Observation:
    """Of that lens and source, with noise."""
    rng = torch.Generator().manual_seed(3)
    image = FORWARD.image(source(), Lens(LENS), PSF)
    noise = torch.full_like(image, 0.05)
    noise[0, :3] = math.inf
    noisy = image + 0.05 * torch.randn(image.shape, generator=rng, dtype=image.dtype)
    return Observation.of(scale * noisy, scale * noise, PSF)


def misfit(flux: Tensor, latent: Tensor, seen: Observation) -> Tensor:
    """The logarithm of the likelihood of each image."""
    model = FORWARD.image(flux, Lens.of(latent), seen.psf)
    return -((seen.image - model) * seen.weight).square().sum((1, 2)) / 2


def test_the_slope_is_that_of_finite_differences() -> None:
    seen, latent = observation(), Lens(LENS).latent() + 0.05
    start = latent_of(source() / seen.scale[:, None, None])
    slope = FORWARD.evaluate(start, latent, seen).slope
    for i in range(len(NAMES)):
        step = torch.zeros_like(latent)
        step[:, i] = 1e-5
        rise = misfit(brightness(start), latent + step, seen) - misfit(brightness(start), latent - step, seen)
        torch.testing.assert_close(slope[:, i], rise / 2e-5, rtol=2e-3, atol=1e-2)


def test_the_step_is_the_residual_carried_back() -> None:
    """Each source pixel's is its gradient over the weight that a uniform source would have there."""
    seen, latent = observation(), Lens(LENS).latent()
    start = latent_of(source() / seen.scale[:, None, None])
    found = FORWARD.evaluate(start, latent, seen)
    flux = brightness(start)
    up = torch.zeros_like(flux)
    up[:, 8, 9] = 1e-5
    rise = (misfit(flux + up, latent, seen) - misfit(flux - up, latent, seen)) / 2e-5
    uniform = FORWARD.image(torch.ones_like(flux), Lens.of(latent), seen.psf)
    response = FORWARD.image(up / 1e-5, Lens.of(latent), seen.psf)
    weight = (response * uniform * seen.weight.square()).sum((1, 2))
    torch.testing.assert_close(found.step[:, 8, 9], rise / weight, rtol=3e-3, atol=0)


def test_the_truth_fits_to_the_noise() -> None:
    seen = observation()
    found = FORWARD.evaluate(latent_of(source() / seen.scale[:, None, None]), Lens(LENS).latent(), seen)
    chi2 = found.residual[1].square().mean()
    assert abs(float(chi2) - 1) < 4 * math.sqrt(2 / N**2)


def test_masked_pixels_say_nothing() -> None:
    seen = observation()
    found = FORWARD.evaluate(latent_of(source()), Lens(LENS).latent(), seen)
    assert (found.residual[0, :3] == 0).all()
    assert (found.residual[1, :3] != 0).any()


@pytest.mark.parametrize("scale", [1e-6, 1e5])
def test_units_do_not_matter(scale: float) -> None:
    one, other = observation(), observation(scale)
    torch.testing.assert_close(one.image, other.image, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(one.weight, other.weight, rtol=1e-9, atol=0)
    torch.testing.assert_close(scale * one.scale, other.scale, rtol=1e-9, atol=0)


@pytest.mark.parametrize("width", [-0.1, 0.0, 0.15])
def test_a_kernel_is_as_wide_as_the_lens_says(width: float) -> None:
    """A Gaussian stays one; its sum stays 1."""
    lens = LENS[:1].clone()
    lens[:, NAMES.index("psf_width")] = width
    before = gaussian(torch.tensor([4.0], dtype=torch.float64), 1.0, 25)
    after = blurred(before, Lens(lens))
    expected = gaussian(torch.tensor([4.0 * math.exp(width)], dtype=torch.float64), 1.0, 25)
    torch.testing.assert_close(after, expected, rtol=0, atol=0.02 * float(expected.max()))
    torch.testing.assert_close(after.sum(), torch.tensor(1.0, dtype=torch.float64), rtol=1e-3, atol=0)


def test_the_core_of_a_gaussian_is_its_variance() -> None:
    fwhm = torch.tensor([3.0, 5.0], dtype=torch.float64)
    expected = (fwhm / math.sqrt(8 * math.log(2))).square()
    torch.testing.assert_close(core_variance(gaussian(fwhm, 1.0, 31)), expected, rtol=0.06, atol=0)


def test_an_image_that_says_nothing_moves_nothing() -> None:
    """All of it masked: no step, and no weight."""
    image = torch.ones(2, N, N, dtype=torch.float64)
    seen = Observation.of(image, torch.full_like(image, math.inf), PSF)
    found = FORWARD.evaluate(latent_of(source()), Lens(LENS).latent(), seen)
    assert (found.step == 0).all()
    assert (found.weight == 0).all()
