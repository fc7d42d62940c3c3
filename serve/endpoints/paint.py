"""Maps of dark matter to maps of matter, gas and stars."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import ClassVar, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from configs import Serve
from learn.predict import Predictor, min_side
from serve.batch import in_groups
from serve.endpoints.endpoint import Route, about, device_of, refuse_far
from serve.form import Floats, Form
from serve.schema import PaintAnswer, PaintAsked, PaintModel, PaintRequest

ROUTE = Route(
    path="/v1/paint",
    summary="Baryons for a map of dark matter",
    description="Paint one map of surface density: the answer has its channels, rows and columns.",
    asked=PaintAsked,
    request=PaintRequest,
    answer=PaintAnswer,
    key="maps",
    channel_axis=0,
)


class Predict(Protocol):
    """What a batch asks of a `Predictor`."""

    def __call__(self, maps: Floats, params: Floats, /, *, seed: Sequence[int]) -> Floats:
        """(B, H, W) maps, (B, p) parameters and B seeds -> (B, C, H, W)."""
        ...


class Job(NamedTuple):
    """One map (H, W), its parameters (p,) and the seed of its draw."""

    map: Floats
    params: Floats
    seed: int


class Paint:
    """A painter: maps of one shape go together, as many as fit in memory."""

    route: ClassVar[Route] = ROUTE

    def __init__(self, predictor: Predictor, config: Serve) -> None:
        self._predictor = predictor
        self.form = Form("map", ("row", "column"), (config.max_pixels,) * 2)
        self.model = self.described(config)
        self._max_pixels = config.max_pixels**2

    @classmethod
    def described(cls, config: Serve) -> PaintModel:
        assert config.checkpoint is not None
        meta = Predictor.read_meta(config.checkpoint)
        return PaintModel(
            **about(meta, ROUTE.path),
            stride=meta.config.net.stride,
            min_pixels=min_side(meta),
            max_pixels=config.max_pixels,
        )

    @classmethod
    def load(cls, config: Serve) -> Self:
        assert config.checkpoint is not None
        return cls(Predictor.load(config.checkpoint, device_of(config)), config)

    def jobs(self, array: NDArray | None, asked: PaintAsked) -> list[Job]:
        """One."""
        assert array is not None
        self._predictor.check_pixel_size(asked.pixel_size)
        map = self.form.single_precision(array)
        self._predictor.check(map)
        return [Job(map, self._predictor.params_from(asked.params), asked.seed)]

    def run(self, jobs: Sequence[Job]) -> list[Floats]:
        return paint_jobs(self._predictor, jobs, max_pixels=self._max_pixels)

    def gathered(self, answers: Sequence[Floats]) -> Floats:
        """(C, H, W)"""
        (maps,) = answers
        refuse_far(maps, self.model.channels, ROUTE.channel_axis)
        return maps


def paint_jobs(predict: Predict, jobs: Sequence[Job], *, max_pixels: int) -> list[Floats]:
    """The painted maps (C, H, W) of each job, in order; a forward pass sees one map or at most `max_pixels` pixels."""

    def together(group: Sequence[Job]) -> Floats:
        maps, params = np.stack([job.map for job in group]), np.stack([job.params for job in group])
        return predict(maps, params, seed=[job.seed for job in group])

    return in_groups(together, jobs, lambda job: job.map.shape, lambda job: max_pixels // prod(job.map.shape))
