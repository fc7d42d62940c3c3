"""Baryons for the halos of a box on a cluster: the driver cuts and pastes, one Ray task samples some halos.

A finished batch of halos is kept, so the same command goes on after an interruption; the same seed gives the same
samples on any number of workers. Workers write to `out`, which every node must share.
"""

from __future__ import annotations

from functools import partial

from configs import Bind, Trained
from configs.command import command
from learn.halos import bind as binding
from learn.halos import bound, pasted
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.tasks import Progress, exit_if_any_failed, spread
from ray_jobs.threads import limit_threads


def bind(config: Bind) -> None:
    """Sample what is missing, paste and measure every view, write `config.out`; exits with 1 if a batch failed."""
    job = binding.prepare(config)
    connect()
    limit_threads(1)
    views = list(binding.left(job))
    n_batches = sum(len(pieces) for _, pieces, _ in views)
    missing = [work for _, _, some in views for work in some]
    progress = Progress("bind", "batch", n_batches, n_batches - len(missing))
    n_stamps, failures = 0, []
    make = partial(binding.make, sampler=config.sampler)
    on_gpu = isinstance(config.sampler, Trained) and config.sampler.device != "cpu"
    for done in spread(make, missing, n_retries=config.n_retries, n_gpus=int(on_gpu)):
        if done.result is None:
            failures.append((done.item.path.stem, str(done.error)))
            continue
        n_stamps += done.result
        progress.advance(f"{done.item.path.stem}, {n_stamps / max(progress.seconds, 1e-9):.1f} stamps/s")
    exit_if_any_failed("bind", failures)
    measured = [pasted.paste(job, view, pieces) for view, pieces, _ in views]
    summary = bound.write(job, measured, progress.seconds)
    write_step(config.out, step="bind", seconds=progress.seconds, n_items=n_stamps, item="stamp", config=config)
    print(bound.words(summary), flush=True)


if __name__ == "__main__":
    command(Bind, bind, prog="python -m ray_jobs.bind", summary=__doc__)
