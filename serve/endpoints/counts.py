"""Halos in the cells of a periodic box, from its density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from configs import ServeCounts
from learn.halo_painter import HaloPainter, Halos, min_side, over_mean
from learn.model import FarError
from serve.endpoints.endpoint import Route, about, device_of
from serve.form import Floats, Form
from serve.schema import CountAnswer, CountAsked, CountModel, CountRequest

ROUTE = Route(
    path="/v1/counts",
    summary="Halos for a box",
    description="Draw how many halos of each mass bin are in each cell of a periodic box. The answer has mass bins "
    "and the cells of the box.",
    asked=CountAsked,
    request=CountRequest,
    answer=CountAnswer,
    key="counts",
    channel_axis=0,
)


class Job(NamedTuple):
    """A box (D, H, W) over its mean, its parameters (p,) and the seed of its draw."""

    density: Floats
    params: Floats
    seed: int


class Counts:
    """A painter of halos: a box fills a forward pass by itself, tile by tile, so boxes are counted in turn."""

    route: ClassVar[Route] = ROUTE

    def __init__(self, painter: HaloPainter, config: ServeCounts) -> None:
        self._painter = painter
        self.form = Form("density", ("plane", "row", "column"), (config.max_cells,) * 3)
        self.model = self.described(config)

    @classmethod
    def described(cls, config: ServeCounts) -> CountModel:
        meta = HaloPainter.read_meta(config.checkpoint)
        least = min_side(meta)
        if least > config.max_cells:
            raise ValueError(f"max_cells: at least the {least} of {config.checkpoint}, got {config.max_cells}")
        return CountModel(**about(meta, ROUTE.path), min_cells=least, max_cells=config.max_cells)

    @classmethod
    def load(cls, config: ServeCounts) -> Self:
        return cls(HaloPainter.load(config.checkpoint, device_of(config)), config)

    def jobs(self, array: NDArray | None, asked: CountAsked) -> list[Job]:
        """One."""
        assert array is not None
        self._painter.check_cell_size(asked.cell_size)
        self.form.single_precision(array)
        self.refuse_no_box(array)
        return [Job(over_mean(array, "density"), self._painter.params_from(asked.params), asked.seed)]

    def run(self, jobs: Sequence[Job]) -> list[Halos | FarError]:
        """Halos (C, D, H, W) of each job, or why there are none: one box too far from the training is its own."""
        return [self._counted(job) for job in jobs]

    def gathered(self, answers: Sequence[Halos | FarError]) -> Halos:
        """(C, D, H, W)"""
        (halos,) = answers
        if isinstance(halos, FarError):
            raise halos
        return halos

    def refuse_no_box(self, array: NDArray) -> None:
        """ValueError for cells below 0, and for fewer than the model sees to one side of a cell."""
        if min(array.shape) < self.model.min_cells:
            least = self.model.min_cells
            raise ValueError(f"density: at least {least} cells along each side, got shape {array.shape}")
        if np.min(array) < 0:
            raise ValueError(f"density: numbers >= 0 in every cell, got a smallest of {np.min(array):.6g}")

    def _counted(self, job: Job) -> Halos | FarError:
        try:
            return self._painter(job.density, job.params, seed=job.seed)
        except FarError as error:
            return error
