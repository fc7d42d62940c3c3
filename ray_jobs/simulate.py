"""An ensemble of boxes with different seeds and cosmologies: one Ray task a box, spread over the nodes."""

from __future__ import annotations

from functools import partial

from configs import Ensemble
from configs.command import command
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.tasks import Progress, exit_if_any_failed, spread
from sim import ensemble


def simulate(config: Ensemble) -> None:
    """Run every box that is not in `config.out` yet. Exits with 1, naming them, if any failed for good."""
    members = ensemble.members(config)
    missing = [member for member in members if not ensemble.is_complete(member, config.out)]
    connect()
    progress = Progress("simulate", "box", len(members), len(members) - len(missing))
    failures = []
    for done in spread(partial(ensemble.simulate, out=config.out), missing, n_retries=config.n_retries):
        if done.error is None:
            progress.advance(done.item.id)
        else:
            failures.append((done.item.id, done.error))
    n_made = len(missing) - len(failures)
    write_step(config.out, step="simulate", seconds=progress.seconds, n_items=n_made, item="box", config=config)
    exit_if_any_failed("simulate", failures)


if __name__ == "__main__":
    command(Ensemble, simulate, prog="python -m ray_jobs.simulate", summary=__doc__)
