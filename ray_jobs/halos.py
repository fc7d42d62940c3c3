"""Halos painted into a box by a trained model: one Ray task a draw; draws that are there already are kept."""

from __future__ import annotations

from functools import partial

from configs import PaintHalos
from configs.command import command
from learn.counts import paint
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.tasks import Progress, exit_if_any_failed, spread


def paint_halos(config: PaintHalos) -> None:
    """Write the density, every draw that is missing and what they are; exits with 1 if a draw failed for good."""
    paint.begin(config)
    missing = [i for i in range(config.n_draws) if not paint.draw_path(config, i).is_file()]
    connect()
    progress = Progress("halos", "draw", config.n_draws, config.n_draws - len(missing))
    failures = []
    for done in spread(partial(paint.paint_one, config=config), missing, n_retries=config.n_retries):
        if done.error is None:
            progress.advance(f"draw {done.item}")
        else:
            failures.append((f"draw {done.item}", done.error))
    n_made = len(missing) - len(failures)
    write_step(config.out, step="halos", seconds=progress.seconds, n_items=n_made, item="draw", config=config)
    exit_if_any_failed("halos", failures)
    print(f"halos: the draws are in {config.out}; a look at them: {paint.picture(config)}", flush=True)


if __name__ == "__main__":
    command(PaintHalos, paint_halos, prog="python -m ray_jobs.halos", summary=__doc__)
