"""The one shape every method has. A method holds no weights: its networks are always handed to it.

The loop knows no method by name: it builds the networks, asks which of them a step updates, and descends one loss for
each, in turn. A painter has one network; a GAN has two, and a critic that is updated before its generator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from torch import Tensor, nn

from configs import Train
from learn.data import About, Batch
from learn.normalize import Normalizer

Metrics = dict[str, Tensor]
Nets = Mapping[str, nn.Module]


class Method(Protocol):
    """Losses, a judgement and predictions around networks: raw, wrapped for many workers, or averaged."""

    is_stochastic: ClassVar[bool]
    """Whether two seeds give two predictions."""

    def __init__(self, config: Train, normalizer: Normalizer, about: About) -> None: ...

    def build(self) -> dict[str, nn.Module]:
        """New networks by name, drawn from torch's current random state."""
        ...

    def phases(self, step: int) -> Sequence[str]:
        """The networks that this step updates, in order: the loss of each is evaluated after the updates before it."""
        ...

    def loss(self, phase: str, nets: Nets, batch: Batch) -> tuple[Tensor, Metrics]:
        """The scalar that the network `phase` descends, a mean over the maps of `batch`, and parts worth watching."""
        ...

    def validate(self, nets: Nets, batch: Batch) -> Metrics:
        """Scalars that judge held-out maps, each a mean over the maps of `batch`; they include `loss`."""
        ...

    def predict(self, nets: Nets, inputs: Tensor, params: Tensor, seeds: Tensor) -> Tensor:
        """Physical maps (B, I, H, W), parameters (B, p) and seeds (B,) -> physical maps (B, C, H, W), a draw a seed."""
        ...
