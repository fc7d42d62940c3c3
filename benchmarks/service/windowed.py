"""A replica whose batches are those of `ray.serve.batch`: a peer of `benchmarks/serve.py`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ray import serve as ray_serve

from configs import Serve
from serve.app import Replica
from serve.desk import Desk
from serve.endpoints.paint import Job
from serve.form import Floats

WINDOW_S = 0.01


class Windowed:
    """What `serve.batch.Batcher` does, with batches that close after WINDOW_S, be the model free or not."""

    def __init__(self, work: Callable[[Sequence[Job]], Sequence[Floats]], max_batch: int) -> None:
        self._work = work
        self._lane = ThreadPoolExecutor(max_workers=1)
        self.sizes: Counter[int] = Counter()
        self.failure: BaseException | None = None
        self._batch.set_max_batch_size(max_batch)

    async def ask(self, job: Job) -> Floats:
        return await self._batch(job)

    @ray_serve.batch(batch_wait_timeout_s=WINDOW_S)
    async def _batch(self, jobs: list[Job]) -> list[Floats]:
        self.sizes[len(jobs)] += 1
        return await asyncio.wrap_future(self._lane.submit(self._work, jobs))


class WindowedPainter(Replica):
    """`serve.app.Replica` of a painter with the other batches."""

    def __init__(self, config: Serve, name: str) -> None:
        super().__init__(config, name)
        endpoint = self._desks[0].endpoint
        self._desks = [Desk(endpoint, Windowed(endpoint.run, config.max_batch))]
