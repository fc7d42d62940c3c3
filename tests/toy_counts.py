"""A small set of halo counts: log-normal density, halos drawn from a power law of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import Train
from learn.data import Batch, InOrder
from learn.methods import METHODS, Counts, Wgan
from learn.normalize import Normalizer
from learn.sources import open_source
from sim import count_shards
from sim.count_shards import PARAM_NAMES, Grids
from sim.shards import file_hash

BOX_SIZE, N_CELLS = 48.0, 12
CHANNELS = ("halos_12_13", "halos_13_15")
MEANS, SLOPES = (0.8, 0.15), (1.0, 1.6)
SPLIT = {"train": ("box_0000", "box_0001", "box_0004"), "validation": ("box_0003",), "test": ("box_0002",)}


def toy_grids(seed: int, n_cells: int = N_CELLS, box_size: float = BOX_SIZE, omega_m: float = 0.3) -> Grids:
    """Density smooth over neighbours, halos Poisson about a power law of it."""
    rng = np.random.default_rng(seed)
    field = rng.normal(size=(n_cells,) * 3)
    field = sum(np.roll(field, by, axis) for axis in range(3) for by in (-1, 0, 1)) / 3
    density = np.exp(field)
    density /= density.mean()
    return Grids(density.astype(np.float32), halos_of(density, rng), (omega_m, 0.8, 0.0), box_size)


def halos_of(density: NDArray, rng: np.random.Generator) -> NDArray[np.uint16]:
    """A draw of both bins."""
    rates = [mean * density**slope / (density**slope).mean() for mean, slope in zip(MEANS, SLOPES, strict=True)]
    return rng.poisson(rates).astype(np.uint16)


def toy_entry(folder: Path, name: str, grids: Grids) -> count_shards.Entry:
    path = folder / f"{name}.hdf5"
    count_shards.write_shard(path, count_shards.Shard(name, grids, CHANNELS, {}))
    n_halos = int(grids.counts.sum(dtype=int))
    return count_shards.Entry(simulation=name, file=path.name, sha256=file_hash(path), n_halos=n_halos)


def write_toy_counts(folder: Path, *, n_cells: int = N_CELLS, omega_m: float = 0.3, **changes: Any) -> Path:
    """Five shards and their manifest, with fields of the manifest replaced by `changes`; cells are those of all."""
    box_size = n_cells * BOX_SIZE / N_CELLS
    boxes = {f"box_{i:04d}": toy_grids(i, n_cells, box_size, omega_m + 0.01 * i) for i in range(5)}
    content: dict[str, Any] = {
        "product": count_shards.PRODUCT,
        "format": count_shards.FORMAT,
        "config": {},
        "commit": "abc",
        "input_channels": count_shards.INPUT_CHANNELS,
        "target_channels": CHANNELS,
        "unit": count_shards.UNIT,
        "target_unit": count_shards.COUNT_UNIT,
        "cell_size": BOX_SIZE / N_CELLS,
        "box_size": box_size,
        "n_cells": n_cells,
        "param_names": PARAM_NAMES,
        "shards": tuple(toy_entry(folder, name, grids) for name, grids in boxes.items()),
        "split": SPLIT,
    }
    manifest = count_shards.Manifest(**content | changes)
    (folder / "manifest.json").write_text(json.dumps(json.loads(manifest.model_dump_json())))
    return folder


def opened(config: Train) -> tuple[Counts | Wgan, Batch]:
    """The method that a configuration names, fitted to its training cubes, and six of them."""
    source = open_source(config.data, "train")
    method = METHODS[config.method.kind](config, Normalizer.fit(InOrder(source, 8)), source.about)
    return method, source.read(range(6))
