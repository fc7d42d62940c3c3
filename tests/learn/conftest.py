"""A small folder of pair shards, and a run that trains on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from toy_pairs import write_toy_pairs

from configs import Optimizer, Train, UNet


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
