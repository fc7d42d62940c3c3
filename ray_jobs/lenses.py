"""Simulated strong lenses of a family, sharded over actors: the same for a seed on any number of workers.

python -m ray_jobs.lenses configs/lenses/foundation.yaml n=250000

What is drawn is a number, or {low, high}, {low, high, log: true}, {mean, std, low, high} or {choice: [...], weights}.
"""

from __future__ import annotations

from functools import partial

from configs import Lenses
from configs.command import command
from learn.lens_preview import write_lens_preview
from ray_jobs.actors import shared
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.tasks import Progress, exit_if_any_failed, spread
from sim import lens_sets
from sim.memory import in_words


def lenses(config: Lenses) -> None:
    """Make the parts that are missing or damaged, then the manifest; exits with 1 if one failed for good."""
    every = lens_sets.parts(config)
    connect()
    recorded = [part for part in every if part.record_path(config).is_file()]
    found = [done.result for done in spread(partial(lens_sets.completed, config=config), recorded, n_retries=2)]
    records = {record.part: record for record in found if record is not None}
    missing = [part for part in every if part.number not in records]
    n_missing = sum(part.stop - part.start for part in missing)
    print(f"lenses: {lens_sets.refuse_full_disk(config, n_missing)}", flush=True)
    progress = Progress("lenses", "system", config.n, config.n - n_missing)
    failures, n_bytes = [], 0
    for done in shared(partial(lens_sets.make, config=config), missing, n_retries=config.n_retries):
        if done.result is None:
            failures.append((done.item.name, str(done.error)))
            continue
        records[done.item.number] = done.result
        n_bytes += done.result.n_bytes
        progress.advance(f"{done.item.name}, {in_words(n_bytes)}", done.item.stop - done.item.start)
    n_made = sum(part.stop - part.start for part in missing if part.number in records)
    write_step(config.out, step="lenses", seconds=progress.seconds, n_items=n_made, item="system", config=config)
    exit_if_any_failed("lenses", failures)
    manifest = lens_sets.write_manifest(config, list(records.values()))
    print(f"lenses: {manifest.words()}; a look at them: {write_lens_preview(config.out)}", flush=True)


if __name__ == "__main__":
    command(Lenses, lenses, prog="python -m ray_jobs.lenses", summary=__doc__ or "")
