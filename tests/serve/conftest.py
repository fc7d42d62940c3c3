"""A painter that has seen nothing, on disk: small enough to paint in a millisecond."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.service.untrained import untrained
from configs import UNet


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("painter") / "final", UNet(width=4, n_levels=2))
