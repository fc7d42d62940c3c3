"""A small folder of pair shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sim import shards

BOX_SIZE, N_PIXELS, N_MAPS = 8.0, 16, 3
SPLIT = {"train": ("box_0000", "box_0001", "box_0004"), "validation": ("box_0003",), "test": ("box_0002",)}


def toy_shard(name: str) -> shards.Shard:
    """Log-normal dark matter, smoother gas whose share follows log10_m_c, stars in the peaks."""
    rng = np.random.default_rng(int(name[-4:]))
    contrast = np.exp(rng.normal(size=(N_MAPS, N_PIXELS, N_PIXELS)))
    dmo = 1e12 * (contrast + np.roll(contrast, 1, -1) + np.roll(contrast, 1, -2))
    m_c = rng.uniform(13, 14)
    smooth = (dmo + np.roll(dmo, 1, -1) + np.roll(dmo, -1, -1)) / 3
    gas = 0.16 * smooth**0.9 * 1e12**0.1 * (1 - 0.2 * (m_c - 13))
    stars = 0.02 * np.maximum(dmo - 8e12, 0)
    values = {"omega_m": 0.3, "omega_b": 0.048, "h": 0.7, "log10_m_c": m_c}
    params = np.tile(np.array([values.get(key, 1.0) for key in shards.PARAM_NAMES], np.float32), (N_MAPS, 1))
    targets = np.stack([0.84 * dmo + gas + stars, gas, stars], axis=1).astype(np.float32)
    where = np.arange(N_MAPS), np.zeros(N_MAPS, int)
    return shards.Shard(name, dmo[:, None].astype(np.float32), targets, params, *where, BOX_SIZE, 0.0, {"n_slabs": 1})


def toy_entry(folder: Path, name: str) -> shards.ShardEntry:
    path = folder / f"{name}.hdf5"
    shards.write_shard(path, toy_shard(name))
    return shards.ShardEntry(simulation=name, file=path.name, sha256=shards.file_hash(path), n_maps=N_MAPS)


def write_toy_pairs(folder: Path, **changes: Any) -> Path:
    """Five shards and their manifest, with fields of the manifest replaced by `changes`."""
    content: dict[str, Any] = {
        "format": shards.FORMAT,
        "config": {},
        "commit": "abc",
        "input_channels": shards.INPUT_CHANNELS,
        "target_channels": shards.TARGET_CHANNELS,
        "unit": shards.UNIT,
        "pixel_size": BOX_SIZE / N_PIXELS,
        "box_size": BOX_SIZE,
        "depth": BOX_SIZE,
        "param_names": shards.PARAM_NAMES,
        "shards": tuple(toy_entry(folder, f"box_{i:04d}") for i in range(5)),
        "split": SPLIT,
    }
    manifest = shards.Manifest(**content | changes)
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder
