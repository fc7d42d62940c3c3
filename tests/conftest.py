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

COMPILE = {"test_bind.py", "test_comm.py", "test_counts.py", "test_cutouts.py", "test_simulate.py"}
"""Those of ray_jobs whose workers need the kernels of sim: each of them would compile what is not there yet."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of two runs side by side, the one without Ray begins with sim, and its kernels are there when Ray needs them."""
    items.sort(key=lambda item: item.path.name in COMPILE if "ray" in item.keywords else "sim" not in item.path.parts)


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
    """A local Ray of 4 logical CPUs whose workers import this repository.

    They are told where its dashboard is: the cleaner of a nested Ray Train run asks it whether that run still lives,
    and without an address asks whichever Ray it finds on this machine, of which there may be two.
    """
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    from ray_jobs.cluster import LOOPBACK, free_port

    port = free_port()
    environment = {
        "PYTHONPATH": str(REPOSITORY),
        "WANDB_MODE": "disabled",
        "RAY_API_SERVER_ADDRESS": f"http://{LOOPBACK}:{port}",
    }
    ray.init(
        address="local",
        num_cpus=4,
        dashboard_port=port,
        log_to_driver=False,
        runtime_env={"env_vars": environment},
    )
    yield
    ray.shutdown()
