"""What the number of workers and the device change in a training run, and nothing else."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from configs import Train


class Prepare(Protocol):
    """What training on many workers changes: who I am, where tensors live, how gradients and numbers are averaged."""

    rank: int
    size: int
    device: torch.device

    def model(self, module: nn.Module) -> nn.Module:
        """`module`, with gradients averaged over the workers."""
        ...

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """Each value averaged over the workers."""
        ...


class Local:
    """One worker."""

    rank, size = 0, 1

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)

    def model(self, module: nn.Module) -> nn.Module:
        return module

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        return values


class Autocast(nn.Module):
    """A network whose convolutions and products are in a shorter precision; its answers are float32."""

    def __init__(self, net: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.net, self.dtype = net, dtype

    def forward(self, x: Tensor, *others: Any) -> Any:
        with torch.autocast(x.device.type, self.dtype):
            answer = self.net(x, *others)
        return tree_map(Tensor.float, answer)


def prepared(net: nn.Module, config: Train, prepare: Prepare) -> nn.Module:
    """`net` as the loop trains it: in its precision, compiled if asked for, with gradients averaged over the workers.

    It shares the weights of `net`.
    """
    if is_short(config, prepare.device):
        net = Autocast(net, torch.bfloat16)
    if config.compile:
        net = torch.compile(net)  # type: ignore[assignment]
    return prepare.model(net)


def is_short(config: Train, device: torch.device) -> bool:
    """Whether networks run in bfloat16."""
    if config.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return config.precision == "bfloat16"
