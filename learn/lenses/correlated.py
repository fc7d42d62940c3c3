"""Noise whose neighbours agree, as the errors of a reconstructed source do. Knows shapes only."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

LENGTH = 3.3
"""Pixels of a source: of the Matern correlation that errors of a trained machine have, .9 of a pixel's neighbour."""


def correlated(white: Tensor) -> Tensor:
    """White noise (B, m, m) as noise of the same variance with a Matern correlation of order 3/2, periodic.

    A symmetric map, its own adjoint. Rasmussen & Williams 2006, eq. 4.17.
    """
    m = white.shape[-1]
    return torch.fft.irfft2(torch.fft.rfft2(white) * amplitudes(m).to(white), s=(m, m))


@lru_cache(maxsize=8)
def amplitudes(m: int) -> Tensor:
    """Of each Fourier mode (m, m // 2 + 1) of real maps; their mean square over all modes is 1."""
    k = 2 * math.pi * torch.fft.fftfreq(m, dtype=torch.float64)
    power = (3 / LENGTH**2 + k.square()[:, None] + k.square()) ** -2.5
    return (power / power.mean()).sqrt()[:, : m // 2 + 1]
