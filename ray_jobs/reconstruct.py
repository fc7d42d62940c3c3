"""A folder of images of lenses inverted, a Ray task each: the files and the summary of `python -m learn reconstruct`.

python -m ray_jobs.reconstruct CHECKPOINT FOLDER key=value ...

What is there, of the same image, machine and options, is not made again.
"""

from __future__ import annotations

from functools import partial

import typer

from configs import Reconstruct
from configs.command import add_applied
from learn.lenses import reconstruct as local
from learn.lenses.reconstruct import Lens
from learn.lenses.reconstruction_summary import PAGE, Row, words, write_summary
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.tasks import Outcome, Progress, exit_if_any_failed, spread

PROG = "python -m ray_jobs.reconstruct"


def reconstruct(config: Reconstruct) -> None:
    """Invert every image, then write the summary; exits with 1 if some could not be."""
    lenses = local.found(config)
    connect()
    progress = Progress("reconstruct", "lens", len(lenses))
    rows: dict[str, Row] = {}
    try:
        for done in spread(partial(local.attempted, config=config), lenses, n_retries=config.n_retries):
            rows[done.item.name] = row_of(done)
            progress.advance(words(rows[done.item.name]))
    finally:
        every = [rows[lens.name] for lens in lenses if lens.name in rows]
        write_summary(config, every)
    failures = [(row.name, row.error) for row in every if row.error]
    n_done = len(every) - len(failures)
    write_step(config.out, step="reconstruct", seconds=progress.seconds, n_items=n_done, item="lens", config=config)
    exit_if_any_failed("reconstruct", failures)
    print(f"reconstruct: {len(every)} lenses; {config.out / PAGE}", flush=True)


def row_of(done: Outcome[Lens, Row]) -> Row:
    """That of a task, or why its worker has none."""
    return done.result or Row(done.item.name, error=str(done.error))


def main() -> None:
    app = typer.Typer(add_completion=False)
    add_applied(app, Reconstruct, reconstruct, name=None, prog=PROG, summary=__doc__ or "", key="image")
    app(prog_name=PROG)


if __name__ == "__main__":
    main()
