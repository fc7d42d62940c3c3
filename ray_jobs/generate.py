"""Samples of a trained generator, a Ray task for some of them: the same for a seed on any number of workers.

python -m ray_jobs.generate CONFIG.yaml --num-samples 1000 --seed 7
"""

from __future__ import annotations

from functools import partial

import typer

from configs import Generate
from configs.command import add_counted
from learn import generate as samples
from learn.generate import Part
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.tasks import Progress, exit_if_any_failed, spread

PROG = "python -m ray_jobs.generate"
DEFAULT = "configs/generate/fields.yaml"


def generate(config: Generate) -> None:
    """Draw the samples that are missing, then put all together; exits with 1 if some failed for good."""
    if samples.is_complete(config):
        print(f"generate: {config.out / samples.SAMPLES} is there already, nothing to do", flush=True)
        return
    missing = samples.missing(config)
    connect()
    n_missing = sum(len(part.samples) for part in missing)
    progress = Progress("generate", "sample", config.n_samples, config.n_samples - n_missing)
    failures = []
    for done in spread(
        partial(samples.make, config=config), missing, n_retries=config.n_retries, n_gpus=int(config.use_gpu)
    ):
        if done.error is None:
            progress.advance(name_of(done.item), len(done.item.samples))
        else:
            failures.append((name_of(done.item), done.error))
    n_made = n_missing - sum(len(part.samples) for part in missing if not part.path.is_file())
    write_step(config.out, step="generate", seconds=progress.seconds, n_items=n_made, item="sample", config=config)
    exit_if_any_failed("generate", failures)
    print(f"generate: the samples are in {samples.finish(config)}", flush=True)


def name_of(part: Part) -> str:
    return f"samples {part.start} to {part.stop - 1}"


def main() -> None:
    app = typer.Typer(add_completion=False)
    add_counted(app, Generate, generate, name=None, prog=PROG, summary=__doc__ or "", default=DEFAULT)
    app(prog_name=PROG)


if __name__ == "__main__":
    main()
