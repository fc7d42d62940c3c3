"""Boxes that several files of tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_boxes import simulation


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four boxes of ours."""
    folder = tmp_path_factory.mktemp("boxes")
    for i in range(4):
        simulation(folder / f"box_{i:04d}", seed=i)
    return folder
