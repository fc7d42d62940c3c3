"""Power spectra of periodic maps in torch, differentiable: a term of a loss, in units of the pixel.

Amplitudes have no unit and no window correction: only ratios of spectra of equal maps are meant. `sim.spectra` is the
measure for figures.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from sim.shards import TARGET_CHANNELS as CHANNELS

N_BINS = 16
FLOOR = 1e-8
"""Added to a power before its logarithm: an empty map has none."""


class Spectra(NamedTuple):
    """Auto spectra of two stacks of maps and their cross spectrum, each (..., bins)."""

    a: Tensor
    b: Tensor
    cross: Tensor

    def log_ratio(self) -> Tensor:
        """Natural logarithm of P_a / P_b."""
        return torch.log((self.a + FLOOR) / (self.b + FLOOR))

    def coherence(self) -> Tensor:
        """Correlation coefficient r(k) = P_ab / sqrt(P_a P_b)."""
        return self.cross / torch.sqrt((self.a + FLOOR) * (self.b + FLOOR))


def spectra(a: Tensor, b: Tensor) -> Spectra:
    """Spectra of the contrasts of `a` and `b` (..., H, W) up to the Nyquist frequency, in log bins, none empty."""
    with torch.autocast(a.device.type, enabled=False):
        fa, fb = contrast_modes(a.float()), contrast_modes(b.float())
        means = (bin_means(x, a.shape[-1]) for x in (squared(fa), squared(fb), (fa * fb.conj()).real))
        return Spectra(*means)


def summaries(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Ln P(k) of the channels of `maps` (B, C, H, W), (B, C, bins), and r(k) of each pair of them, (B, pairs, bins)."""
    first, second = torch.triu_indices(maps.shape[1], maps.shape[1], 1)
    with torch.autocast(maps.device.type, enabled=False):
        modes = contrast_modes(maps.float())
        auto = bin_means(squared(modes), maps.shape[-1]) + FLOOR
        product = (modes[:, first] * modes[:, second].conj()).real
        cross = bin_means(product, maps.shape[-1])
    return torch.log(auto), cross / torch.sqrt(auto[:, first] * auto[:, second])


def log_pk_loss(painted: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error of ln P(k) and, of each pair of channels, of r(k), over maps, channels and bins."""
    (auto, cross), (true_auto, true_cross) = summaries(painted), summaries(truth)
    return (auto - true_auto).square().mean() + (cross - true_cross).square().mean()


def agreement(painted: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Of each channel the mean over maps and bins of |ln P / P_true| and of r(k)."""
    compared = spectra(painted, truth)
    errors, coherence = compared.log_ratio().abs().mean((0, 2)), compared.coherence().mean((0, 2))
    power = {f"power_error_{name}": errors[i] for i, name in enumerate(CHANNELS)}
    return power | {f"r_{name}": coherence[i] for i, name in enumerate(CHANNELS)}


def contrast_modes(maps: Tensor) -> Tensor:
    """Fourier modes of map / mean - 1, (..., H, W // 2 + 1); none of an empty map."""
    mean = maps.mean((-2, -1), keepdim=True)
    contrast = maps / torch.where(mean > 0, mean, torch.inf) - (mean > 0).to(maps.dtype)
    return torch.fft.rfft2(contrast, norm="ortho")


def squared(modes: Tensor) -> Tensor:
    # abs() has no gradient at 0
    return modes.real.square() + modes.imag.square()


def bin_means(modes: Tensor, width: int) -> Tensor:
    """(..., H, W // 2 + 1) of maps of this width -> mean of each bin (..., bins), every mode of the plane counted."""
    bins, weights, n_bins = mode_bins(modes.shape[-2], width, modes.device)
    flat = modes.flatten(-2) * weights
    return flat.new_zeros(*flat.shape[:-1], n_bins).index_add(-1, bins, flat)


@lru_cache(maxsize=8)
@torch.inference_mode(mode=False)  # what is cached may be asked for again under autograd
def mode_bins(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor, int]:
    """For each mode of the half plane: its bin and its share of that bin; and the number of bins."""
    ky = torch.fft.fftfreq(height, dtype=torch.float64)[:, None] * 2
    kx = torch.fft.rfftfreq(width, dtype=torch.float64)[None, :] * 2
    k = torch.hypot(ky, kx).flatten()  # in Nyquist frequencies
    used = (k > 0) & (k <= 1)
    twice = torch.where((kx > 0) & (kx < 1), 2.0, 1.0).double().expand(height, -1).flatten() * used
    lowest = 2 / max(height, width)
    raw = (torch.log(k.clamp(min=lowest) / lowest) / torch.log(torch.tensor(1 / lowest)) * N_BINS).floor()
    bins = torch.unique(torch.where(used, raw.clamp(max=N_BINS - 1), 0), return_inverse=True)[1]
    counts = torch.zeros(int(bins.max()) + 1, dtype=torch.float64).index_add(0, bins, twice)
    return bins.to(device), (twice / counts[bins]).float().to(device), len(counts)
