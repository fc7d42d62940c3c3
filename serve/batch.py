"""Jobs that share forward passes: whoever comes while the model is busy rides in the next batch.

Knows nothing of HTTP or Ray, and not what a job is. (`ray.serve.batch` closes a batch after a fixed wait, be the model
free or not, and an idle model waits too: `benchmarks/serve.py` compares.)
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

Job = TypeVar("Job")
Answer = TypeVar("Answer")
AnyJob = TypeVar("AnyJob", contravariant=True)
AnyAnswer = TypeVar("AnyAnswer", covariant=True)


class Queue(Protocol[AnyJob, AnyAnswer]):
    """Where jobs wait for a model."""

    @property
    def sizes(self) -> Mapping[int, int]:
        """How many batches of each size were answered."""
        ...

    @property
    def failure(self) -> BaseException | None:
        """Why the last batch failed, if it did."""
        ...

    async def ask(self, job: AnyJob) -> AnyAnswer:
        """The answer to one job."""
        ...


class Batcher(Generic[Job, Answer]):
    """A queue in front of `work`, which runs in one thread: the event loop stays free, the model is entered once.

    `work` answers jobs in their order. A batch holds at most `max_batch` jobs; an idle model waits `wait_s` for it to
    fill.
    """

    def __init__(
        self, work: Callable[[Sequence[Job]], Sequence[Answer]], *, max_batch: int, wait_s: float = 0.0
    ) -> None:
        self._work, self._max_batch, self._wait_s = work, max_batch, wait_s
        self._lane = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forward")
        self._waiting: deque[tuple[Job, asyncio.Future[Answer]]] = deque()
        self._driver: asyncio.Task[None] | None = None
        self.sizes: Counter[int] = Counter()
        self.failure: BaseException | None = None

    async def ask(self, job: Job) -> Answer:
        """The answer to one job; whatever `work` raises."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, answer))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drive())
        return await answer

    async def _drive(self) -> None:
        """Work until nobody waits."""
        if len(self._waiting) < self._max_batch:
            await asyncio.sleep(self._wait_s)
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._max_batch, len(self._waiting)))]
            await self._answer([(job, answer) for job, answer in batch if not answer.done()])

    async def _answer(self, batch: list[tuple[Job, asyncio.Future[Answer]]]) -> None:
        """Give every job of `batch` its answer, or the error."""
        if not batch:
            return
        self.sizes[len(batch)] += 1
        work = asyncio.get_running_loop().run_in_executor(self._lane, self._work, [job for job, _ in batch])
        (found,) = await asyncio.gather(work, return_exceptions=True)
        self.failure = found if isinstance(found, BaseException) else None
        for i, (_, answer) in enumerate(batch):
            if answer.done():  # its client went away in the meantime
                continue
            if isinstance(found, BaseException):
                answer.set_exception(found)
            else:
                answer.set_result(found[i])


async def ask_all(queue: Queue[Job, Answer], jobs: Sequence[Job]) -> list[Answer]:
    """The answers to all jobs, in order. Where one fails, or who asks goes away, the others are given up."""
    tasks = [asyncio.ensure_future(queue.ask(job)) for job in jobs]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def in_groups(
    run: Callable[[Sequence[Job]], Iterable[Answer]],
    jobs: Sequence[Job],
    kind: Callable[[Job], Hashable],
    most: Callable[[Job], int],
) -> list[Answer]:
    """The answer to each job, in order, by runs of jobs of one kind, as many as the first of its kind allows."""
    answers: dict[int, Answer] = {}
    for group in groups([kind(job) for job in jobs], [most(job) for job in jobs]):
        answers |= zip(group, run([jobs[i] for i in group]), strict=True)
    return [answers[i] for i in range(len(jobs))]


def groups(kinds: Sequence[Hashable], most: Sequence[int]) -> Iterator[list[int]]:
    """Indices of equal `kinds`, at most as many together as the first of them allows, or a single one."""
    for kind in dict.fromkeys(kinds):
        same = [i for i, other in enumerate(kinds) if other == kind]
        share = max(1, most[same[0]])
        yield from (same[i : i + share] for i in range(0, len(same), share))
