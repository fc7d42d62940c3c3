"""Sets of halo counts: one shard a simulation, one manifest for all.

A shard is a pure function of its simulation and of the configuration, the manifest one of the configuration and of the
records. A shard counts as made when its record names this configuration, this simulation and its bytes. Knows nothing
of workers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from configs import Counts, provenance
from configs.files import replacing
from sim.count_grids import grids, names, source_hash
from sim.count_shards import (
    COUNT_UNIT,
    FORMAT,
    PARAM_NAMES,
    PRODUCT,
    UNIT,
    Entry,
    Manifest,
    Record,
    Shard,
    read_manifest,
    read_shard,
    verify,
    write_shard,
)
from sim.shards import digest, file_hash
from sim.splits import split

__all__ = [
    "Manifest",
    "Record",
    "Shard",
    "completed",
    "names",
    "produce",
    "produce_one",
    "read_manifest",
    "read_shard",
    "verify",
    "write_manifest",
]


def produce(config: Counts) -> Iterator[Record]:
    """Make every shard that is missing or damaged, one after the other, then the manifest; yields every record."""
    records = []
    for name in names(config):
        records.append(completed(name, config) or produce_one(name, config))
        yield records[-1]
    write_manifest(config, records)


def completed(name: str, config: Counts) -> Record | None:
    """The record of the shard of simulation `name` if it is whole and of this configuration and simulation."""
    shard, path = config.out / f"{name}.hdf5", config.out / f"{name}.json"
    if not (shard.is_file() and path.is_file()):
        return None
    try:
        record = Record.model_validate_json(path.read_text())
    except ValidationError:
        return None
    made_from = (digest(recipe(config)), source_hash(name, config))
    same = (record.config, record.source) == made_from and record.sha256 == file_hash(shard)
    return record if same else None


def produce_one(name: str, config: Counts) -> Record:
    """Write the shard and the record of simulation `name`; errors as those of `sim.count_grids.grids`."""
    shard = Shard(name, grids(name, config), config.channels, recipe(config))
    path = config.out / f"{name}.hdf5"
    write_shard(path, shard)
    record = Record(
        simulation=name,
        file=path.name,
        sha256=file_hash(path),
        n_halos=int(shard.grids.counts.sum(dtype=int)),
        n_cells=len(shard.grids.density),
        box_size=shard.grids.box_size,
        config=digest(recipe(config)),
        source=source_hash(name, config),
        commit=provenance()["commit"],
    )
    with replacing(path.with_suffix(".json")) as temporary:
        temporary.write_text(record.model_dump_json(indent=1) + "\n")
    return record


def write_manifest(config: Counts, records: Sequence[Record]) -> Path:
    """Write `config.out`/manifest.json; ValueError when boxes differ in size or are too few to split."""
    records = sorted(records, key=lambda record: record.simulation)
    sizes = sorted({record.box_size for record in records})
    if len(sizes) != 1:
        raise ValueError(f"{config.out}: expected boxes of one size, got {sizes} Mpc/h")
    manifest = Manifest(
        product=PRODUCT,
        format=FORMAT,
        config=recipe(config) | {"split": list(config.split), "split_seed": config.split_seed},
        commit=", ".join(sorted({record.commit for record in records})),
        input_channels=(config.input_channel,),
        target_channels=config.channels,
        unit=UNIT,
        target_unit=COUNT_UNIT,
        cell_size=sizes[0] / records[0].n_cells,
        box_size=sizes[0],
        n_cells=records[0].n_cells,
        param_names=PARAM_NAMES,
        shards=tuple(Entry(**record.model_dump(include=set(Entry.model_fields))) for record in records),
        split=split([record.simulation for record in records], config.split, config.split_seed),
    )
    path = config.out / "manifest.json"
    with replacing(path) as temporary:
        temporary.write_text(manifest.model_dump_json(indent=1) + "\n")
    return path


def recipe(config: Counts) -> dict[str, Any]:
    """Everything of `config` that decides the content of a shard, and nothing of where files are."""
    elsewhere = {"product": True, "out": True, "split": True, "split_seed": True, "n_retries": True}
    where = {"simulations", "boxes"}
    return {"format": FORMAT, **json.loads(config.model_dump_json(exclude=elsewhere | {"source": where}))}
