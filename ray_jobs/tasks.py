"""One Ray task an item, spread over the nodes, retried a bounded number of times, reported as each ends.

Knows nothing of what the items are.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import ray
from ray.exceptions import RayError

from ray_jobs.threads import limit_threads

Item = TypeVar("Item")
Result = TypeVar("Result")

FAILED = 1


@dataclass(frozen=True)
class Outcome(Generic[Item, Result]):
    """What became of an item: its result, or why it failed for good."""

    item: Item
    result: Result | None
    error: str | None


def spread(
    function: Callable[[Item], Result], items: Sequence[Item], *, n_retries: int, n_gpus: int = 0
) -> Iterator[Outcome[Item, Result]]:
    """Call `function` on every item, one core and `n_gpus` each, yielding outcomes as they come.

    A task that raises or loses its worker is run again up to `n_retries` times. At most two tasks a core are
    submitted at once, so a long list costs no memory.
    """
    task: Any = ray.remote(single_threaded).options(
        num_cpus=1, num_gpus=n_gpus, max_retries=n_retries, retry_exceptions=True, scheduling_strategy="SPREAD"
    )
    waiting = list(reversed(items))
    running: dict[ray.ObjectRef, Item] = {}
    while waiting or running:
        while waiting and len(running) < in_flight():
            item = waiting.pop()
            running[task.remote(function, item)] = item
        done, _ = ray.wait(list(running), num_returns=1, timeout=60)
        for reference in done:
            yield outcome(running.pop(reference), reference)


def in_flight() -> int:
    return 2 * n_cores()


def n_cores() -> int:
    """Of the cluster as it is now."""
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(resources.get("CPU", 1)))


def single_threaded(function: Callable[[Item], Result], item: Item) -> Result:
    limit_threads(1)
    return function(item)


def outcome(item: Item, reference: ray.ObjectRef) -> Outcome[Item, Result]:
    try:
        return Outcome(item, ray.get(reference), None)
    except RayError as error:
        return Outcome(item, None, last_line(error))


def last_line(error: RayError) -> str:
    return str(error).strip().splitlines()[-1]


class Progress:
    """Prints a line an item: how many are done, how fast, how long the rest will take."""

    def __init__(self, step: str, unit: str, n_items: int, n_done: int = 0) -> None:
        self.step, self.unit, self.n_items = step, unit, n_items
        self.n_done = self.n_before = n_done
        self.start = time.monotonic()
        if n_done:
            print(f"{step}: {n_done} of {n_items} {plural(unit)} are there already", flush=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.start

    def advance(self, name: str, n: int = 1) -> None:
        """One more item, or `n` of them, called `name`, is done."""
        self.n_done += n
        pace = self.seconds / (self.n_done - self.n_before)
        left = pace * (self.n_items - self.n_done)
        count = f"{self.n_done}/{self.n_items} {plural(self.unit)}"
        print(f"{self.step}: {count}  {name}  {in_words(pace)}  {left:.0f} s left", flush=True)


def in_words(pace: float) -> str:
    """How long an item takes [s], or how many a second there are."""
    return f"{pace:.2f} s each" if pace >= 0.1 else f"{1 / max(pace, 1e-9):.0f} a second"


def exit_if_any_failed(step: str, failures: Sequence[tuple[str, str]]) -> None:
    """Name what failed for good and exit with 1."""
    for name, error in failures:
        print(f"{step}: {name} failed: {error}", file=sys.stderr, flush=True)
    if failures:
        print(f"{step}: {len(failures)} failed for good; the rest is kept, run again to retry", file=sys.stderr)
        raise SystemExit(FAILED)


def plural(unit: str) -> str:
    return unit + ("es" if unit.endswith(("x", "ch", "ns")) else "s")
