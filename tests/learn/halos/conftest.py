"""A CAMELS-like suite cut along the axes of its boxes, an untrained diffusion model of it, and how it is bound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from camels_like import write_suite
from toy_pairs import write_toy_pairs
from untrained import write_checkpoint

from configs import Bind, Camels, CamelsBox, Cutouts, HaloCutouts, Optimizer, Profile, Train, Trained, UNet
from configs.diffusion import Diffusion, Sampling
from sim import halosets
from sim.camels import Suite

SHAPE: dict[str, Any] = {"n_pixels": 16, "samples_per_shard": 64, "split": (0.5, 0.25, 0.25), "orientation": "axes"}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return write_suite(tmp_path_factory.mktemp("suite"), n_sims=4)


@pytest.fixture(scope="session")
def roots(suite: Suite) -> dict[str, Any]:
    return {"dmo": suite.dmo, "hydro": suite.hydro, "catalogs": suite.catalogs, "parameters": suite.parameters}


@pytest.fixture(scope="session")
def axes_set(roots: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every halo along each axis: read it, never write it."""
    out = tmp_path_factory.mktemp("halos")
    list(halosets.produce(Cutouts(product="cutouts", source=Camels(kind="camels", **roots), out=out, **SHAPE)))
    return out


@pytest.fixture(scope="session")
def data(axes_set: Path) -> HaloCutouts:
    return HaloCutouts(kind="halos", folder=axes_set, targets="components")


@pytest.fixture(scope="session")
def halo_train(data: HaloCutouts, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """A tiny diffusion model of halos, four steps of it."""
    return Train(
        data=data,
        out=tmp_path_factory.mktemp("run"),
        method=Diffusion(empty=("stars",), sampler=Sampling(n_steps=3)),
        net=UNet(width=4, n_levels=2, n_embedding=8, padding="reflect"),
        optimizer=Optimizer(lr=3e-3, n_warmup=1, ema=0.9),
        n_steps=4,
        batch_size=4,
        validate_every=2,
        seed=3,
    )


@pytest.fixture(scope="session")
def halo_checkpoint(halo_train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "final", halo_train)


@pytest.fixture
def asked(roots: dict[str, Any], data: HaloCutouts, tmp_path: Path) -> Callable[..., Bind]:
    """The first simulation bound by the mean profile, with fields replaced."""

    def config(**changes: Any) -> Bind:
        content: dict[str, Any] = {
            "source": CamelsBox(kind="camels", simulation="SB35_0", **roots),
            "sampler": Profile(kind="mean_profile", data=data, n_masses=2, n_radii=8),
            "out": tmp_path / "bound",
            "n_realizations": 2,
            "batch": 3,
            "n_bins": 8,
        }
        return Bind(**(content | changes))

    return config


@pytest.fixture
def trained(halo_checkpoint: Path) -> Trained:
    return Trained(kind="checkpoint", folder=halo_checkpoint)


@pytest.fixture
def toy_painter(tmp_path: Path) -> Train:
    """A tiny painter of pair shards."""
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    return Train(
        data=write_toy_pairs(pairs),
        out=tmp_path / "run",
        net=UNet(width=4, n_levels=2, n_embedding=8),
        n_steps=6,
        batch_size=4,
    )
