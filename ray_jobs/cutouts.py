"""Cutouts of halos on a cluster: an actor holds a simulation in memory and makes shards of its halos and rotations.

Actors ask for the memory of a simulation, so Ray spreads them over the nodes by it. Each writes its shards itself and
has one or two to make at a time; only records travel, so nothing gathers in the object store. When fewer
simulations are left than there are cores, several actors share one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from configs import Cutouts
from learn.preview import write_preview
from ray_jobs.cluster import connect
from ray_jobs.holder import Holder, completed
from ray_jobs.nodes import live_nodes
from ray_jobs.record import write_step
from ray_jobs.tasks import Progress, exit_if_any_failed, last_line, n_cores, spread
from sim import halosets, paired
from sim.memory import in_words
from sim.paired import Outline
from sim.samples import PartRecord, SimulationRecord

AHEAD = 2
"""Shards that an actor has been asked for and has not made."""


@dataclass
class Work:
    """What is left to do of a simulation: `waiting` parts once it has an outline."""

    name: str
    n_attempts_left: int
    outline: Outline | None = None
    source: str = ""
    waiting: deque[int] = field(default_factory=deque)
    made: list[PartRecord] = field(default_factory=list)
    n_actors: int = 0
    error: str | None = None

    def is_made(self, config: Cutouts) -> bool:
        return self.outline is not None and len(self.made) == halosets.n_parts(self.outline.n_halos, config)

    def wants_actor(self) -> bool:
        """Whether one more actor would find something to do: the first, or one for parts that nobody was asked for."""
        if self.error is not None:
            return False
        if self.n_actors == 0:
            return self.outline is None or bool(self.waiting)
        return len(self.waiting) > AHEAD * self.n_actors


@dataclass(eq=False)
class Seat:
    """An actor, the simulation it is at, and what it was asked for and has not answered: parts, None the outline."""

    actor: Any
    work: Work
    asked: dict[ray.ObjectRef, int | None] = field(default_factory=dict)

    def ask_outline(self) -> None:
        self.asked[self.actor.outline.remote(self.work.name)] = None

    def fill(self) -> None:
        """Ask for as many shards as an actor may have before it."""
        while self.work.waiting and len(self.asked) < AHEAD:
            part = self.work.waiting.popleft()
            self.asked[self.actor.part.remote(self.work.name, part)] = part

    def leave(self) -> None:
        """Put back what was asked for and not answered."""
        self.work.waiting.extendleft(part for part in self.asked.values() if part is not None)
        self.asked.clear()
        self.work.n_actors -= 1


def produce(config: Cutouts) -> None:
    """Make every simulation that is not complete, then the manifest; exits with 1 if one failed for good."""
    names = paired.names(config)
    connect()
    recorded = [name for name in names if halosets.record_path(name, config).exists()]
    done = {one.item: one.result for one in spread(partial(completed, config=config), recorded, n_retries=2)}
    records = {name: record for name, record in done.items() if record is not None}
    missing = [name for name in names if name not in records]
    memory = most_memory(missing, config)
    refuse_too_large(memory)
    progress = Progress("produce", "simulation", len(names), len(records))
    crew = Crew(config, missing, progress, memory)
    records |= {record.simulation: record for record in crew.run()}
    n_made = sum(records[name].n_samples for name in missing if name in records)
    write_step(config.out, step="produce", seconds=progress.seconds, n_items=n_made, item="sample", config=config)
    exit_if_any_failed("produce", crew.failures)
    manifest = halosets.write_manifest(config, list(records.values()))
    print(f"produce: {manifest.words()}; a look at them: {write_preview(config.out)}", flush=True)


class Crew:
    """Actors that make simulations: as many as the cluster has cores, each asked for a shard when it has made one."""

    def __init__(self, config: Cutouts, names: list[str], progress: Progress, memory: int) -> None:
        self.config, self.progress = config, progress
        self.works = [Work(name, config.n_retries) for name in names]
        self.records: list[SimulationRecord] = []
        self.failures: list[tuple[str, str]] = []
        self._memory = memory
        self._seats: list[Seat] = []
        self._n_samples = 0

    def run(self) -> list[SimulationRecord]:
        """Make everything; the records of what was made."""
        self._engage()
        while self._seats:
            owners = {reference: seat for seat in self._seats for reference in seat.asked}
            ready, _ = ray.wait(list(owners), num_returns=1, timeout=60)
            for reference in ready:
                self._receive(owners[reference], reference)
            self._engage()
        return self.records

    def _engage(self) -> None:
        """Start actors while there are cores for them and something to do."""
        while len(self._seats) < n_cores() and (work := self._next()) is not None:
            seat = Seat(started(self.config, self._memory), work)
            self._seats.append(seat)
            self._sit(seat, work)

    def _next(self) -> Work | None:
        return next((work for work in self.works if work.wants_actor()), None)

    def _sit(self, seat: Seat, work: Work) -> None:
        """Let an actor work at a simulation."""
        seat.work = work
        work.n_actors += 1
        if work.outline is None:
            seat.ask_outline()
        else:
            seat.fill()

    def _receive(self, seat: Seat, reference: ray.ObjectRef) -> None:
        """Take an answer, and let the actor go on, with another simulation if this one has nothing left for it."""
        work, part = seat.work, seat.asked.pop(reference)
        try:
            answer = ray.get(reference)
        except RayError as error:
            self._lose(seat, part, error)
            return
        if part is None:
            work.outline, work.source = answer
            work.waiting.extend(range(halosets.n_parts(work.outline.n_halos, self.config)))
        else:
            work.made.append(answer)
            self._n_samples += answer.n_samples
        if work.is_made(self.config):
            self._finish(work)
        seat.fill()
        if not seat.asked:
            self._move(seat)

    def _move(self, seat: Seat) -> None:
        """To the next simulation, or out."""
        seat.leave()
        work = self._next()
        if work is None:
            self._seats.remove(seat)
            ray.kill(seat.actor)
        else:
            self._sit(seat, work)

    def _finish(self, work: Work) -> None:
        assert work.outline is not None
        self.records.append(halosets.finished(work.outline, work.made, self.config, work.source))
        rate = self._n_samples / max(self.progress.seconds, 1e-9)
        self.progress.advance(f"{work.name}, {work.outline.n_halos} halos, {rate:.1f} samples/s")

    def _lose(self, seat: Seat, part: int | None, error: RayError) -> None:
        """Give up a simulation whose data are wrong; what an actor that is lost was asked for, another does again."""
        work = seat.work
        work.waiting.extend([] if part is None else [part])
        seat.leave()
        self._seats.remove(seat)
        ray.kill(seat.actor)
        if work.error is not None:
            return
        cause = error.cause if isinstance(error, RayTaskError) else None
        if isinstance(cause, ValueError | OSError) or work.n_attempts_left == 0:
            work.error = last_line(error) if cause is None else str(cause)
            work.waiting.clear()
            self.failures.append((work.name, work.error))
            return
        work.n_attempts_left -= 1
        print(f"produce: {work.name}: {last_line(error)}; once more", flush=True)


def most_memory(names: Sequence[str], config: Cutouts) -> int:
    """Bytes that the largest of the simulations takes; one that cannot be read will say so when it is its turn."""
    most = 0
    for name in names:
        with suppress(ValueError, OSError):
            most = max(most, paired.memory_bytes(name, config))
    return most


def refuse_too_large(memory: int) -> None:
    """ValueError when no node could hold a simulation: Ray would wait for one for ever."""
    most = max((node.memory for node in live_nodes()), default=memory)
    if memory > most:
        raise ValueError(f"memory: a simulation takes {in_words(memory)}, expected at most a node's {in_words(most)}")


def started(config: Cutouts, memory: int) -> Any:
    """An actor, where a core and `memory` bytes are free."""
    holder = ray.remote(Holder).options(num_cpus=1, memory=memory, scheduling_strategy="SPREAD")
    return holder.remote(config)
