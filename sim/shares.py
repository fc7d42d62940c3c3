"""Which rank makes which shards of a set of cutouts, and what they do together. Knows nothing of what is in a shard."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from configs import Cutouts
from sim import halosets, paired
from sim.agreement import wait_for_all
from sim.paired import Outline
from sim.parallel import Comm
from sim.samples import SimulationRecord


@dataclass(frozen=True)
class Share:
    """The shards of simulation `name` whose number is `first` modulo `of`."""

    name: str
    first: int
    of: int


@dataclass(frozen=True)
class Made:
    """What a rank has done with its share of a simulation: n_samples, or the error that ended it."""

    name: str
    n_samples: int
    error: str | None = None


def shares(names: Sequence[str], rank: int, size: int) -> list[Share]:
    """Those of one rank: whole simulations in turn, or, of fewer simulations than ranks, some of the shards of one."""
    if not names:
        return []
    if size <= len(names):
        return [Share(name, 0, 1) for name in names[rank::size]]
    i = rank % len(names)
    return [Share(names[i], rank // len(names), len(range(i, size, len(names))))]


def incomplete(config: Cutouts, comm: Comm) -> list[str]:
    """The simulations that are not complete; ranks divide the reading of what is there."""
    names = paired.names(config)
    mine = [name for name in names[comm.rank :: comm.size] if halosets.completed(name, config) is None]
    found = {name for some in gathered(mine, comm) for name in some}
    return [name for name in names if name in found]


def make(config: Cutouts, names: Sequence[str], comm: Comm) -> Iterator[Made]:
    """Make the share of this rank, simulation after simulation; one that cannot be made does not stop the others.

    Where several ranks make one simulation, the first of them writes its record when all have made their shards.
    """
    outlines: dict[str, tuple[Outline, str]] = {}
    for share in shares(names, comm.rank, comm.size):
        try:
            outline, source, n_samples = _make(share, config)
        except (ValueError, OSError) as error:
            yield Made(share.name, 0, str(error))
            continue
        if share.first == 0:
            outlines[share.name] = (outline, source)
        yield Made(share.name, n_samples)
    wait_for_all(comm)
    for outline, source in outlines.values():
        _finish(outline, source, config)
    wait_for_all(comm)


def _make(share: Share, config: Cutouts) -> tuple[Outline, str, int]:
    source = paired.source_hash(share.name, config)
    simulation = paired.load(share.name, config)
    mine = range(share.first, halosets.n_parts(len(simulation.halos), config), share.of)
    n_samples = sum(halosets.part(simulation, i, config, source).n_samples for i in mine)
    return simulation.outline, source, n_samples


def _finish(outline: Outline, source: str, config: Cutouts) -> SimulationRecord | None:
    """Write the record of a simulation unless another rank failed to make its shards."""
    n = halosets.n_parts(outline.n_halos, config)
    parts = [halosets.completed_part(outline.name, i, config, source) for i in range(n)]
    whole = [one for one in parts if one is not None]
    return halosets.finished(outline, whole, config, source) if len(whole) == n else None


def gathered(content: Any, comm: Comm) -> list[Any]:
    """What can be JSON, from every rank in rank order."""
    encoded = np.frombuffer(json.dumps(content).encode(), np.uint8)
    return [json.loads(part.tobytes()) for part in comm.allgather(encoded)]
