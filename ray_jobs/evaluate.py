"""Judgement of a model, or of painted maps, on held-out simulations, as a task of the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ray

from configs import Evaluate, EvaluateHalos
from configs.command import Run, command_of
from learn.evaluate import evaluate as judge
from learn.halos import evaluation as halos
from learn.table import show
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.threads import limit_threads

Judged = dict[str, Any]


def evaluate(config: Evaluate) -> None:
    """Write the page, metrics.json and the figures to `config.out`."""
    show(as_task(judge, config))


def evaluate_halos(config: EvaluateHalos) -> None:
    """The same for a model of halos."""
    halos.show(as_task(halos.evaluate, config, n_gpus=int(config.device != "cpu")))


def as_task(function: Callable[[Any], Judged], config: Evaluate | EvaluateHalos, n_gpus: int = 0) -> Judged:
    """What `function` makes of `config` on a core of the cluster."""
    connect()
    start = time.monotonic()
    task = ray.remote(single_threaded).options(num_cpus=1, num_gpus=n_gpus, max_retries=2)
    result: Judged = ray.get(task.remote(function, config))
    write_step(
        config.out, step="evaluate", seconds=time.monotonic() - start, n_items=1, item="checkpoint", config=config
    )
    return result


def single_threaded(function: Callable[[Any], Judged], config: Any) -> Judged:
    limit_threads(1)
    return function(config)


if __name__ == "__main__":
    runs: dict[str, Run[Any]] = {"maps": Run(Evaluate, evaluate), "halos": Run(EvaluateHalos, evaluate_halos)}
    command_of("kind", runs, prog="python -m ray_jobs.evaluate", summary=__doc__)
