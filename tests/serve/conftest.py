"""A painter that has seen nothing, on disk: small enough to paint in a millisecond."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.service.untrained import untrained
from configs import Stochastic, UNet


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("painter") / "final", UNet(width=4, n_levels=2))


@pytest.fixture(scope="session")
def drawing_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that draws, whose draws differ."""
    method = Stochastic(n_noise=2)
    return untrained(tmp_path_factory.mktemp("painter") / "final", UNet(width=4, n_levels=2), method)
