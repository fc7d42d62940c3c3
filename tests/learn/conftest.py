"""A small folder of pair shards, and a run that trains on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from camels_like import write_suite

from configs import Camels, Cutouts, Optimizer, Train, UNet
from sim import halosets, shards, vdm_bind

BOX_SIZE, N_PIXELS, N_MAPS = 8.0, 16, 3
SPLIT = {"train": ("box_0000", "box_0001", "box_0004"), "validation": ("box_0003",), "test": ("box_0002",)}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


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


@pytest.fixture(scope="session")
def toy_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulations to train on, one each to validate and to test; three 16 x 16 maps of each."""
    return write_toy_pairs(tmp_path_factory.mktemp("toy_pairs"))


@pytest.fixture(scope="session")
def toy_pairs_with(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The same folder with fields of the manifest replaced."""
    return lambda **changes: write_toy_pairs(tmp_path_factory.mktemp("toy_pairs"), **changes)


@pytest.fixture
def toy_train(toy_pairs: Path, tmp_path: Path) -> Train:
    """Six steps of a tiny painter."""
    return Train(
        data=toy_pairs,
        out=tmp_path / "run",
        net=UNet(width=4, n_levels=2, n_embedding=8),
        optimizer=Optimizer(lr=3e-3, n_warmup=1, ema=0.9),
        n_steps=6,
        batch_size=4,
        validate_every=2,
        seed=3,
    )


@pytest.fixture(scope="session")
def halo_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four simulations of CAMELS-like boxes cut out as they lie: read it, never write it."""
    suite = write_suite(tmp_path_factory.mktemp("suite"), n_sims=4)
    source = Camels(
        kind="camels", dmo=suite.dmo, hydro=suite.hydro, catalogs=suite.catalogs, parameters=suite.parameters
    )
    out = tmp_path_factory.mktemp("halos")
    shape: dict[str, Any] = {"n_pixels": 16, "samples_per_shard": 5, "split": (0.5, 0.25, 0.25), "orientation": "none"}
    assert len(list(halosets.produce(Cutouts(product="cutouts", source=source, out=out, **shape)))) == 4
    return out


@pytest.fixture(scope="session")
def vdm_folder(halo_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same set in the files of VDM-BIND."""
    out = tmp_path_factory.mktemp("npz")
    assert sum(vdm_bind.export(halo_set, out)) > 0
    return out
