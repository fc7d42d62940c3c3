"""A replica whose batches are those of `ray.serve.batch`: a peer of `benchmarks/serve.py`."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from ray import serve as ray_serve

from configs import Serve
from serve.app import Painter
from serve.batch import Floats, Job, Predict, paint_jobs

WINDOW_S = 0.01


class Windowed:
    """What `serve.batch.Batcher` does, with batches that close after WINDOW_S, be the model free or not."""

    def __init__(self, predict: Predict, config: Serve) -> None:
        self._predict, self._max_pixels = predict, config.max_pixels**2
        self._lane = ThreadPoolExecutor(max_workers=1)
        self.sizes: Counter[int] = Counter()
        self.failure: BaseException | None = None
        self._batch.set_max_batch_size(config.max_batch)

    async def paint(self, map: Floats, params: Floats, seed: int) -> Floats:
        return await self._batch(Job(map, params, seed))

    @ray_serve.batch(batch_wait_timeout_s=WINDOW_S)
    async def _batch(self, jobs: list[Job]) -> list[Floats]:
        self.sizes[len(jobs)] += 1
        work = self._lane.submit(paint_jobs, self._predict, jobs, max_pixels=self._max_pixels)
        return await asyncio.wrap_future(work)


class WindowedPainter(Painter):
    """`serve.app.Painter` with the other batches."""

    def __init__(self, config: Serve) -> None:
        super().__init__(config)
        self._batcher = Windowed(self._predictor, config)
