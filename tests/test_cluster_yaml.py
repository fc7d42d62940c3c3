from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture
def cluster(repository: Path) -> dict[str, Any]:
    return yaml.safe_load((repository / "cluster.yaml").read_text())


def test_ray_accepts_the_file(cluster: dict[str, Any]) -> None:
    autoscaler = pytest.importorskip("ray.autoscaler._private.util", reason="Ray is not installed")
    autoscaler.validate_config(autoscaler.prepare_config(cluster))


def test_ray_refuses_a_misspelt_key(cluster: dict[str, Any]) -> None:
    autoscaler = pytest.importorskip("ray.autoscaler._private.util", reason="Ray is not installed")
    cluster["max_wokers"] = 3
    with pytest.raises(Exception, match="max_wokers"):
        autoscaler.validate_config(autoscaler.prepare_config(cluster))


def test_it_has_a_head_a_cpu_group_and_a_gpu_group_with_bounds(cluster: dict[str, Any]) -> None:
    types = cluster["available_node_types"]
    assert cluster["head_node_type"] == "head"
    assert types["gpu"]["resources"]["GPU"] >= 1
    assert "GPU" not in types["cpu"]["resources"]
    for group in ("cpu", "gpu"):
        assert types[group]["max_workers"] > types[group]["min_workers"]
    assert sum(group["max_workers"] for group in types.values()) <= cluster["max_workers"]


def test_nodes_install_the_lock_file(cluster: dict[str, Any]) -> None:
    assert any("requirements.lock" in command for command in cluster["setup_commands"])
    assert "requirements.lock" in cluster["file_mounts"].values()
