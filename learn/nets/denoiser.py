"""The network of a diffusion model, of whichever kind."""

from __future__ import annotations

from torch import nn

from configs import DiT as DiTConfig
from configs import NetConfig
from learn.nets.dit import DiT
from learn.nets.unet import UNet


def denoiser(config: NetConfig, n_in: int, n_out: int, n_params: int, n_dims: int) -> nn.Module:
    """Maps or cubes (B, n_in, ...), (B, n_params), noise level (B,) -> (B, n_out, ...)."""
    if isinstance(config, DiTConfig):
        return DiT(config, n_in, n_out, n_params, n_dims=n_dims)
    return UNet(config, n_in, n_out, n_params, n_dims=n_dims, noisy=True)
