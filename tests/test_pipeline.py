"""The main job, small: one result on any number of workers, also after one was killed; every step as a Ray job."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed")

from ray_jobs.cluster import free_port, local_head
from ray_jobs.demo import STEPS, submit

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

COMMIT = "test"
BOXES = ["n_boxes=4", "box.n_particles=32", "box.mesh_factor=1", "box.n_steps=8", "out=boxes"]
PAIRS = ["simulations=boxes", "out=pairs", "n_pixels=32", "min_particles=20", "split=[0.5, 0.25, 0.25]"]
OVERRIDES = {
    "simulate": BOXES,
    "produce": PAIRS,
    "train": ["data=pairs", "out=painter", "n_steps=4", "validate_every=2", "batch_size=4", "net.width=4"],
    "evaluate": ["checkpoint=painter/final", "data=pairs", "out=evaluation"],
    "paint": ["serve.checkpoint=painter/final", "data=pairs", "out=painted"],
}

KILL_ONE = """
import os, signal, sys, threading, time
from pathlib import Path

def kill_one(title, after):
    while not after.exists():
        time.sleep(0.005)
    while True:
        for entry in Path("/proc").iterdir():
            try:
                found = entry.name.isdigit() and (entry / "cmdline").read_bytes().startswith(title)
                if found and os.getsid(int(entry.name)) == os.getsid(0):
                    os.kill(int(entry.name), signal.SIGKILL)
                    print("killed one worker", flush=True)
                    return
            except (FileNotFoundError, ProcessLookupError):
                continue

def kill_later(title, after):
    threading.Thread(target=kill_one, args=(title, after), daemon=True).start()

import ray
n_workers, kills, home = int(sys.argv[1]), sys.argv[2] == "kill", Path(os.environ["DARKGLASS_HOME"])
"""

ENSEMBLE = """
from configs import Ensemble, Pairs, load
from ray_jobs.produce import produce
from ray_jobs.simulate import simulate
ray.init(address="local", num_cpus=n_workers, include_dashboard=False, log_to_driver=False)
if kills:
    kill_later(b"ray::single_threaded", home)
simulate(load(Ensemble, "configs/ensemble/demo.yaml", sys.argv[3].split()))
produce(load(Pairs, "configs/pairs/demo.yaml", sys.argv[4].split()))
"""

TRAIN = """
from configs import Train, load
from ray_jobs.train import train
ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
for name, n in {"alone": 1, "two": 2, "killed": 2}.items():
    if name == "killed":
        kill_later(b"ray::RayTrainWorker", home / name / "checkpoints" / "step_000004")
    train(load(Train, "configs/train/painter.yaml", [*sys.argv[3].split(), f"out={name}", f"n_workers={n}"]))
train(load(Train, "configs/train/painter.yaml", [*sys.argv[3].split(), "out=two", "n_workers=2"]))
"""

ELASTIC = """
os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = "15"  # that it waits for the lost node to come back
from ray.cluster_utils import Cluster
from configs import Train, load
from ray_jobs.train import train
def head(attempts=3):  # a raylet gives its agents 15 s to start, of whatever a busy machine has left
    try:
        return Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    except Exception as error:
        if attempts == 1 or "timed out during startup" not in str(error):
            raise
        return head(attempts - 1)

cluster = head()
second = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address)

def lose_a_node():
    while not (home / "elastic" / "checkpoints" / "step_000004").exists():
        time.sleep(0.005)
    cluster.remove_node(second, allow_graceful=False)
    print("lost one node", flush=True)

threading.Thread(target=lose_a_node, daemon=True).start()
train(load(Train, "configs/train/painter.yaml", [*sys.argv[3].split(), "out=elastic", "n_workers=[1,2]"]))
ray.shutdown()
cluster.shutdown()
"""


def run_script(script: str, repository: Path, home: Path, n_workers: int, *overrides: list[str], kill: bool) -> str:
    arguments = [str(n_workers), "kill" if kill else "-", *(" ".join(o).replace(", ", ",") for o in overrides)]
    settings = {"DARKGLASS_HOME": str(home), "DARKGLASS_COMMIT": COMMIT, "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, "-c", KILL_ONE + script, *arguments],
        cwd=repository,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_ensemble(repository: Path, home: Path, n_workers: int, *, kill: bool = False) -> str:
    return run_script(ENSEMBLE, repository, home, n_workers, BOXES, PAIRS, kill=kill)


SHORT = ["n_steps=20", "validate_every=4", "batch_size=4", "net.width=4"]


@pytest.fixture(scope="module")
def trained(repository: Path, one_worker: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training by one worker, by two, and by two of which one is killed."""
    home = tmp_path_factory.mktemp("trained")
    output = run_script(TRAIN, repository, home, 2, [f"data={one_worker / 'pairs'}", *SHORT], kill=True)
    assert "killed one worker" in output
    assert "two/final is there already, nothing to do" in output
    return home


def losses(run: Path) -> list[float]:
    """The training loss of every step."""
    return [json.loads(line)["train/loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def hashes(folder: Path) -> dict[str, str]:
    files = [*folder.glob("*.hdf5"), folder / "manifest.json"]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def one_worker(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("one_worker")
    run_ensemble(repository, home, 1)
    return home


def test_four_workers_of_which_one_is_killed_give_the_same_shards_as_one(
    repository: Path, one_worker: Path, tmp_path: Path
) -> None:
    assert "killed one worker" in run_ensemble(repository, tmp_path, 4, kill=True)
    assert len(hashes(tmp_path / "pairs")) == 5
    assert hashes(tmp_path / "pairs") == hashes(one_worker / "pairs")


def test_training_is_the_same_on_one_worker_and_on_two_of_which_one_is_killed(trained: Path) -> None:
    alone, two, killed = (losses(trained / name) for name in ("alone", "two", "killed"))
    assert len(alone) == 20
    np.testing.assert_allclose(two[:12], alone[:12], rtol=1e-5)
    np.testing.assert_allclose(two, alone, rtol=1e-3)  # differences of rounding grow
    assert killed == two
    weights = [trained / name / "final" / "weights.safetensors" for name in ("two", "killed")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_run_goes_on_with_the_workers_that_are_left_when_a_node_is_lost(
    repository: Path, one_worker: Path, trained: Path, tmp_path: Path
) -> None:
    more = [f"data={one_worker / 'pairs'}", *SHORT]
    output = run_script(ELASTIC, repository, tmp_path, 2, more, kill=False)
    assert "lost one node" in output
    assert "with 2 workers" in output
    assert "with 1 worker" in output
    found, alone = losses(tmp_path / "elastic"), losses(trained / "alone")
    np.testing.assert_allclose(found[:12], alone[:12], rtol=1e-5)
    np.testing.assert_allclose(found, alone, rtol=1e-3)


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with local_head(tmp_path_factory.mktemp("head") / "head.log", num_cpus=2) as environment:
        yield environment


@pytest.fixture
def run(
    head: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What a step prints that is submitted as a job, at home in a folder."""

    def submitted(step: str, home: Path, *more: str) -> str:
        monkeypatch.setenv("DARKGLASS_HOME", str(home))
        monkeypatch.setattr("ray_jobs.demo.provenance", lambda: {"commit": COMMIT})
        submit(["python", "-m", f"ray_jobs.{step}", STEPS[step], *OVERRIDES[step], *more], head)
        return capfd.readouterr().out

    return submitted


def test_a_second_run_makes_nothing_again_and_a_damaged_shard_is_made_again(
    run: Callable[..., str], one_worker: Path
) -> None:
    shard = next((one_worker / "pairs").glob("*.hdf5"))
    before = hashes(one_worker / "pairs")
    untouched = {file: file.stat().st_mtime_ns for file in (one_worker / "pairs").glob("*.hdf5") if file != shard}
    shard.write_bytes(shard.read_bytes()[:-100])
    assert "4 of 4 boxes are there already" in run("simulate", one_worker)
    assert "3 of 4 simulations are there already" in run("produce", one_worker)
    assert hashes(one_worker / "pairs") == before
    assert {file: file.stat().st_mtime_ns for file in untouched} == untouched


def test_every_step_runs_as_a_job(run: Callable[..., str], one_worker: Path, tmp_path: Path) -> None:
    for folder in ("boxes", "pairs"):
        (tmp_path / folder).symlink_to(one_worker / folder)
    assert "train: 4/4 steps" in run("train", tmp_path)
    assert "amplitude filter" in run("evaluate", tmp_path)
    one_of_ours = next((one_worker / "boxes").glob("box_*/snap_*.hdf5"))
    run("paint", tmp_path, f"serve.port={free_port()}", f"snapshot={one_of_ours}")
    rows = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())["rows"]
    assert {"identity", "painter"} <= {row["method"] for row in rows}
    assert list((tmp_path / "painter" / "tensorboard").glob("events.*"))
    painted = json.loads((tmp_path / "painted" / "paint.json").read_text())
    assert painted["held_out"]["max_relative_difference"] < 1e-5
    assert painted["snapshot"]["n_particles"] == 32**3
    assert (tmp_path / "painted" / "snapshot.png").read_bytes().startswith(b"\x89PNG")
    assert np.load(tmp_path / "painted" / "held_out.npz")["painted"].shape == (3, 32, 32)
