"""Items shared among actors, one a core: each stays for item after item, another takes the place of one that is lost.

Knows nothing of what the items are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic

import ray

from ray_jobs.tasks import Item, Outcome, Result, n_cores, outcome
from ray_jobs.threads import limit_threads


class Worker(Generic[Item, Result]):
    """An actor with one function: what that has loaded or compiled for an item is there for the next."""

    def __init__(self, function: Callable[[Item], Result]) -> None:
        limit_threads(1)
        self._function = function

    def call(self, item: Item) -> Result:
        return self._function(item)


def shared(
    function: Callable[[Item], Result], items: Sequence[Item], *, n_retries: int
) -> Iterator[Outcome[Item, Result]]:
    """Call `function` on every item, an actor on one at a time, yielding outcomes as they come.

    An item that raises or loses its actor is asked of another, up to `n_retries` times: Ray's own retries of a call run
    out while it starts an actor anew.
    """
    waiting = deque((item, n_retries) for item in items)
    free: list[Any] = []
    busy: dict[ray.ObjectRef, tuple[Any, Item, int]] = {}
    while waiting or busy:
        while waiting and (free or len(busy) < n_cores()):
            actor, (item, n_left) = free.pop() if free else started(function), waiting.popleft()
            busy[actor.call.remote(item)] = actor, item, n_left
        done, _ = ray.wait(list(busy), num_returns=1, timeout=60)
        for reference in done:
            actor, item, n_left = busy.pop(reference)
            found: Outcome[Item, Result] = outcome(item, reference)
            if found.error is None:
                free.append(actor)
            if found.error is None or n_left == 0:
                yield found
            else:
                waiting.append((item, n_left - 1))


def started(function: Callable[[Item], Result]) -> Any:
    """An actor, where a core is free; it ends when nobody knows it any more."""
    return ray.remote(Worker).options(num_cpus=1, scheduling_strategy="SPREAD").remote(function)
