"""How many trials of a sweep the cluster has room for at the same time."""

from __future__ import annotations

from typing import Any

import ray

from configs import Train
from configs.tuning import Tune


def concurrency(config: Tune) -> int:
    """Trials at the same time; ValueError if the cluster has no room for one, or not for as many as are asked for."""
    room = room_for(config.first)
    wanted = config.max_concurrent or max(1, room)
    if wanted > room:
        first = config.first
        each = f"{first.worker_range[0]} workers with {first.n_cpus} cores{' and a GPU' if first.use_gpu else ''} each"
        raise ValueError(f"max_concurrent: at most the {room} trials of {each} that fit the cluster now, got {wanted}")
    return min(wanted, config.n_trials)


def room_for(config: Train) -> int:
    """How many trainings fit the nodes that are alive now, each with all the workers that it may have, or one at least.

    A worker lies on one node; the workers of a training may lie on several.
    """
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    n_workers = sum(workers_on(node["Resources"], config) for node in nodes if node["Alive"])
    least, most = config.worker_range
    return max(n_workers // most, min(1, n_workers // least))


def workers_on(resources: dict[str, float], config: Train) -> int:
    """How many workers a node with `resources` holds."""
    by_cores = int(resources.get("CPU", 0)) // config.n_cpus
    return min(by_cores, int(resources.get("GPU", 0))) if config.use_gpu else by_cores
