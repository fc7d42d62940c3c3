"""A transformer of patches for maps or cubes of noise, modulated by parameters and the noise level. Knows shapes only.

Positions are sines of the periodic coordinate: two patches on both sides of a border are neighbours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from configs import DiT as DiTConfig
from learn.nets.cells import into_cells, into_pixels, refuse_indivisible
from learn.nets.embedding import Embedding, LevelEmbedding
from learn.nets.unet import zeroed

N_HARMONICS = 8  # waves along the side of a map that tell positions apart
EXPANSION = 4  # width of the perceptrons over that of the network


class DiT(nn.Module):
    """Diffusion transformer with adaLN-zero (Peebles & Xie 2023); zero output before it is trained."""

    def __init__(self, config: DiTConfig, n_in: int, n_out: int, n_params: int, *, n_dims: int = 2) -> None:
        super().__init__()
        self.stride, self.n_dims, cell = config.stride, n_dims, config.patch**n_dims
        self.embed, self.level = Embedding(n_params, config.n_embedding), LevelEmbedding(config.n_embedding)
        self.stem = nn.Linear(n_in * cell, config.width)
        self.position = nn.Linear(2 * N_HARMONICS * n_dims, config.width, bias=False)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_blocks))
        self.modulation = zeroed(nn.Linear(config.n_embedding, 2 * config.width))
        self.norm = nn.LayerNorm(config.width, elementwise_affine=False)
        self.head = zeroed(nn.Linear(config.width, n_out * cell))

    def forward(self, x: Tensor, params: Tensor, level: Tensor) -> Tensor:
        """(B, n_in, H, W), (B, n_params), (B,) -> (B, n_out, H, W), cubes alike; ValueError unless the patch fits."""
        refuse_indivisible(x, self.stride)
        cells = into_cells(x, self.stride)  # (B, n_in p^2, H/p, W/p)
        cond = self.embed(params) + self.level(level)  # (B, n_embedding)
        places = positions(tuple(cells.shape[2:]), x.device).to(x.dtype)
        tokens = self.stem(cells.flatten(2).mT) + self.position(places)  # (B, T, width)
        for block in self.blocks:
            tokens = block(tokens, cond)
        shift, scale = self.modulation(cond)[:, None].chunk(2, dim=-1)  # (B, 1, width)
        answer = self.head(modulated(self.norm(tokens), shift, scale))  # (B, T, n_out p^2)
        return into_pixels(answer.mT.reshape(len(x), -1, *cells.shape[2:]), self.stride)


class Block(nn.Module):
    """Attention, then a perceptron, each scaled, shifted and gated by the condition; the identity at first."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width, self.n_heads = config.width, config.n_heads
        self.norm_in, self.norm_out = (nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.attend, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, EXPANSION * width), nn.GELU(approximate="tanh"), nn.Linear(EXPANSION * width, width)
        )
        self.modulation = zeroed(nn.Linear(config.n_embedding, 6 * width))

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        shift, scale, gate, shift_out, scale_out, gate_out = self.modulation(cond)[:, None].chunk(6, dim=-1)
        x = x + gate * self.attention(modulated(self.norm_in(x), shift, scale))
        return x + gate_out * self.perceptron(modulated(self.norm_out(x), shift_out, scale_out))

    def attention(self, x: Tensor) -> Tensor:
        """(B, T, width) -> (B, T, width)"""
        heads = self.attend(x).unflatten(-1, (3, self.n_heads, -1))  # (B, T, 3, heads, width/heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # (B, heads, T, width/heads) each
        return self.join(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return torch.addcmul(shift, x, 1 + scale)


def positions(sides: tuple[int, ...], device: torch.device) -> Tensor:
    """Sines and cosines of the coordinates of cells along periodic axes: (T, 2 N_HARMONICS axes), the last fastest."""
    lines = torch.meshgrid(*(torch.arange(n, device=device) / n for n in sides), indexing="ij")
    coordinates = torch.stack([line.flatten() for line in lines], dim=-1)  # (T, axes)
    harmonics = torch.arange(1, N_HARMONICS + 1, device=device)
    phases = (2 * math.pi * coordinates[..., None] * harmonics).flatten(1)
    return torch.cat((torch.sin(phases), torch.cos(phases)), dim=1)
