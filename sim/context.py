"""Wider windows for a finished set of cutouts, without cutting again what it has. Knows nothing of workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from configs import Cutouts
from sim import halosets, paired
from sim.cutouts import Windows, cutouts
from sim.paired import Paired
from sim.samples import Manifest, PartRecord, Samples, Shard, SimulationRecord, read_manifest, read_shard


def widened(folder: Path, config: Cutouts) -> Iterator[SimulationRecord]:
    """Make the set of `config` from the finished set in `folder`: byte for byte what making it at once gives.

    Yields the record of every simulation, then writes the manifest. ValueError unless `config` asks for the finished
    set with wider windows after those that it has, or when a simulation of it is not complete.
    """
    held = read_manifest(folder)
    refuse_other_set(held, config)
    old = config.model_copy(update={"out": folder, "scales": held.scales})
    records = []
    for name in paired.names(config):
        records.append(halosets.completed(name, config) or _widened(name, old, config))
        yield records[-1]
    halosets.write_manifest(config, records)


def refuse_other_set(held: Manifest, config: Cutouts) -> None:
    """ValueError unless `config` differs from what made a set by nothing but wider windows after those that it has."""
    wanted = halosets.recipe(config) | {"scales": held.config["scales"]}
    for key, value in wanted.items():
        if value != held.config.get(key):
            raise ValueError(
                f"add-context: expected the {key} of the finished set, {held.config.get(key)}, got {value}"
            )
    if config.scales[: len(held.scales)] != held.scales or len(config.scales) == len(held.scales):
        raise ValueError(f"scales: expected {held.scales} and wider ones after them, got {config.scales}")


def _widened(name: str, old: Cutouts, config: Cutouts) -> SimulationRecord:
    held = halosets.completed(name, old)
    if held is None:
        raise ValueError(f"{old.out}: expected all of {name}, got a simulation that is not complete")
    source, simulation = paired.source_hash(name, config), paired.load(name, config)

    def wider(which: np.ndarray) -> Samples:
        first = int(which[0]) // config.samples_per_shard
        return _with_context(read_shard(old.out / held.parts[first].file), simulation, config)

    parts: list[PartRecord] = [halosets.part(simulation, i, config, source, make=wider) for i in range(len(held.parts))]
    return halosets.finished(simulation.outline, parts, config, source)


def _with_context(shard: Shard, simulation: Paired, config: Cutouts) -> Samples:
    """The samples of a shard, and the windows of `config` that it does not have."""
    held, box_size = shard.samples, simulation.dmo.box_size
    scales = (config.scales[0], *config.scales[len(shard.scales) :])
    windows = Windows(scales, config.n_pixels, box_size, config.depth, config.n_dims)
    more = cutouts(simulation.dmo, held.halo_center, held.rotation, windows)[:, 1:]
    return replace(held, large_scale=np.concatenate([held.large_scale, more], axis=1))
