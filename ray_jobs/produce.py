"""Paired data sets: maps of whole boxes, one Ray task a simulation, or cutouts of halos (`product: cutouts`), whose
simulations are held by actors.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from configs import Cutouts, Pairs
from configs.command import Run, command_of
from ray_jobs import cutouts
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.tasks import Progress, exit_if_any_failed, spread
from sim import pairs


def produce(config: Pairs) -> None:
    """Write every shard that is missing or damaged, then the manifest; exits with 1 if a simulation failed for good."""
    simulations = pairs.simulations(config)
    records = {name: record for name in simulations if (record := pairs.completed(name, config)) is not None}
    missing = [name for name in simulations if name not in records]
    connect()
    progress = Progress("produce", "simulation", len(simulations), len(records))
    failures = []
    for done in spread(partial(pairs.produce_one, config=config), missing, n_retries=config.n_retries):
        if done.result is not None:
            records[done.item] = done.result
            progress.advance(done.item)
        else:
            failures.append((done.item, str(done.error)))
    n_made = sum(records[name].n_maps for name in missing if name in records)
    write_step(config.out, step="produce", seconds=progress.seconds, n_items=n_made, item="map pair", config=config)
    exit_if_any_failed("produce", failures)
    pairs.write_manifest(config, list(records.values()))


if __name__ == "__main__":
    runs: dict[str, Run[Any]] = {"maps": Run(Pairs, produce), "cutouts": Run(Cutouts, cutouts.produce)}
    command_of("product", runs, prog="python -m ray_jobs.produce", summary=__doc__)
