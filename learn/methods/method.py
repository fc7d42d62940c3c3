"""The one shape every method has. A method holds no weights: the network is always handed to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from configs import Train
from learn.data import Batch
from learn.normalize import Normalizer

Metrics = dict[str, Tensor]


class Method(Protocol):
    """A loss, a judgement and a prediction around a network: raw, wrapped for many workers, or averaged."""

    def __init__(self, config: Train, normalizer: Normalizer, param_names: Sequence[str]) -> None: ...

    def build(self) -> nn.Module:
        """A new network, drawn from torch's current random state."""
        ...

    def loss(self, net: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        """The scalar to descend, a mean over the maps of `batch`, and the parts worth watching."""
        ...

    def validate(self, net: nn.Module, batch: Batch) -> Metrics:
        """Scalars that judge held-out maps, each a mean over the maps of `batch`; they include `loss`."""
        ...

    def predict(self, net: nn.Module, inputs: Tensor, params: Tensor) -> Tensor:
        """Physical maps (B, n_in, H, W) and parameters (B, p) -> physical maps (B, n_out, H, W)."""
        ...
