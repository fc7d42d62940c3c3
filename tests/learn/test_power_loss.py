"""Spectra as terms of a loss."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from learn.methods.power import agreement, bin_means, log_pk_loss, mode_bins, spectra, summaries


def test_one_wave_fills_one_bin_with_its_whole_power() -> None:
    x = torch.arange(32.0)
    for waves in (1, 5, 16):
        maps = (1 + 0.1 * torch.cos(2 * torch.pi * waves * x / 32))[None, :].expand(32, 32)
        found = spectra(maps, maps)
        filled = found.a > 1e-4 * found.a.sum()
        assert filled.sum() == 1
        np.testing.assert_allclose(found.cross, found.a, rtol=1e-5, atol=1e-6)


def test_bins_count_every_mode_of_the_full_plane_up_to_nyquist() -> None:
    n = 16
    bins, share, n_bins = mode_bins(n, n, torch.device("cpu"))
    field = torch.rand(n, n, generator=torch.Generator().manual_seed(0))
    power = torch.fft.fft2(field).abs().square()
    k = torch.hypot(torch.fft.fftfreq(n)[:, None], torch.fft.fftfreq(n)) * 2
    found = bin_means(power[:, : n // 2 + 1], n)
    edges = [k[:, : n // 2 + 1].flatten()[(bins == i) & (share > 0)] for i in range(n_bins)]
    for value, low, high in zip(found, map(min, edges), map(max, edges), strict=True):
        np.testing.assert_allclose(value, power[(k >= low) & (k <= high)].mean(), rtol=1e-5)
    assert torch.cat(edges).max() <= 1
    assert min(map(min, edges)) == 2 / n


def test_white_noise_is_flat_and_uncorrelated_with_other_noise() -> None:
    noise = 1 + 0.1 * torch.randn(2, 400, 32, 32, generator=torch.Generator().manual_seed(0))
    found = spectra(noise[0], noise[1])
    np.testing.assert_allclose(found.a.mean(0), 0.01, rtol=0.1)
    np.testing.assert_allclose(found.coherence().mean(0), 0, atol=0.1)
    np.testing.assert_allclose(found.log_ratio().mean(0), 0, atol=0.15)


def test_scaling_a_contrast_by_two_multiplies_its_power_by_four() -> None:
    noise = 0.1 * torch.randn(16, 16, generator=torch.Generator().manual_seed(0))
    noise -= noise.mean()
    found = spectra(1 + 2 * noise, 1 + noise)
    np.testing.assert_allclose(found.log_ratio(), np.log(4), rtol=1e-4)
    np.testing.assert_allclose(found.coherence(), 1, rtol=1e-4)


def test_the_gradient_of_the_spectrum_is_that_of_finite_differences() -> None:
    rng = torch.Generator().manual_seed(0)
    maps, other = (torch.rand(8, 8, generator=rng) + 0.5 for _ in range(2))

    def score(x: Tensor) -> Tensor:
        return spectra(x, other).log_ratio().square().mean()

    maps.requires_grad_()
    (slope,) = torch.autograd.grad(score(maps), maps)
    direction = torch.randn(8, 8, generator=rng)
    eps = 1e-2
    measured = (score(maps + eps * direction) - score(maps - eps * direction)) / (2 * eps)
    np.testing.assert_allclose((slope * direction).sum(), measured.detach(), rtol=2e-2)


def test_summaries_are_the_spectra_of_each_channel_and_the_coherence_of_each_pair() -> None:
    maps = 1 + torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    auto, cross = summaries(maps)
    for i in range(3):
        np.testing.assert_allclose(auto[:, i], torch.log(spectra(maps[:, i], maps[:, i]).a), rtol=1e-4, atol=1e-5)
    for pair, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        np.testing.assert_allclose(cross[:, pair], spectra(maps[:, i], maps[:, j]).coherence(), rtol=1e-4, atol=1e-5)


def test_the_loss_of_equal_maps_is_zero_and_sees_phases_between_channels() -> None:
    rng = torch.Generator().manual_seed(0)
    maps = 1 + torch.rand(2, 3, 16, 16, generator=rng)
    assert log_pk_loss(maps, maps) == 0
    rolled = torch.cat((maps[:, :1].roll(5, -1), maps[:, 1:]), dim=1)  # the same spectra, another place
    assert log_pk_loss(rolled, maps) > 0.01
    assert log_pk_loss(maps.roll(5, -1), maps) < 1e-9


def test_an_empty_map_has_no_power_and_a_finite_gradient() -> None:
    maps = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    maps[:, 2] = 0
    maps.requires_grad_()
    loss = log_pk_loss(maps, torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)))
    (slope,) = torch.autograd.grad(loss, maps)
    assert torch.isfinite(loss)
    assert torch.isfinite(slope).all()
    assert agreement(maps.detach(), maps.detach())["r_stars"] == 0
