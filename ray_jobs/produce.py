"""Paired data sets: maps of whole boxes, or halos counted in their cells (`product: counts`), one Ray task a box;
or cutouts of halos (`product: cutouts`), whose simulations are held by actors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from configs import Counts, Cutouts, Pairs
from configs.command import Run, command_of
from ray_jobs import cutouts
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.tasks import Progress, exit_if_any_failed, spread
from sim import count_sets, pairs


@dataclass(frozen=True)
class Product:
    """How the shards of a kind are made; `size` is how many items a record has, and `item` what one is called."""

    names: Callable[[Any], Sequence[str]]
    completed: Callable[[str, Any], Any]
    produce_one: Callable[..., Any]
    write_manifest: Callable[[Any, Sequence[Any]], Path]
    size: Callable[[Any], int]
    item: str


MAPS = Product(
    pairs.simulations, pairs.completed, pairs.produce_one, pairs.write_manifest, lambda one: one.n_maps, "map pair"
)
COUNTS = Product(
    count_sets.names,
    count_sets.completed,
    count_sets.produce_one,
    count_sets.write_manifest,
    lambda one: one.n_cells**3,
    "cell",
)


def produce(config: Pairs | Counts) -> None:
    """Write every shard that is missing or damaged, then the manifest; exits with 1 if a simulation failed for good."""
    product = COUNTS if isinstance(config, Counts) else MAPS
    simulations = product.names(config)
    records = {name: record for name in simulations if (record := product.completed(name, config)) is not None}
    missing = [name for name in simulations if name not in records]
    connect()
    progress = Progress("produce", "simulation", len(simulations), len(records))
    failures = []
    for done in spread(partial(product.produce_one, config=config), missing, n_retries=config.n_retries):
        if done.result is not None:
            records[done.item] = done.result
            progress.advance(done.item)
        else:
            failures.append((done.item, str(done.error)))
    n_made = sum(product.size(records[name]) for name in missing if name in records)
    write_step(config.out, step="produce", seconds=progress.seconds, n_items=n_made, item=product.item, config=config)
    exit_if_any_failed("produce", failures)
    product.write_manifest(config, list(records.values()))


if __name__ == "__main__":
    runs: dict[str, Run[Any]] = {
        "maps": Run(Pairs, produce),
        "cutouts": Run(Cutouts, cutouts.produce),
        "counts": Run(Counts, produce),
    }
    command_of("product", runs, prog="python -m ray_jobs.produce", summary=__doc__)
