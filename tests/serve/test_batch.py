"""Batches: everyone gets their own maps back, whatever the company."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest

from serve.batch import Batcher, ask_all, groups
from serve.endpoints.paint import Job, paint_jobs
from serve.form import Floats


def scaled(maps: Floats, params: Floats, *, seed: Sequence[int]) -> Floats:
    """One channel: the map times its first parameter, plus a tenth of its seed."""
    return (maps * params[:, :1, None] + np.reshape(seed, (-1, 1, 1)).astype(np.float32) / 10)[:, None]


def job(side: int, factor: float, seed: int = 0) -> Job:
    return Job(np.full((side, side), side, np.float32), np.array([factor], np.float32), seed)


def test_mixed_shapes_keep_their_order() -> None:
    jobs = [job(side, i, seed=10 * i) for i, side in enumerate([4, 8, 4, 2, 8, 4])]
    painted = paint_jobs(scaled, jobs, max_pixels=100)
    for i, (answer, asked) in enumerate(zip(painted, jobs, strict=True)):
        np.testing.assert_array_equal(answer, asked.map[None] * i + i, strict=True)


def test_groups_partition_and_bound_pixels() -> None:
    shapes = [(4, 4), (2, 8), (4, 4), (4, 4), (16, 16)]
    found = list(groups(shapes, [32 // (a * b) for a, b in shapes]))
    assert sorted(i for group in found for i in group) == list(range(5))
    assert found == [[0, 2], [3], [1], [4]]


async def painted(batcher: Batcher, jobs: list[Job]) -> list[Floats | BaseException]:
    return await asyncio.gather(*(batcher.ask(job) for job in jobs), return_exceptions=True)


def batcher(predict=scaled, *, max_batch: int = 4, wait_s: float = 0.0) -> Batcher:
    return Batcher(partial(paint_jobs, predict, max_pixels=10**6), max_batch=max_batch, wait_s=wait_s)


def test_who_waits_together_is_painted_together() -> None:
    subject = batcher()
    answers = asyncio.run(painted(subject, [job(4, i) for i in range(10)]))
    for i, answer in enumerate(answers):
        np.testing.assert_array_equal(answer, np.full((1, 4, 4), 4 * i, np.float32), strict=True)
    assert dict(subject.sizes) == {4: 2, 2: 1}


def test_who_comes_while_the_model_is_busy_rides_in_the_next_batch() -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(maps: Floats, params: Floats, *, seed: Sequence[int]) -> Floats:
        entered.set()
        assert leave.wait(timeout=10)
        return scaled(maps, params, seed=seed)

    async def scenario(subject: Batcher) -> None:
        first = asyncio.create_task(subject.ask(job(4, 1)))
        await asyncio.to_thread(entered.wait, 10)
        others = [asyncio.create_task(subject.ask(job(4, i))) for i in range(3)]
        await asyncio.sleep(0)
        leave.set()
        await asyncio.gather(first, *others)

    subject = batcher(slow)
    asyncio.run(scenario(subject))
    assert dict(subject.sizes) == {1: 1, 3: 1}


def test_a_failure_reaches_its_batch_and_no_other() -> None:
    def fragile(maps: Floats, params: Floats, *, seed: Sequence[int]) -> Floats:
        if params.max() > 9:
            raise RuntimeError("out of memory")
        return scaled(maps, params, seed=seed)

    async def scenario(subject: Batcher) -> None:
        first = await painted(subject, [job(4, 10), job(4, 1)])
        assert [str(answer) for answer in first] == ["out of memory"] * 2
        assert isinstance(subject.failure, RuntimeError)
        assert np.all((await subject.ask(job(4, 1))) == 4)
        assert subject.failure is None

    asyncio.run(scenario(batcher(fragile)))


def test_who_left_is_not_painted() -> None:
    async def scenario(subject: Batcher) -> None:
        gone = asyncio.create_task(subject.ask(job(4, 1)))
        stays = asyncio.create_task(subject.ask(job(4, 2)))
        await asyncio.sleep(0)
        gone.cancel()
        assert np.all(await stays == 8)

    subject = batcher(wait_s=0.05)
    asyncio.run(scenario(subject))
    assert dict(subject.sizes) == {1: 1}


def test_an_idle_model_waits_for_company_when_told_to() -> None:
    async def scenario(subject: Batcher) -> None:
        first = asyncio.create_task(subject.ask(job(4, 1)))
        await asyncio.sleep(0.01)
        await asyncio.gather(first, subject.ask(job(4, 2)))

    subject = batcher(wait_s=0.3)
    asyncio.run(scenario(subject))
    assert dict(subject.sizes) == {2: 1}


@pytest.mark.parametrize("max_batch", [1, 3])
def test_no_batch_is_larger_than_allowed(max_batch: int) -> None:
    subject = batcher(max_batch=max_batch)
    asyncio.run(painted(subject, [job(4, 1) for _ in range(7)]))
    assert max(subject.sizes) == max_batch


def test_who_leaves_takes_all_jobs_along() -> None:
    """A request of many jobs that is given up costs one batch, not all."""
    entered, leave = threading.Event(), threading.Event()

    def slow(maps: Floats, params: Floats, *, seed: Sequence[int]) -> Floats:
        entered.set()
        assert leave.wait(timeout=10)
        return scaled(maps, params, seed=seed)

    async def scenario(subject: Batcher) -> None:
        gone = asyncio.create_task(ask_all(subject, [job(4, i) for i in range(12)]))
        await asyncio.to_thread(entered.wait, 10)
        gone.cancel()
        stays = asyncio.create_task(ask_all(subject, [job(4, i) for i in range(3)]))
        await asyncio.sleep(0.01)
        leave.set()
        np.testing.assert_array_equal([one.max() for one in await stays], [0, 4, 8])
        with pytest.raises(asyncio.CancelledError):
            await gone

    subject = batcher(slow)
    asyncio.run(scenario(subject))
    assert dict(subject.sizes) == {4: 1, 3: 1}


def test_one_job_that_fails_gives_up_the_others() -> None:
    def fragile(maps: Floats, params: Floats, *, seed: Sequence[int]) -> Floats:
        raise RuntimeError("out of memory")

    async def scenario(subject: Batcher) -> None:
        with pytest.raises(RuntimeError, match="out of memory"):
            await ask_all(subject, [job(4, i) for i in range(12)])
        await asyncio.sleep(0.05)

    subject = batcher(fragile)
    asyncio.run(scenario(subject))
    assert subject.sizes.total() <= 2
