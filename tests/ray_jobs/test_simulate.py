"""A box too large for one core is divided among nodes, loses an actor, then a node, and ends the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed")

from configs import Box, Cosmology, Ensemble
from ray_jobs.nodes import Node
from ray_jobs.simulate import planned
from sim import ensemble
from sim.checkpoint import Cadence
from sim.memory import in_words
from sim.nbody import memory_bytes
from sim.parallel import ThreadComm

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
BOX = Box(cosmology=PLANCK, box_size=32.0, n_particles=16, mesh_factor=1, seed=3, n_steps=40, redshifts=(1.0, 0.0))
TINY = BOX.model_copy(update={"n_particles": 8})
SHARE = (min(memory_bytes(BOX, 1), memory_bytes(BOX, 2)) + memory_bytes(BOX, 3)) // 2
"""A core's share of memory: a rank of one or two does not fit, one of three does."""

CLUSTER = """
import os, signal, sys, threading, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from configs import Ensemble
from ray_jobs.simulate import simulate

share, config = int(sys.argv[1]), Ensemble.model_validate_json(sys.argv[2])
small = {"object_store_memory": 80 * 1024**2}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "memory": share, **small})
cluster.add_node(num_cpus=2, memory=2 * share, **small)
third = cluster.add_node(num_cpus=1, memory=share, **small)
ray.init(address=cluster.address, runtime_env={"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"]}})

def ours(title):
    for entry in Path("/proc").iterdir():
        try:
            is_ours = entry.name.isdigit() and (entry / "cmdline").read_bytes().startswith(title)
            if is_ours and os.environ["DARKGLASS_MARK"].encode() in (entry / "environ").read_bytes():
                yield int(entry.name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue

def wait_for(step):
    while True:
        found = (config.out / ".partial").glob("*/checkpoints/*/checkpoint.json")
        if any(int(path.parent.name) >= step for path in found):
            return
        time.sleep(0.002)

def lose():
    wait_for(5)
    os.kill(next(ours(b"ray::Rank")), signal.SIGKILL)
    print("killed an actor", flush=True)
    wait_for(15)
    cluster.remove_node(third, allow_graceful=False)
    print("lost a node", flush=True)

threading.Thread(target=lose, daemon=True).start()
simulate(config)
ray.shutdown()
cluster.shutdown()
"""


def config(**fields: Any) -> Ensemble:
    every_step = {"checkpoint_minutes": 1e-6}
    return Ensemble(**{"box": BOX, "n_boxes": 1, "seed": 0, "out": Path("/nowhere"), **every_step, **fields})


@pytest.mark.parametrize(
    ("nodes", "n_ranks", "n", "words"),
    [
        ([Node(2, 2 * 10**9)], None, 1, "one task a box: 16^3 particles on a 16^3 mesh take"),
        ([Node(2, 2 * SHARE), Node(1, SHARE)], None, 3, "3 actors share a box, "),
        ([Node(2, 2 * SHARE), Node(1, 10 * SHARE)], None, 3, f"a core's share of memory is {in_words(SHARE)}"),
        ([Node(4, 10**9)], 4, 4, f"4 actors share a box, {in_words(memory_bytes(BOX, 4))} each, as n_ranks says"),
        ([Node(4, 10)], 1, 1, "one task a box, as n_ranks says"),
        ([], None, 1, "one task a box: the cluster has no node with cores yet"),
    ],
)
def test_as_few_share_a_box_as_memory_lets(nodes: list[Node], n_ranks: int | None, n: int, words: str) -> None:
    plan = planned(BOX, nodes, n_ranks)
    assert plan.n_ranks == n
    assert words in plan.words
    assert len(plan.words.splitlines()) == 1


@pytest.mark.parametrize(
    ("box", "nodes", "n_ranks", "words"),
    [
        (BOX, [Node(2, 2 * SHARE)], None, rf"share of memory is {in_words(SHARE)}, and expected at most that, got"),
        (BOX, [Node(2, 10**9)], 3, r"n_ranks: expected at most 2 \(2 cores, and a mesh of 16 planes for 5\), got 3"),
        (TINY, [Node(9, 10**9)], 3, r"n_ranks: expected at most 2 \(9 cores, and a mesh of 8 planes for 2\), got 3"),
    ],
)
def test_what_cannot_be_is_refused(box: Box, nodes: list[Node], n_ranks: int | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        planned(box, nodes, n_ranks)


def test_a_bad_box_is_refused_before_ray_starts(tmp_path: Path) -> None:
    many = BOX.model_copy(update={"n_steps": 1})
    (tmp_path / "many.yaml").write_text(config(box=many, out=tmp_path / "out").model_dump_json())
    command = [sys.executable, "-m", "ray_jobs.simulate", str(tmp_path / "many.yaml")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 2
    words = "n_steps: expected at least one step for each of 2 redshifts, got 1"
    assert run.stderr == f"python -m ray_jobs.simulate: {words}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["many.yaml"]


def snapshots(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("snapdir_*/*"))}


@pytest.mark.ray
@pytest.mark.slow
def test_an_actor_and_a_node_are_lost_and_nothing_changes(repository: Path, tmp_path: Path) -> None:
    """One box on three nodes of one cluster: the memory of their cores asks for three actors."""
    environment = {**os.environ, "PYTHONPATH": str(repository), "DARKGLASS_MARK": tmp_path.name, "RAY_DEDUP_LOGS": "0"}
    ours = config(out=tmp_path / "out")
    command = [sys.executable, "-c", CLUSTER, str(SHARE), ours.model_dump_json()]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (member,) = ensemble.members(ours)
    attempts = re.split(r"killed an actor|lost a node", run.stdout)
    assert "simulate: 3 actors share a box, " in attempts[0]
    for lost, attempt in enumerate(attempts[1:], 2):
        assert f"attempt {lost} of 3" in attempt
        assert f"simulate: {member.id} resumes after step " in attempt
    assert len(attempts) == 3
    assert [path.name for path in ours.out.iterdir() if path.is_dir()] == [member.id]
    ThreadComm.run(3, lambda comm: ensemble.simulate(member, tmp_path / "threads", comm, Cadence(None)))
    found = snapshots(ours.out / member.id)
    assert sorted(found) == [f"snapdir_00{i}/snap_00{i}.{rank}.hdf5" for i in (0, 1) for rank in range(3)]
    assert found == snapshots(tmp_path / "threads" / member.id)
