"""An ensemble of boxes with different seeds and cosmologies: one Ray task a box, spread over the nodes.

A box that does not fit into a core's share of the memory of its node is divided among actors on several nodes, which
exchange what they must by themselves. Either way a box whose worker or node is lost goes on from its last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ray.exceptions import RayError, RayTaskError

from configs import Box, Ensemble
from configs.command import command
from ray_jobs.cluster import connect
from ray_jobs.comm import run_on_actors
from ray_jobs.nodes import Node, live_nodes
from ray_jobs.record import write_step
from ray_jobs.tasks import Outcome, Progress, exit_if_any_failed, last_line, spread
from sim import ensemble
from sim.agreement import Refused
from sim.checkpoint import Cadence
from sim.ensemble import Member
from sim.memory import in_words, sized
from sim.nbody import memory_bytes
from sim.parallel import Comm

SETTLE_S = 5.0
"""Pause before lost actors are made anew: Ray takes seconds to see that a node is gone."""


@dataclass(frozen=True)
class Plan:
    """How many ranks share a box, and why."""

    n_ranks: int
    words: str


def simulate(config: Ensemble) -> None:
    """Run every box that is not in `config.out` yet. Exits with 1, naming them, if any failed for good."""
    members = ensemble.members(config)
    missing = [member for member in members if not ensemble.is_complete(member, config.out)]
    if missing:
        ensemble.refuse(config.box)
    connect()
    plan = planned(config.box, live_nodes(), config.n_ranks)
    print(f"simulate: {plan.words}", flush=True)
    progress = Progress("simulate", "box", len(members), len(members) - len(missing))
    failures = []
    for done in made(missing, config, plan):
        if done.error is None:
            progress.advance(done.item.id)
        else:
            failures.append((done.item.id, done.error))
    n_made = len(missing) - len(failures)
    write_step(config.out, step="simulate", seconds=progress.seconds, n_items=n_made, item="box", config=config)
    exit_if_any_failed("simulate", failures)


def planned(box: Box, nodes: Sequence[Node], n_ranks: int | None) -> Plan:
    """One task a box if a box fits into a core's share of memory, else as few ranks as let theirs fit.

    `n_ranks` overrules that. ValueError with the numbers when that many, or any number, cannot be.
    """
    if not nodes:
        return Plan(n_ranks or 1, "one task a box: the cluster has no node with cores yet to say what fits")
    n_cpus, share = sum(node.n_cpus for node in nodes), min(node.share for node in nodes)
    most = min(n_cpus, ensemble.most_ranks(box))
    if n_ranks is not None:
        if n_ranks > most:
            limits = f"{n_cpus} cores, and a mesh of {box.n_mesh} planes for {ensemble.most_ranks(box)}"
            raise ValueError(f"n_ranks: expected at most {most} ({limits}), got {n_ranks}")
        return Plan(n_ranks, f"{ranks_in_words(box, n_ranks)}, as n_ranks says")
    whole = f"{sized(box)} take {in_words(memory_bytes(box, 1))}, a core's share of memory is {in_words(share)}"
    for n in range(1, most + 1):
        if memory_bytes(box, n) <= share:
            return Plan(n, f"{ranks_in_words(box, n)}: {whole}")
    limit = f"{in_words(memory_bytes(box, most))} each on all {most} cores that can share a box"
    raise ValueError(f"memory: {whole}, and expected at most that, got {limit}")


def ranks_in_words(box: Box, n: int) -> str:
    return "one task a box" if n == 1 else f"{n} actors share a box, {in_words(memory_bytes(box, n))} each"


def made(members: Sequence[Member], config: Ensemble, plan: Plan) -> Iterator[Outcome[Member, Any]]:
    """Run `members` as planned, yielding what became of each."""
    cadence = Cadence(config.checkpoint_minutes)
    if plan.n_ranks == 1:
        alone = partial(ensemble.simulate, out=config.out, cadence=cadence)
        yield from spread(alone, members, n_retries=config.n_retries)
        return
    for member in members:
        yield divided(member, config.out, cadence, plan.n_ranks, config.n_retries)


def divided(member: Member, out: Path, cadence: Cadence, n_ranks: int, n_retries: int) -> Outcome[Member, Path]:
    """Run one box on `n_ranks` actors, again from its last checkpoint each time that any is lost.

    With fewer cores than ranks left, fewer go on. ValueError when the ranks refuse the box.
    """
    error = ""
    for attempt in range(n_retries + 1):
        if attempt:
            print(f"simulate: {member.id}: {error}; attempt {attempt + 1} of {n_retries + 1}", flush=True)
            time.sleep(SETTLE_S)
            n_ranks = planned(member.box, live_nodes(), None).n_ranks if too_few_cores(n_ranks) else n_ranks
        try:
            return Outcome(member, run_on_actors(one_rank, n_ranks, member, out, cadence)[0], None)
        except RayTaskError as raised:
            if isinstance(raised.cause, Refused):
                raise ValueError(str(raised.cause)) from raised
            error = last_line(raised)
        except (RayError, RuntimeError) as lost:
            error = str(lost).strip().splitlines()[0]
    return Outcome(member, None, error)


def too_few_cores(n_ranks: int) -> bool:
    return sum(node.n_cpus for node in live_nodes()) < n_ranks


def one_rank(comm: Comm, member: Member, out: Path, cadence: Cadence) -> Path:
    """Run the slab of one rank; the first says where the box begins when that is not the beginning."""
    is_first = True
    for state in ensemble.simulate_steps(member, out, comm, cadence):
        if is_first and state.step and comm.rank == 0:
            print(f"simulate: {member.id} resumes after step {state.step} of {member.box.n_steps}", flush=True)
        is_first = False
    return out / member.id


if __name__ == "__main__":
    command(Ensemble, simulate, prog="python -m ray_jobs.simulate", summary=__doc__)
