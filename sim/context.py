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
from sim.samples import PartRecord, Samples, Shard, SimulationRecord, read_shard


def refuse_other_set(old: Cutouts, config: Cutouts) -> None:
    """ValueError unless `config` asks for the set of `old` with one wider window, or several, after those it has."""
    held = halosets.recipe(old)
    wanted = halosets.recipe(config) | {"scales": held["scales"]}
    different = [key for key in held if held[key] != wanted[key]]
    if different:
        key = different[0]
        raise ValueError(f"add-context: expected the {key} of the finished set, {held[key]}, got {wanted[key]}")
    if config.scales[: len(old.scales)] != old.scales or len(config.scales) == len(old.scales):
        raise ValueError(f"scales: expected {old.scales} and wider ones after them, got {config.scales}")


def widened(old: Cutouts, config: Cutouts) -> Iterator[SimulationRecord]:
    """Make the set of `config` from the finished set of `old`: byte for byte what making it at once gives.

    Yields the record of every simulation, then writes the manifest. ValueError as `refuse_other_set`, or when a
    simulation of `old` is not complete.
    """
    refuse_other_set(old, config)
    records = []
    for name in paired.names(config):
        records.append(halosets.completed(name, config) or _widened(name, old, config))
        yield records[-1]
    halosets.write_manifest(config, records)


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


def finished_set(folder: Path, config: Cutouts, n_scales: int) -> Cutouts:
    """The configuration of the finished set in `folder` that `config` widens: its first `n_scales` windows."""
    return config.model_copy(update={"out": folder, "scales": config.scales[:n_scales]})
