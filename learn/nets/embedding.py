"""Parameters and noise levels as the vectors that modulate a network."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

N_WAVES = 32
SHORTEST, LONGEST = 1e-3, 10.0  # of the waves; a level is within [0, 1]


class Embedding(nn.Module):
    """Parameter vector -> conditioning vector."""

    def __init__(self, n_params: int, n_out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_params, n_out), nn.SiLU(), nn.Linear(n_out, n_out), nn.SiLU())

    def forward(self, params: Tensor) -> Tensor:
        return self.layers(params)


class LevelEmbedding(nn.Module):
    """Noise level from 0, no noise, to 1, nothing else -> conditioning vector."""

    def __init__(self, n_out: int) -> None:
        super().__init__()
        self.embed = Embedding(2 * N_WAVES, n_out)

    def forward(self, level: Tensor) -> Tensor:
        """(B,) -> (B, n_out)"""
        return self.embed(waves(level))


def waves(level: Tensor) -> Tensor:
    """Sines and cosines of (B,) at frequencies between those of the longest and the shortest wave: (B, 2 N_WAVES)."""
    exponents = torch.linspace(-math.log(LONGEST), -math.log(SHORTEST), N_WAVES, device=level.device)
    phases = 2 * math.pi * level.float()[:, None] * torch.exp(exponents)
    return torch.cat((torch.sin(phases), torch.cos(phases)), dim=1).to(level.dtype)
