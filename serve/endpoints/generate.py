"""Fields from nothing but parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from configs import ServeSamples
from learn.sampler import Sampler, shape_of
from serve.endpoints.draws import Draw, bounds, drawn, draws_of, stacked
from serve.endpoints.endpoint import Route, about, device_of
from serve.form import NOTHING, Floats, Form
from serve.schema import GenerateAnswer, GenerateModel, GenerateRequest

ROUTE = Route(
    path="/v1/generate",
    summary="Fields of a seed and of parameters",
    description="Draw samples: those that `python -m learn generate` draws of this seed and these parameters. "
    "The answer has samples, channels and sides.",
    asked=GenerateRequest,
    request=GenerateRequest,
    answer=GenerateAnswer,
    key="samples",
    channel_axis=1,
)


class Generate:
    """A generator of fields."""

    route: ClassVar[Route] = ROUTE
    form: Form = NOTHING

    def __init__(self, sampler: Sampler, config: ServeSamples) -> None:
        self._sampler = sampler
        self.model = self.described(config)

    @classmethod
    def described(cls, config: ServeSamples) -> GenerateModel:
        meta = Sampler.read_meta(config.checkpoint)
        if meta.input_channels:
            inputs = ", ".join(meta.input_channels)
            raise ValueError(f"{config.checkpoint}: expected a model without inputs, got one of {inputs}")
        return GenerateModel(**about(meta, ROUTE.path), **bounds(meta, config), shape=list(shape_of(meta)))

    @classmethod
    def load(cls, config: ServeSamples) -> Self:
        return cls(Sampler.load(config.checkpoint, device_of(config)), config)

    def jobs(self, _array: NDArray | None, asked: GenerateRequest) -> list[Draw]:
        """One a sample."""
        params = self._sampler.params_from(asked.params)
        inputs = np.empty((0, *self._sampler.shape[1:]), np.float32)
        return draws_of(asked, self.model, self._sampler.meta, params, inputs)

    def run(self, jobs: Sequence[Draw]) -> list[Floats]:
        return drawn(self._sampler, jobs)

    def gathered(self, answers: Sequence[Floats]) -> Floats:
        """(n, C, H, W) or (n, C, D, H, W)"""
        return stacked(answers, self.model.channels)
