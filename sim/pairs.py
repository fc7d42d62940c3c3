"""Paired maps for learning: dark-matter-only -> total, gas and stars; one shard a simulation, one manifest for all.

Knows how the sides of a simulation become maps; knows nothing of workers. A shard is a pure function of its
simulation and of the configuration, the manifest one of the configuration and of the records. A shard counts as made
when its record names this configuration, this simulation and its bytes; that a file exists proves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from configs import Pairs, provenance
from configs.files import replacing
from sim.maps import project
from sim.shards import (
    FORMAT,
    INPUT_CHANNELS,
    PARAM_NAMES,
    TARGET_CHANNELS,
    UNIT,
    Manifest,
    Shard,
    ShardEntry,
    ShardRecord,
    digest,
    file_hash,
    read_manifest,
    read_shard,
    verify,
    write_shard,
)
from sim.sides import Sides, params_vector, sides_of, simulations
from sim.splits import split

__all__ = [
    "PARAM_NAMES",
    "Manifest",
    "Shard",
    "ShardRecord",
    "completed",
    "params_vector",
    "produce",
    "produce_one",
    "read_manifest",
    "read_shard",
    "simulations",
    "verify",
    "write_manifest",
]

Array = NDArray[np.float32]


def produce(config: Pairs) -> Iterator[ShardRecord]:
    """Make every shard that is missing or damaged, one after the other, then the manifest; yields every record."""
    records = []
    for name in simulations(config):
        records.append(completed(name, config) or produce_one(name, config))
        yield records[-1]
    write_manifest(config, records)


def completed(name: str, config: Pairs) -> ShardRecord | None:
    """The record of the shard of simulation `name` if it is whole and of this configuration and simulation."""
    shard, path = config.out / f"{name}.hdf5", config.out / f"{name}.json"
    if not (shard.is_file() and path.is_file()):
        return None
    try:
        record = ShardRecord.model_validate_json(path.read_text())
    except ValidationError:
        return None
    made_from = (digest(recipe(config)), file_hash(config.simulations / name / "box.json"))
    same = (record.config, record.source) == made_from and record.sha256 == file_hash(shard)
    return record if same else None


def produce_one(name: str, config: Pairs) -> ShardRecord:
    """Write the shard and the record of simulation `name`.

    FileNotFoundError or ValueError names what is missing or does not fit: no output at the redshift, another box.
    """
    shard = made(name, config)
    path = config.out / f"{name}.hdf5"
    with replacing(path) as temporary:
        write_shard(temporary, shard)
    record = ShardRecord(
        simulation=name,
        file=path.name,
        sha256=file_hash(path),
        n_maps=len(shard.inputs),
        box_size=shard.box_size,
        config=digest(recipe(config)),
        source=file_hash(config.simulations / name / "box.json"),
        commit=provenance()["commit"],
    )
    with replacing(path.with_suffix(".json")) as temporary:
        temporary.write_text(record.model_dump_json(indent=1) + "\n")
    return record


def made(name: str, config: Pairs) -> Shard:
    """The shard of simulation `name`."""
    sides = sides_of(name, config)
    views = [(axis, slab) for axis in config.axes for slab in range(config.n_slabs)]
    drawn_maps = [projected(sides, config, axis, slab) for axis, slab in views]
    inputs, targets = (np.stack(maps) for maps in zip(*drawn_maps, strict=True))
    params = np.tile(params_vector(sides.box.cosmology, sides.baryons, config.redshift), (len(views), 1))
    axis, slab = np.array(views).T
    return Shard(name, inputs, targets, params, axis, slab, sides.box.box_size, config.redshift, recipe(config))


def projected(sides: Sides, config: Pairs, axis: int, slab: int) -> tuple[Array, Array]:
    """Input (1, P, P) and targets (3, P, P) of one line of sight through one slab."""
    depth = sides.box.box_size / config.n_slabs
    bounds = None if config.n_slabs == 1 else (slab * depth, (slab + 1) * depth)
    view = partial(project, box_size=sides.box.box_size, n_pixels=config.n_pixels, axis=axis, slab=bounds)
    hydro = sides.hydro
    dark, gas, stars = (view(side.pos, side.mass) for side in (hydro.dark_matter, hydro.gas, hydro.stars))
    return view(hydro.dmo_pos, sides.particle_mass)[None], np.stack([dark + gas + stars, gas, stars])


def write_manifest(config: Pairs, records: Sequence[ShardRecord]) -> Path:
    """Write `config.out`/manifest.json; ValueError when boxes differ in size or are too few to split."""
    records = sorted(records, key=lambda record: record.simulation)
    sizes = sorted({record.box_size for record in records})
    if len(sizes) != 1:
        raise ValueError(f"{config.simulations}: expected boxes of one size, got {sizes} Mpc/h")
    seed = config.seed if config.split_seed is None else config.split_seed
    manifest = Manifest(
        format=FORMAT,
        config=recipe(config) | {"split": list(config.split)},
        commit=", ".join(sorted({record.commit for record in records})),
        input_channels=INPUT_CHANNELS,
        target_channels=TARGET_CHANNELS,
        unit=UNIT,
        pixel_size=sizes[0] / config.n_pixels,
        box_size=sizes[0],
        depth=sizes[0] / config.n_slabs,
        param_names=PARAM_NAMES,
        shards=tuple(ShardEntry(**record.model_dump(include=set(ShardEntry.model_fields))) for record in records),
        split=split([record.simulation for record in records], config.split, seed),
    )
    path = config.out / "manifest.json"
    with replacing(path) as temporary:
        temporary.write_text(manifest.model_dump_json(indent=1) + "\n")
    return path


def recipe(config: Pairs) -> dict[str, Any]:
    """Everything of `config` that decides the content of a shard."""
    elsewhere = {"product", "simulations", "out", "split", "split_seed", "n_retries"}
    return {"format": FORMAT, **json.loads(config.model_dump_json(exclude=elsewhere))}
