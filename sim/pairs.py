"""Paired maps for learning: dark-matter-only -> total, gas and stars; one shard a simulation, one manifest for all.

Knows how simulation, halos, baryons and maps fit together; knows nothing of workers. A shard is a pure function of its
simulation and of the configuration, the manifest one of the configuration and of the records. A shard counts as made
when its record names this configuration, this simulation and its bytes; that a file exists proves nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.stats import qmc

from configs import Baryons, Box, Cosmology, Pairs, provenance
from configs.files import replacing
from sim import halos, snapshot
from sim.baryons import Counterpart, displaced
from sim.cosmology import critical_density
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
    file_hash,
    read_manifest,
    read_shard,
    verify,
    write_shard,
)
from sim.snapshot import Snapshot

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
SPLITS = ("train", "validation", "test")


def simulations(config: Pairs) -> list[str]:
    """Names of the finished simulations in `config.simulations`; FileNotFoundError when there are none."""
    names = sorted(path.parent.name for path in config.simulations.glob("*/box.json"))
    if not names:
        raise FileNotFoundError(f"{config.simulations}: expected folders with a box.json, found none")
    return names


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
    folder = config.simulations / name
    box = read_box(folder)
    shard = made(name, box, read_output(folder, box, config.redshift), config)
    path = config.out / f"{name}.hdf5"
    with replacing(path) as temporary:
        write_shard(temporary, shard)
    record = ShardRecord(
        simulation=name,
        file=path.name,
        sha256=file_hash(path),
        n_maps=len(shard.inputs),
        box_size=box.box_size,
        config=digest(recipe(config)),
        source=file_hash(folder / "box.json"),
        commit=provenance()["commit"],
    )
    with replacing(path.with_suffix(".json")) as temporary:
        temporary.write_text(record.model_dump_json(indent=1) + "\n")
    return record


def made(name: str, box: Box, simulated: Snapshot, config: Pairs) -> Shard:
    """The shard of a simulated box: halos, baryons drawn for it, projections."""
    matter = simulated.particles["dark_matter"]
    mass = float(np.ravel(matter.mass)[0])
    catalog = halos.find(
        matter.pos,
        mass,
        box.box_size,
        omega_m=box.cosmology.omega_m,
        critical_density=critical_density(box.cosmology, config.redshift),
        linking_length=config.linking_length,
        min_particles=config.min_particles,
        ids=matter.ids,
    )
    baryons = drawn(name, config)
    seed = int(np.random.SeedSequence((config.seed, index_of(name))).generate_state(1, np.uint64)[0])
    sides = displaced(
        matter.pos, mass, catalog, box.cosmology, baryons, box.box_size, redshift=config.redshift, seed=seed
    )
    views = [(axis, slab) for axis in config.axes for slab in range(config.n_slabs)]
    drawn_maps = [projected(sides, mass, box.box_size, config, axis, slab) for axis, slab in views]
    inputs, targets = (np.stack(maps) for maps in zip(*drawn_maps, strict=True))
    params = np.tile(params_vector(box.cosmology, baryons, config.redshift), (len(views), 1))
    axis, slab = np.array(views).T
    return Shard(name, inputs, targets, params, axis, slab, box.box_size, config.redshift, recipe(config))


def projected(
    sides: Counterpart, mass: float, box_size: float, config: Pairs, axis: int, slab: int
) -> tuple[Array, Array]:
    """Input (1, P, P) and targets (3, P, P) of one line of sight through one slab."""
    depth = box_size / config.n_slabs
    bounds = None if config.n_slabs == 1 else (slab * depth, (slab + 1) * depth)
    view = partial(project, box_size=box_size, n_pixels=config.n_pixels, axis=axis, slab=bounds)
    dark, gas, stars = (view(side.pos, side.mass) for side in (sides.dark_matter, sides.gas, sides.stars))
    return view(sides.dmo_pos, mass)[None], np.stack([dark + gas + stars, gas, stars])


def drawn(name: str, config: Pairs) -> Baryons:
    """The baryon parameters of simulation `name`: the point of a scrambled Sobol design that its number names.

    The first dimensions are left to the cosmology that an ensemble drew with the same number: shared ones would tie a
    baryon parameter to a cosmological one.
    """
    i, names, n_taken = index_of(name), sorted(config.vary), len(Cosmology.model_fields)
    if not names:
        return config.baryons
    design = qmc.Sobol(n_taken + len(names), scramble=True, rng=config.seed)
    point = (design.fast_forward(i) if i else design).random(1)[0, n_taken:]
    low, high = np.array([config.vary[key] for key in names]).T
    values = dict(zip(names, (low + (high - low) * point).tolist(), strict=True))
    return Baryons.model_validate(config.baryons.model_dump() | values)


def index_of(name: str) -> int:
    """The number at the end of a simulation's name, which does not depend on which others exist."""
    digits = re.search(r"\d+$", name)
    if digits is None:
        raise ValueError(f"simulation {name!r}: expected a name that ends in its number, such as box_0007")
    return int(digits[0])


def params_vector(cosmology: Cosmology, baryons: Baryons, redshift: float) -> Array:
    """The values (p,) of `PARAM_NAMES`."""
    return np.array([*cosmology.model_dump().values(), *baryons.model_dump().values(), redshift], np.float32)


def read_box(folder: Path) -> Box:
    """The configuration of a simulation, from its box.json."""
    path = folder / "box.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the configuration of a finished simulation, found none")
    return Box.model_validate_json(json.dumps(json.loads(path.read_text())["box"]))


def read_output(folder: Path, box: Box, redshift: float) -> Snapshot:
    """The output of a simulation at `redshift`; ValueError when there is none or when it is of another box."""
    matches = [i for i, z in enumerate(box.redshifts) if abs(z - redshift) < 1e-6]
    if not matches:
        raise ValueError(f"{folder}: expected an output at redshift {redshift:g}, got outputs at {box.redshifts}")
    path = folder / f"snap_{matches[0]:03d}.hdf5"
    found = snapshot.read(path)
    if abs(found.redshift - redshift) > 1e-4:
        raise ValueError(f"{path}: expected redshift {redshift:g}, got {found.redshift:g}")
    if abs(found.box_size / box.box_size - 1) > 1e-6:
        raise ValueError(f"{path}: expected a box of {box.box_size:g} Mpc/h, got {found.box_size:g} Mpc/h")
    held = len(found.particles["dark_matter"]) if "dark_matter" in found.particles else 0
    if held != box.n_particles**3:
        raise ValueError(f"{path}: expected {box.n_particles}^3 dark-matter particles, got {held}")
    return found


def write_manifest(config: Pairs, records: Sequence[ShardRecord]) -> Path:
    """Write `config.out`/manifest.json; ValueError when boxes differ in size or are too few to split."""
    records = sorted(records, key=lambda record: record.simulation)
    sizes = sorted({record.box_size for record in records})
    if len(sizes) != 1:
        raise ValueError(f"{config.simulations}: expected boxes of one size, got {sizes} Mpc/h")
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
        split=split([record.simulation for record in records], config.split, config.seed),
    )
    path = config.out / "manifest.json"
    with replacing(path) as temporary:
        temporary.write_text(manifest.model_dump_json(indent=1) + "\n")
    return path


def split(names: Sequence[str], shares: Sequence[float], seed: int) -> dict[str, tuple[str, ...]]:
    """Names of the simulations of each part, at least one where the share is not zero; the same for any order."""
    wanted = sum(share > 0 for share in shares)
    if len(names) < wanted:
        raise ValueError(f"split: expected at least {wanted} simulations for shares {tuple(shares)}, got {len(names)}")
    counts = [max(1, round(share * len(names))) if share > 0 else 0 for share in shares]
    largest = int(np.argmax(shares))
    counts[largest] += len(names) - sum(counts)
    shuffled = np.random.default_rng(seed).permutation(sorted(names)).tolist()
    parts = np.split(np.array(shuffled), np.cumsum(counts)[:-1])
    return {part: tuple(sorted(chosen.tolist())) for part, chosen in zip(SPLITS, parts, strict=True)}


def recipe(config: Pairs) -> dict[str, Any]:
    """Everything of `config` that decides the content of a shard."""
    elsewhere = {"simulations", "out", "split", "n_retries"}
    return {"format": FORMAT, **json.loads(config.model_dump_json(exclude=elsewhere))}


def digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
