"""Models that have seen nothing, on disk: small enough to answer in milliseconds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from generators import write_field_generator, write_halo_counter, write_halo_generator
from survey import machine

from benchmarks.service.untrained import untrained
from configs import Stochastic, UNet


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """As many as a replica has."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("painter") / "final", UNet(width=4, n_levels=2))


@pytest.fixture(scope="session")
def drawing_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that draws, whose draws differ."""
    method = Stochastic(n_noise=2)
    return untrained(tmp_path_factory.mktemp("painter") / "final", UNet(width=4, n_levels=2), method)


@pytest.fixture(scope="session")
def field_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_field_generator(tmp_path_factory.mktemp("fields"))


@pytest.fixture(scope="session")
def halo_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_halo_generator(tmp_path_factory.mktemp("halos"))


@pytest.fixture(scope="session")
def count_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_halo_counter(tmp_path_factory.mktemp("counts"))


@pytest.fixture(scope="session")
def inversion_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return machine(tmp_path_factory.mktemp("inversions"))
