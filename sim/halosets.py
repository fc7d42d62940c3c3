"""Sets of halo cutouts: which samples a simulation has, how they are made, and when a set is complete.

A shard is a pure function of its simulation and of the configuration, and so is the hash of the manifest: who made a
shard, in which order and after how many attempts leaves no trace in it. A simulation is complete when its shards hold a
sample of every halo that its catalogue has above the threshold, in every orientation, byte for byte as recorded; that
files exist proves nothing. Knows nothing of workers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from configs import Cutouts, Frozen, provenance
from sim import paired, rotations
from sim.cutouts import Windows, cutouts
from sim.paired import Outline, Paired, Stopwatch
from sim.samples import (
    FORMAT,
    PRODUCT,
    TARGET_CHANNELS,
    UNIT,
    Entry,
    Manifest,
    PartRecord,
    Samples,
    Shard,
    SimulationRecord,
    write_record,
    write_shard,
)
from sim.shards import digest, file_hash
from sim.splits import split
from sim.statistics import moments_of, write_statistics

Record = TypeVar("Record", bound=Frozen)
Maker = Callable[[NDArray[np.int64]], Samples]


def produce(config: Cutouts) -> Iterator[SimulationRecord]:
    """Make every simulation that is not complete, one after the other, then the manifest; yields every record."""
    records = []
    for name in paired.names(config):
        records.append(completed(name, config) or produce_one(name, config))
        yield records[-1]
    write_manifest(config, records)


def produce_one(name: str, config: Cutouts) -> SimulationRecord:
    """Make what is missing of simulation `name`; errors as those of `paired.load`."""
    source = paired.source_hash(name, config)
    simulation = paired.load(name, config)
    parts = [part(simulation, i, config, source) for i in range(n_parts(len(simulation.halos), config))]
    return finished(simulation.outline, parts, config, source)


def n_parts(n_halos: int, config: Cutouts) -> int:
    """Shards of a simulation: none without halos."""
    return -(-n_halos * config.n_orientations // config.samples_per_shard)


def part(simulation: Paired, i: int, config: Cutouts, source: str, make: Maker | None = None) -> PartRecord:
    """The record of shard `i` of a simulation, made (by `make`, where its samples come from elsewhere) unless whole."""
    recorded = completed_part(simulation.name, i, config, source)
    if recorded is not None:
        return recorded
    watch = Stopwatch()
    with watch.stage("cut"):
        which = sample_range(simulation, i, config)
        samples = made(simulation, which, config) if make is None else make(which)
    path = config.out / f"{simulation.name}.{i:04d}.hdf5"
    with watch.stage("write"):
        write_shard(path, shard_of(simulation, samples, config))
    record = PartRecord(
        simulation=simulation.name,
        part=i,
        file=path.name,
        sha256=file_hash(path),
        n_samples=len(samples),
        config=digest(recipe(config)),
        source=source,
        commit=provenance()["commit"],
        moments=samples.moments(),
        seconds=watch.seconds,
    )
    write_record(path.with_suffix(".json"), record)
    return record


def sample_range(simulation: Paired, i: int, config: Cutouts) -> NDArray[np.int64]:
    """The samples of shard `i`; sample s is orientation s % n_orientations of halo s // n_orientations."""
    n = len(simulation.halos) * config.n_orientations
    return np.arange(i * config.samples_per_shard, min((i + 1) * config.samples_per_shard, n))


def made(simulation: Paired, which: NDArray[np.int64], config: Cutouts) -> Samples:
    """Samples `which` of a simulation."""
    halo, number = np.divmod(which, config.n_orientations)
    halos, box_size = simulation.halos, simulation.dmo.box_size
    turn = np.array(
        [orientation(simulation.name, int(halos.number[h]), int(r), config) for h, r in zip(halo, number, strict=True)]
    )
    wide = windows(config, box_size)
    near = windows(config, box_size, n_scales=config.n_target_scales)
    dark = cutouts(simulation.dmo, halos.center[halo], turn, wide)
    hydro = np.stack(
        [cutouts(simulation.hydro[name], simulation.target_center[halo], turn, near) for name in TARGET_CHANNELS],
        axis=1,
    )
    return Samples(
        condition=dark[:, 0],
        target=hydro[:, :, 0],
        large_scale=dark[:, 1:],
        large_scale_target=hydro[:, :, 1:],
        params=np.tile(simulation.params, (len(which), 1)),
        halo_mass=halos.m200c[halo],
        halo_radius=halos.r200c[halo],
        halo_center=halos.center[halo],
        halo=halos.number[halo],
        rotation_number=number,
        rotation=turn,
    )


def windows(config: Cutouts, box_size: float, n_scales: int | None = None) -> Windows:
    """The windows of a set, or the first `n_scales` of them: what training and inference cut alike."""
    return Windows(config.scales[:n_scales], config.n_pixels, box_size, config.depth, config.n_dims)


def orientation(simulation: str, halo: int, number: int, config: Cutouts) -> NDArray[np.float64]:
    """Rotation (3, 3) `number` of a halo, named by its row in the catalogue."""
    if config.orientation == "none":
        return np.eye(3)
    if config.orientation == "axes":
        return rotations.AXES[number]
    return rotations.named(config.seed, simulation, halo, number)


def shard_of(simulation: Paired, samples: Samples, config: Cutouts) -> Shard:
    box_size = simulation.dmo.box_size
    return Shard(
        simulation=simulation.name,
        samples=samples,
        scales=config.scales,
        box_size=box_size,
        depth=depth(config, box_size),
        redshift=simulation.halos.redshift,
        param_names=simulation.param_names,
        config=recipe(config),
    )


def depth(config: Cutouts, box_size: float) -> float:
    """Length of the line of sight [Mpc/h]; of cubes, that of the widest."""
    return (config.depth or box_size) if config.n_dims == 2 else config.scales[-1]


def finished(outline: Outline, parts: Sequence[PartRecord], config: Cutouts, source: str) -> SimulationRecord:
    """The record of a simulation of which all parts are made, written."""
    record = SimulationRecord(
        simulation=outline.name,
        n_halos=outline.n_halos,
        n_samples=sum(one.n_samples for one in parts),
        box_size=outline.box_size,
        redshift=outline.redshift,
        param_names=outline.param_names,
        catalog=paired.file_set_hash(paired.catalog_path(outline.name, config)),
        counts=dict(outline.counts),
        config=digest(recipe(config)),
        source=source,
        parts=tuple(sorted(parts, key=lambda one: one.part)),
        seconds=dict(outline.seconds),
    )
    write_record(record_path(outline.name, config), record)
    return record


def completed(name: str, config: Cutouts) -> SimulationRecord | None:
    """The record of simulation `name` if it has every sample that the catalogue asks for, whole."""
    record = _read(SimulationRecord, record_path(name, config))
    if record is None or record.config != digest(recipe(config)):
        return None
    catalog = paired.catalog_path(name, config)
    if not catalog.exists() or paired.source_hash(name, config) != record.source:
        return None
    n_samples = paired.n_expected(name, config) * config.n_orientations
    held = [completed_part(name, one.part, config, record.source) for one in record.parts]
    whole = tuple(held) == record.parts and n_samples == record.n_samples == sum(one.n_samples for one in record.parts)
    return record if whole else None


def record_path(name: str, config: Cutouts) -> Path:
    """Where the record of simulation `name` is when all its shards were made."""
    return config.out / f"{name}.json"


def completed_part(name: str, i: int, config: Cutouts, source: str) -> PartRecord | None:
    """The record of shard `i` of simulation `name` if it is whole and of this configuration and source."""
    path = config.out / f"{name}.{i:04d}.hdf5"
    record = _read(PartRecord, path.with_suffix(".json"))
    if record is None or not path.is_file() or (record.simulation, record.part) != (name, i):
        return None
    same = (record.config, record.source) == (digest(recipe(config)), source)
    return record if same and record.sha256 == file_hash(path) else None


def _read(model: type[Record], path: Path) -> Record | None:
    """The record at `path`; None when there is none or it is none."""
    try:
        return model.model_validate_json(path.read_text())
    except (FileNotFoundError, ValidationError):
        return None


def completed_set(config: Cutouts) -> Manifest:
    """Write the manifest of a set of which every simulation is complete; RuntimeError naming one that is not."""
    records = {name: completed(name, config) for name in paired.names(config)}
    for name, record in records.items():
        if record is None:
            raise RuntimeError(f"{config.out}: expected every simulation to be complete, {name} is not")
    return write_manifest(config, [record for record in records.values() if record is not None])


def write_manifest(config: Cutouts, records: Sequence[SimulationRecord]) -> Manifest:
    """Write `config.out`/manifest.json; ValueError when simulations differ in box or parameters, or are too few."""
    records = sorted(records, key=lambda record: record.simulation)
    boxes = sorted({(one.box_size, round(one.redshift, 4), one.param_names) for one in records})
    if len(boxes) != 1:
        raise ValueError(f"{config.out}: expected simulations of one box size, redshift and parameters, got {boxes}")
    parts = [one for record in records for one in record.parts]
    box_size, redshift, param_names = boxes[0]
    parted = split([record.simulation for record in records], config.split, config.seed)
    unhashed = Manifest(
        product=PRODUCT,
        format=FORMAT,
        config=recipe(config) | {"split": list(config.split)},
        unit=UNIT,
        target_channels=TARGET_CHANNELS,
        scales=config.scales,
        n_pixels=config.n_pixels,
        n_dims=config.n_dims,
        pixel_size=config.scales[0] / config.n_pixels,
        box_size=box_size,
        depth=depth(config, box_size),
        redshift=redshift,
        param_names=param_names,
        halos={record.simulation: record.n_halos for record in records},
        catalogs={record.simulation: record.catalog for record in records},
        counts={record.simulation: record.counts for record in records},
        shards=tuple(Entry(**one.model_dump(include=set(Entry.model_fields))) for one in parts),
        split=parted,
        moments=moments_of(parts, parted["train"]),
        commit=", ".join(sorted({one.commit for one in parts})),
        seconds=seconds_of(records),
    )
    manifest = unhashed.model_copy(update={"hash": unhashed.content_hash()})
    write_record(config.out / "manifest.json", manifest)
    if manifest.moments:
        write_statistics(config.out, manifest.moments)
    return manifest


def seconds_of(records: Sequence[SimulationRecord]) -> dict[str, float]:
    """Seconds by stage, over all simulations and shards, whoever spent them."""
    spent = [record.seconds for record in records] + [one.seconds for record in records for one in record.parts]
    stages = sorted({stage for seconds in spent for stage in seconds})
    return {stage: round(sum(seconds.get(stage, 0.0) for seconds in spent), 3) for stage in stages}


def recipe(config: Cutouts) -> dict[str, Any]:
    """Everything of `config` that decides the content of a shard, and nothing of where it lies."""
    elsewhere = {"out", "exclude", "split", "n_retries"} | ({"full_mass"} if config.full_mass is None else set())
    content = json.loads(config.model_dump_json(exclude=elsewhere))
    roots = {"simulations", "dmo", "hydro", "catalogs", "hydro_catalogs", "parameters"}
    content["source"] = {key: value for key, value in content["source"].items() if key not in roots}
    return {"format": FORMAT, **content}
