"""The one shape of what stands behind an address: which requests it reads, and what it makes of them.

Knows nothing of HTTP and of queues. An endpoint parts a request into jobs, which may be answered in any company, and
puts their answers together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from configs import Replicas
from learn.checkpoint import Meta
from learn.methods import METHODS
from learn.model import FarError
from serve.form import Form
from serve.schema import AnyModel, Asked, Message, Parameter

AnyAsked = TypeVar("AnyAsked", contravariant=True)
AnyJob = TypeVar("AnyJob")
AnyAnswer = TypeVar("AnyAnswer")


@dataclass(frozen=True)
class Route:
    """An address and its messages. `key` is where an answer in JSON has its numbers, `channel_axis` of the channels."""

    path: str
    summary: str
    description: str
    asked: type[Asked]
    request: type[Asked]
    answer: type[Message]
    key: str
    channel_axis: int
    takes_file: bool = False

    @property
    def takes_array(self) -> bool:
        return self.asked is not self.request


class Endpoint(Protocol[AnyAsked, AnyJob, AnyAnswer]):
    """A model with the words around it."""

    route: ClassVar[Route]

    @property
    def form(self) -> Form:
        """Of the arrays it reads."""
        ...

    @property
    def model(self) -> AnyModel:
        """What it says of itself."""
        ...

    @classmethod
    def described(cls, config: Any) -> AnyModel:
        """What a checkpoint is, without its weights; ValueError for one of another family."""
        ...

    @classmethod
    def load(cls, config: Any) -> Self:
        """With its weights, on the device that `config` says."""
        ...

    def jobs(self, array: NDArray | None, asked: AnyAsked) -> Sequence[AnyJob]:
        """What is to be done for a request; ValueError says why it cannot be."""
        ...

    def run(self, jobs: Sequence[AnyJob]) -> Sequence[AnyAnswer]:
        """The answer to each job."""
        ...

    def gathered(self, answers: Sequence[AnyAnswer]) -> NDArray:
        """The answer to a request; FarError where it is too far from the training."""
        ...


def about(meta: Meta, path: str) -> dict[str, Any]:
    """What every model says of itself."""
    named = zip(meta.param_names, meta.param_defaults, strict=True)
    return {
        "path": path,
        "name": meta.config.out.name,
        "method": meta.config.method.kind,
        "is_stochastic": METHODS[meta.config.method.kind].is_stochastic,
        "input_channels": list(meta.input_channels),
        "channels": list(meta.target_channels),
        "unit": meta.target_unit or meta.unit,
        "params": [Parameter(name=name, default=default) for name, default in named],
        **{key: getattr(meta, key) for key in ("pixel_size", "box_size", "depth", "step", "commit")},
    }


def device_of(config: Replicas) -> str:
    return "cuda" if config.use_gpu else "cpu"


def refuse_far(array: NDArray, channels: Sequence[str], axis: int) -> None:
    """FarError where a model answered with what is no number."""
    for i, channel in enumerate(channels):
        n = np.count_nonzero(~np.isfinite(array.take(i, axis)))
        if n:
            raise FarError(
                f"request: expected values near those of the training, got {n} non-finite pixels of {channel}"
            )
