"""Boxes and halos that several files of tests look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from clumps import BOX, Positions
from own_boxes import simulation


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four boxes of ours."""
    folder = tmp_path_factory.mktemp("boxes")
    for i in range(4):
        simulation(folder / f"box_{i:04d}", seed=i)
    return folder


@pytest.fixture
def nfw() -> Callable[..., Positions]:
    """Samples an NFW halo, n particles within r200c, that goes on to 2 r200c."""

    def sample(n: int, r200c: float, concentration: float, center: tuple[float, float, float]) -> Positions:
        rng = np.random.default_rng(7)
        x = np.geomspace(1e-4, 2, 4000)
        enclosed = np.log1p(concentration * x) - concentration * x / (1 + concentration * x)
        n_all = round(n * enclosed[-1] / np.interp(1, x, enclosed))
        radius = r200c * np.interp(rng.random(n_all) * enclosed[-1], enclosed, x)
        direction = rng.standard_normal((n_all, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        return np.asarray((center + radius[:, None] * direction) % BOX, np.float32) % np.float32(BOX)

    return sample
