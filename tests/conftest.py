"""What every test shares: where real data is, and a Ray that is started once, quietly, on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

os.environ.update(
    RAY_AUTH_MODE="disabled",
    RAY_USAGE_STATS_ENABLED="0",
    RAY_TRAIN_ENABLE_STATE_TRACKING="0",
    WANDB_MODE="disabled",
    WANDB_SILENT="true",
    MPLBACKEND="agg",
)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder with pyproject.toml."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data: DARKGLASS_DATA, else ../shared/data beside the repository; skips when it is missing."""
    folder = Path(os.environ.get("DARKGLASS_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "INDEX.md").is_file():
        pytest.skip(f"real data not found: no INDEX.md in {folder} (set DARKGLASS_DATA)")
    return folder


@pytest.fixture
def cuda() -> str:
    """The name of a CUDA device; skips when there is none."""
    if not pytest.importorskip("torch").cuda.is_available():
        pytest.skip("no CUDA device")
    return "cuda"


@pytest.fixture(scope="session")
def ray_local() -> Iterator[None]:
    """A local Ray of 4 logical CPUs whose workers import this repository."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    environment = {"PYTHONPATH": str(REPOSITORY), "WANDB_MODE": "disabled"}
    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": environment},
    )
    yield
    ray.shutdown()
