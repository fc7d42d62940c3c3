"""Generators that have seen nothing, on disk: fields, halos and counts, each small enough to draw in milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import toy_fields
from toy_counts import BOX_SIZE, CHANNELS, N_CELLS, toy_grids
from untrained import write_model_of

from configs import CountShards, HaloCutouts, Inception, Train, UNet
from learn.data import About, Batch
from learn.sources.cutout import MASS, Window
from sim import count_shards
from sim.count_shards import PARAM_NAMES

NET = UNet(width=4, n_levels=2, n_embedding=8)
N_STEPS = 3
WINDOW = Window((4.0, 8.0), 8, "components")
HALO_PARAMS = ("omega_m", "feedback", MASS)


def write_field_generator(folder: Path, n_dims: int = 2, **sampler: Any) -> Path:
    """Fields of 8 pixels along each side."""
    about = toy_fields.about(n_dims)
    method = {"kind": "diffusion", "sampler": {"n_steps": N_STEPS, **sampler}}
    config = Train.model_validate(
        train_of(folder, {"kind": "fields", "folder": folder / "data", "n_pixels": 8}, method)
    )
    return write_model_of(folder / "final", config, about, [toy_fields.batch(about, 8)])


def write_halo_generator(folder: Path) -> Path:
    """Dark matter, gas and stars of 8 x 8 pixels from two windows."""
    about = WINDOW.about(depth=50.0, param_names=HALO_PARAMS, data_sha256="abc")
    data = HaloCutouts(kind="halos", folder=folder / "data", targets="components")
    method = {"kind": "diffusion", "empty": ("stars",), "sampler": {"n_steps": N_STEPS}}
    config = Train.model_validate(train_of(folder, data, method))
    return write_model_of(folder / "final", config, about, [halo_batch(about)])


def write_halo_counter(folder: Path, method: str = "counts") -> Path:
    """Two mass bins, from boxes of 12^3 cells."""
    grids = [toy_grids(i) for i in range(2)]
    columns = [(one.density[None], one.counts.astype(np.float32), np.array(one.params, np.float32)) for one in grids]
    about = About(
        input_channels=count_shards.INPUT_CHANNELS,
        target_channels=CHANNELS,
        unit=count_shards.UNIT,
        target_unit=count_shards.COUNT_UNIT,
        n_dims=3,
        pixel_size=BOX_SIZE / N_CELLS,
        box_size=BOX_SIZE,
        depth=BOX_SIZE,
        periodic=True,
        param_names=PARAM_NAMES,
        data_sha256="abc",
    )
    data = CountShards(kind="counts", folder=folder / "data", patch=6, margin=2)
    net = Inception(kind="inception", width=4, n_blocks=1, n_embedding=8)
    told = {"kind": "wgan", "critic_width": 4, "critic_levels": 1} if method == "wgan" else {"kind": method}
    config = Train.model_validate(train_of(folder, data, told) | {"net": net})
    return write_model_of(folder / "final", config, about, [Batch.stacked(columns, range(2))])


def train_of(folder: Path, data: Any, method: dict[str, Any]) -> dict[str, Any]:
    return {"data": data, "out": folder, "method": method, "net": NET, "n_steps": 7, "batch_size": 1}


def windows(seed: int = 0) -> np.ndarray:
    """Dark matter around a halo (2, 8, 8) [Msun/h a fine pixel]."""
    return np.random.default_rng(seed).lognormal(size=(2, 8, 8)).astype(np.float32) * np.float32(1e11)


def halo_batch(about: About) -> Batch:
    rng = np.random.default_rng(5)
    inputs = [windows(i) / np.float32(WINDOW.pixel_size**2) for i in range(4)]
    targets = [np.stack([0.8 * one[0], 0.15 * one[0], 0.05 * one[0] * (one[0] > one[0].mean())]) for one in inputs]
    params = [np.array([*rng.uniform(0.2, 2, 2), rng.uniform(13, 14)], np.float32) for _ in range(4)]
    return Batch.stacked(zip(inputs, targets, params, strict=True), range(4))
