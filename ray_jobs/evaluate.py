"""Judgement of a checkpoint, or of painted maps, on held-out simulations, as a task of the cluster.

With `kind: fields` in the configuration, of a generator of fields; with `kind: halos`, of a model of halos, each of
whose boxes is a task of its own; with `kind: counts`, of a model that counts halos; with `kind: lenses`, of a machine
that inverts lenses.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import ray

from configs import Evaluate, EvaluateCounts, EvaluateFields, EvaluateHalos, EvaluateLenses
from configs.command import Run, command_of
from learn.counts.evaluation import evaluate as judge_counts
from learn.counts.table import show as show_counts
from learn.evaluate import evaluate as judge
from learn.evaluate import of_checkpoint
from learn.fields.evaluation import evaluate as judge_fields
from learn.fields.table import show as show_fields
from learn.halos import boxes
from learn.halos.evaluation import evaluate as judge_halos
from learn.halos.evaluation import show as show_halos
from learn.lenses.evaluation import evaluate as judge_lenses
from learn.lenses.table import show as show_lenses
from learn.table import show
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.tasks import Progress, exit_if_any_failed, spread
from ray_jobs.threads import limit_threads

Judged = Evaluate | EvaluateFields | EvaluateHalos | EvaluateCounts | EvaluateLenses
Judge = Callable[[Any], dict[str, Any]]
Show = Callable[[dict[str, Any]], None]


def evaluate(config: Judged, judge: Judge = judge, show: Show = show) -> None:
    """Write the page, metrics.json and the figures to `config.out`."""
    connect()
    start = time.monotonic()
    task: Any = ray.remote(single_threaded).options(num_cpus=1, num_gpus=n_gpus(config), max_retries=2)
    result = ray.get(task.remote(judge, config))
    write_step(
        config.out, step="evaluate", seconds=time.monotonic() - start, n_items=1, item="checkpoint", config=config
    )
    show(result)


def evaluate_halos(config: EvaluateHalos) -> None:
    """Judge the boxes, as many at a time as there are cores, then the halos; exits with 1 if a box failed for good."""
    names = boxes.names(config)
    connect()
    progress = Progress("evaluate", "box", len(names))
    judged: dict[str, boxes.JudgedBox] = {}
    failures = []
    task = partial(boxes.judge, config=config)
    for done in spread(task, names, n_retries=2, n_gpus=n_gpus(config)):
        if done.result is None:
            failures.append((done.item, str(done.error)))
        else:
            judged[done.item] = done.result
            progress.advance(done.item)
    exit_if_any_failed("evaluate", failures)
    evaluate(config, partial(judge_halos, known=[judged[name] for name in names]), show_halos)


def n_gpus(config: Judged) -> int:
    """That a task takes."""
    return int(isinstance(config, EvaluateHalos) and config.device != "cpu")


def single_threaded(judge: Judge, config: Judged) -> dict[str, Any]:
    limit_threads(1)
    return judge(config)


if __name__ == "__main__":
    runs: dict[str, Run[Any]] = {
        "painter": Run(Evaluate, evaluate),
        "fields": Run(EvaluateFields, partial(evaluate, judge=judge_fields, show=show_fields)),
        "halos": Run(EvaluateHalos, evaluate_halos),
        "counts": Run(EvaluateCounts, partial(evaluate, judge=judge_counts, show=show_counts)),
        "lenses": Run(EvaluateLenses, partial(evaluate, judge=judge_lenses, show=show_lenses)),
    }
    command_of("kind", runs, prog="python -m ray_jobs.evaluate", summary=__doc__, of_folder=of_checkpoint)
