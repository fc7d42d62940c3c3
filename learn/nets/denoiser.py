"""The network of a diffusion model, of whichever kind."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from configs import DiT as DiTConfig
from configs import NetConfig
from configs import UNet as UNetConfig
from learn.nets.dit import DiT
from learn.nets.unet import UNet


def denoiser(config: NetConfig, n_in: int, n_out: int, n_params: int, n_dims: int, *, joint: bool = True) -> nn.Module:
    """Maps or cubes (B, n_in, ...), (B, n_params), noise level (B,) -> (B, n_out, ...).

    The first n_out of the n_in channels are noisy. Unless `joint`, each of these has a network of its own, which does
    not see the others.
    """
    if not joint:
        return Separate([denoiser(config, n_in - n_out + 1, 1, n_params, n_dims) for _ in range(n_out)])
    if isinstance(config, DiTConfig):
        return DiT(config, n_in, n_out, n_params, n_dims=n_dims)
    assert isinstance(config, UNetConfig)
    return UNet(config, n_in, n_out, n_params, n_dims=n_dims, noisy=True)


class Separate(nn.Module):
    """A network for each noisy channel, which sees that one and what is not noisy."""

    def __init__(self, nets: list[nn.Module]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, x: Tensor, params: Tensor, level: Tensor) -> Tensor:
        """(B, n + I, ...), (B, p), (B,) -> (B, n, ...)"""
        n = len(self.nets)
        noisy, known = x[:, :n], x[:, n:]
        answers = [net(torch.cat((noisy[:, i : i + 1], known), 1), params, level) for i, net in enumerate(self.nets)]
        return torch.cat(answers, dim=1)
