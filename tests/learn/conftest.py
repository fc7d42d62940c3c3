"""A small folder of pair shards, and a run that trains on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from camels_like import write_suite
from oracle import write_pairs
from toy_counts import write_toy_counts
from toy_fields import fields, write_boxes
from toy_pairs import write_toy_pairs

from configs import Camels, CountShards, Cutouts, Inception, Optimizer, Train, UNet
from sim import halosets, vdm_bind


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def toy_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulations to train on, one each to validate and to test; three 16 x 16 maps of each."""
    return write_toy_pairs(tmp_path_factory.mktemp("toy_pairs"))


@pytest.fixture(scope="session")
def toy_pairs_with(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The same folder with fields of the manifest replaced."""
    return lambda **changes: write_toy_pairs(tmp_path_factory.mktemp("toy_pairs"), **changes)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six simulations with two 32 x 32 maps of each, which an oracle knows: read it, never write it."""
    return write_pairs(tmp_path_factory.mktemp("pairs"))


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


@pytest.fixture(scope="session")
def toy_counts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three boxes of 12^3 cells to train on, one each to validate and to test: density and two bins of halos."""
    return write_toy_counts(tmp_path_factory.mktemp("toy_counts"))


@pytest.fixture
def count_train(toy_counts: Path, tmp_path: Path) -> Callable[..., Train]:
    """Six steps of a tiny model of a method that counts halos, on patches of 6^3 cells."""

    def config(method: str | dict[str, Any] = "counts", **changes: Any) -> Train:
        if method == "wgan":
            method = {"kind": "wgan", "n_critic": 2, "critic_width": 4, "critic_levels": 1, "pools": (1, 2)}
        told: dict[str, Any] = {
            "data": CountShards(kind="counts", folder=toy_counts, patch=6, margin=2),
            "out": tmp_path / "run",
            "method": method,
            "net": Inception(kind="inception", width=4, n_blocks=1, n_embedding=8),
            "optimizer": Optimizer(lr=3e-3, n_warmup=1, ema=0.9),
            "n_steps": 6,
            "batch_size": 4,
            "validate_every": 2,
            "seed": 3,
        }
        return Train.model_validate(told | changes)

    return config


@pytest.fixture(scope="session")
def toy_boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten simulations with three maps of 16 x 16 at two redshifts: read it, never write it."""
    return write_boxes(tmp_path_factory.mktemp("boxes"))


@pytest.fixture
def toy_generator(toy_boxes: Path, tmp_path: Path) -> Train:
    """Six steps of a tiny diffusion model of fields."""
    return Train.model_validate(
        {
            "data": fields(toy_boxes),
            "out": tmp_path / "generator",
            "method": {"kind": "diffusion", "sampler": {"n_steps": 3}},
            "net": UNet(width=4, n_levels=2, n_embedding=8),
            "optimizer": Optimizer(lr=3e-3, n_warmup=1, ema=0.9),
            "n_steps": 6,
            "batch_size": 4,
            "validate_every": 2,
            "seed": 3,
        }
    )
