"""Requests that share forward passes: whoever comes while the model is busy rides in the next batch.

Maps of one shape go together, as many as fit in memory. Knows nothing of HTTP or Ray. (`ray.serve.batch` closes a batch
after a fixed wait, be the model free or not, and an idle model waits too: `benchmarks/serve.py` compares.)
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Predict(Protocol):
    """What the queue asks of `learn.predict.Predictor`."""

    def __call__(self, maps: Floats, params: Floats, /, *, seed: Sequence[int]) -> Floats:
        """(B, H, W) maps, (B, p) parameters and B seeds -> (B, C, H, W)."""
        ...


class Job(NamedTuple):
    """One map (H, W), its parameters (p,) and the seed of its draw."""

    map: Floats
    params: Floats
    seed: int


class Batcher:
    """A queue in front of `predict`, which runs in one thread: the event loop stays free, the model is entered once.

    A batch holds at most `max_batch` requests; an idle model waits `wait_s` for it to fill.
    """

    def __init__(self, predict: Predict, *, max_batch: int, wait_s: float, max_pixels: int) -> None:
        self._work = partial(paint_jobs, predict, max_pixels=max_pixels)
        self._max_batch, self._wait_s = max_batch, wait_s
        self._lane = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forward")
        self._waiting: deque[tuple[Job, asyncio.Future[Floats]]] = deque()
        self._driver: asyncio.Task[None] | None = None
        self.sizes: Counter[int] = Counter()
        """How many batches of each size were painted."""
        self.failure: BaseException | None = None
        """Why the last batch failed, if it did."""

    async def paint(self, map: Floats, params: Floats, seed: int) -> Floats:
        """(H, W), (p,) and a seed -> (C, H, W); whatever `predict` raises."""
        answer: asyncio.Future[Floats] = asyncio.get_running_loop().create_future()
        self._waiting.append((Job(map, params, seed), answer))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drive())
        return await answer

    async def _drive(self) -> None:
        """Paint until nobody waits."""
        if len(self._waiting) < self._max_batch:
            await asyncio.sleep(self._wait_s)
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._max_batch, len(self._waiting)))]
            await self._paint([(job, answer) for job, answer in batch if not answer.done()])

    async def _paint(self, batch: list[tuple[Job, asyncio.Future[Floats]]]) -> None:
        """Give every request of `batch` its maps, or the error."""
        if not batch:
            return
        self.sizes[len(batch)] += 1
        work = asyncio.get_running_loop().run_in_executor(self._lane, self._work, [job for job, _ in batch])
        (painted,) = await asyncio.gather(work, return_exceptions=True)
        self.failure = painted if isinstance(painted, BaseException) else None
        for i, (_, answer) in enumerate(batch):
            if answer.done():  # its client went away in the meantime
                continue
            if isinstance(painted, BaseException):
                answer.set_exception(painted)
            else:
                answer.set_result(painted[i])


def paint_jobs(predict: Predict, jobs: Sequence[Job], *, max_pixels: int) -> list[Floats]:
    """The painted maps (C, H, W) of each job, in order; a forward pass sees one map or at most `max_pixels` pixels."""
    painted: dict[int, Floats] = {}
    for group in groups([job.map.shape for job in jobs], max_pixels):
        maps = np.stack([jobs[i].map for i in group])  # (B, H, W)
        params = np.stack([jobs[i].params for i in group])  # (B, p)
        painted |= zip(group, predict(maps, params, seed=[jobs[i].seed for i in group]), strict=True)
    return [painted[i] for i in range(len(jobs))]


def groups(shapes: Sequence[tuple[int, ...]], max_pixels: int) -> Iterator[list[int]]:
    """Indices of equal `shapes`, at most `max_pixels` pixels together, or a single one."""
    for shape in dict.fromkeys(shapes):
        same = [i for i, other in enumerate(shapes) if other == shape]
        share = max(1, max_pixels // (shape[0] * shape[1]))
        yield from (same[i : i + share] for i in range(0, len(same), share))
