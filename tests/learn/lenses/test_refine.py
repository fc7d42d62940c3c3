"""Estimates that are made to fit: the derivatives of what they are held against."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from toy_lenses import K, M, toy_lenses, toy_rim

from learn.lenses.estimate import N_LENS, Estimate, triangular
from learn.lenses.fit import Fit, moved
from learn.lenses.latent import brightness
from learn.lenses.least_squares import total
from learn.lenses.refine import Refiner, likelier
from learn.methods.rim import observed


@pytest.fixture(scope="module")
def fit() -> Fit:
    """Of two systems, about a poor guess of them."""
    rim, batch = toy_rim(), toy_lenses(2)
    seen = observed(batch.inputs, K)
    weight = seen.weight.clone()
    weight[0, :4] = 0
    seen = replace(seen, weight=weight)
    factor = triangular(0.3 * torch.randn(2, N_LENS * (N_LENS + 1) // 2, generator=torch.Generator().manual_seed(1)))
    source = rim.truth(batch, seen) + 0.1
    prior = Estimate(source, torch.full_like(source, 0.3), rim.scale.forward(batch.params) + 0.1, factor)
    return Fit(rim.physical, rim.exact(seen), prior, seen)


def white(scale: float) -> Tensor:
    return scale * torch.randn(2, M * M + N_LENS, generator=torch.Generator().manual_seed(5))


def test_images_change_with_source_and_lens_as_they_are_said_to(fit: Fit) -> None:
    """Central differences of the residual, along one direction of all numbers, and of the lens alone."""
    at, everything = white(0.2), white(1.0)
    lens_alone = everything * (torch.arange(everything.shape[1]) >= M * M)
    linear = fit.linear(at)
    for along in (everything, lens_alone):
        step = 1e-2
        rise = -(fit.residual(at + step * along) - fit.residual(at - step * along)) / (2 * step)
        error = (linear.forward(along) - rise).norm(dim=1) / rise.norm(dim=1)
        assert error.max() < 0.03


def test_the_adjoint_is_that_of_the_forward_map(fit: Fit) -> None:
    linear, z = fit.linear(white(0.2)), white(1.0)
    u = torch.randn(fit.residual(z).shape, generator=torch.Generator().manual_seed(6))
    one, other = (linear.forward(z) * u).sum(1), (z * linear.adjoint(u)).sum(1)
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3 * float(linear.forward(z).norm() * u.norm()))


def test_what_is_masked_says_nothing(fit: Fit) -> None:
    z = white(0.2)
    residual = fit.residual(z).reshape(2, *fit.seen.image.shape[1:])
    assert (residual[0, :4] == 0).all()
    assert (residual[1, :4] != 0).any()


def test_the_peak_is_more_probable_than_the_prior_and_than_what_is_near(fit: Fit) -> None:
    refiner = Refiner(toy_rim(), 15)
    peak = refiner.peak(fit.prior, fit.seen, torch.Generator())

    def improbable(z: Tensor) -> Tensor:
        return total(fit.residual(z), z)

    lowest = improbable(peak)
    assert (lowest < improbable(torch.zeros_like(peak)) / 2).all()
    for i in range(N_LENS):
        for step in (-0.1, 0.1):
            near = peak.clone()
            near[:, M * M + i] += step
            assert (improbable(near) > lowest).all()


def test_white_noise_is_source_first_then_lens(fit: Fit) -> None:
    z = torch.zeros(2, M * M + N_LENS)
    z[:, -N_LENS] = 1.0
    at = moved(fit.prior, z)
    torch.testing.assert_close(at.source, fit.prior.source)
    torch.testing.assert_close((fit.prior.factor @ (at.lens - fit.prior.lens)[..., None])[..., 0], z[:, -N_LENS:])


def test_of_two_fits_each_image_has_the_likelier(fit: Fit) -> None:
    one, other = torch.zeros_like(white(1.0)), white(0.0)
    other[1], one[0] = white(3.0)[1], white(3.0)[0]
    best = likelier(fit, one, other)
    assert torch.equal(best, torch.stack((other[0], one[1])))


def test_as_many_numbers_are_fitted_as_the_trace_of_what_fits_says(fit: Fit) -> None:
    """Of the dense matrix, J (1 + J^T J)^-1 J^T; four probes scatter by sqrt(trace of its square / 2)."""
    at = white(0.2)
    linear = fit.linear(at)
    eye = torch.eye(at.shape[1])
    jacobian = torch.stack([linear.forward(one.expand(2, -1)) for one in eye], dim=-1).double()
    strengths = torch.linalg.svdvals(jacobian).square()
    shares = strengths / (1 + strengths)
    found = Refiner(toy_rim(), 1).n_fitted(fit.prior, at, fit.seen, torch.Generator().manual_seed(3))
    scatter = torch.sqrt(shares.square().sum(1) / 2)
    assert (shares.sum(1) > 5 * scatter).all()
    assert ((found - shares.sum(1)).abs() < 3 * scatter).all()


def test_finer_pixels_hold_what_is_smaller_than_a_pixel(fit: Fit) -> None:
    """Of a source with one bright pixel, half as wide as the network's."""
    fine = fit.prior.finer(2)
    assert fine.source.shape == fine.spread.shape == (2, 2 * M, 2 * M)
    torch.testing.assert_close(fine.source.mean((1, 2)), fit.prior.source.mean((1, 2)), atol=1e-3, rtol=0)
    spot = brightness(fine.source)
    spot[:, 25, 22] += 2.0
    clean = fit.forward.image(spot, fit.physical(fit.prior.lens), fit.seen.psf)
    seen = replace(fit.seen, image=clean)
    left = []
    for prior in (fit.prior, fine):
        own = replace(fit, prior=prior, seen=seen)
        peak = Refiner(toy_rim(), 5).peak(prior, seen, torch.Generator().manual_seed(2))
        left.append(total(own.residual(peak), peak))
    assert (left[1] < 0.7 * left[0]).all()
