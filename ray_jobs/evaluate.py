"""Judgement of a checkpoint, or of painted maps, on held-out simulations, as a task of the cluster."""

from __future__ import annotations

import time
from typing import Any

import ray

from configs import Evaluate
from configs.command import command
from learn.evaluate import evaluate as judge
from learn.evaluate import of_checkpoint
from learn.table import show
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.threads import limit_threads


def evaluate(config: Evaluate) -> None:
    """Write the page, metrics.json and the figures to `config.out`."""
    connect()
    start = time.monotonic()
    result = ray.get(ray.remote(judge_single_threaded).options(num_cpus=1, max_retries=2).remote(config))
    write_step(
        config.out, step="evaluate", seconds=time.monotonic() - start, n_items=1, item="checkpoint", config=config
    )
    show(result)


def judge_single_threaded(config: Evaluate) -> dict[str, Any]:
    limit_threads(1)
    return judge(config)


if __name__ == "__main__":
    command(Evaluate, evaluate, prog="python -m ray_jobs.evaluate", summary=__doc__, of_folder=of_checkpoint)
