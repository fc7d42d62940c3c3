from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from configs import Box, load
from sim.__main__ import app, world
from sim.checkpoint import Cadence
from sim.ensemble import Member, simulate, simulate_steps
from sim.parallel import SerialComm
from sim.snapshot import read

CONFIG = """
cosmology: {omega_m: 0.3, omega_b: 0.05, h: 0.7, n_s: 0.96, sigma8: 0.8}
box_size: 32.0
n_particles: 8
seed: 0
n_steps: 2
"""


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    (folder / "box.yaml").write_text(CONFIG)
    result = CliRunner().invoke(app, ["box", str(folder / "box.yaml"), *arguments, "--out", str(folder / "out")])
    return result.exit_code, result.output


def test_a_box_is_run_once(tmp_path: Path) -> None:
    code, output = run(tmp_path)
    assert (code, output.splitlines()[-1]) == (0, f"{tmp_path}/out: 1 snapshots")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["box.json", "snap_000.hdf5"]
    assert run(tmp_path) == (0, f"{tmp_path}/out: complete already\n")


def test_an_ensemble_is_run_box_by_box(tmp_path: Path) -> None:
    box = "\n".join(f"  {line}" for line in CONFIG.strip().splitlines())
    (tmp_path / "many.yaml").write_text(f"box:\n{box}\nn_boxes: 2\nseed: 1\nout: {tmp_path}/boxes\n")
    result = CliRunner().invoke(app, ["ensemble", str(tmp_path / "many.yaml")])
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, f"{tmp_path}/boxes: 2 boxes")
    assert sorted(path.parent.name for path in tmp_path.glob("boxes/*/box.json")) == ["box_0000", "box_0001"]


def test_another_box_is_refused_in_one_line(tmp_path: Path) -> None:
    run(tmp_path)
    code, output = run(tmp_path, "n_steps=3")
    assert code == 2
    assert output.startswith(f"python -m sim: {tmp_path}/out: expected the output of n_steps=3, got 2;")


def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    assert run(tmp_path, "n_particles=2")[0] == 2
    assert run(tmp_path, "--threads", "1000")[0] == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("redshifts=[2.0,1.0,0.0]", "n_steps: expected at least one step for each of 3 redshifts, got 2"),
        ("redshifts=[0.0,1.0]", "redshifts falling from below z_initial"),
        ("box_size=1e5", "h/Mpc of its modes, got 0.0001 to 1000"),
        ("n_particles=4096", "memory: 4096^3 particles on a 8192^3 mesh: its arrays take"),
        ("n_particles=many", "n_particles"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_leaves_nothing(tmp_path: Path, override: str, words: str) -> None:
    code, output = run(tmp_path, override)
    assert code == 2
    assert words in output
    assert len(output.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["box.yaml"]


def test_a_table_that_does_not_cover_the_modes_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    table = tmp_path / "table.txt"
    table.write_text("".join(f"{k} {1e3 * k**-1.5}\n" for k in (0.01, 0.1, 0.3, 0.5, 1.0)))
    code, output = run(tmp_path, f"power_table={table}")
    assert code == 2
    assert output == (
        f"python -m sim: power_table {table}: expected k from 0.19635 to 1.36035 h/Mpc of its modes, got 0.01 to 1\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["box.yaml", "table.txt"]


def test_options_of_checkpoints_are_positive(tmp_path: Path) -> None:
    assert run(tmp_path, "--checkpoint-minutes", "0") == (
        2,
        "python -m sim: checkpoint minutes: expected more than 0, got 0.0\n",
    )


def test_a_box_resumes_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "box.yaml").write_text(CONFIG)
    member = Member("out", load(Box, str(tmp_path / "box.yaml")))
    steps = simulate_steps(member, tmp_path, cadence=Cadence(None, 1))
    assert [next(steps).step, next(steps).step] == [0, 1]
    steps.close()
    code, output = run(tmp_path)
    assert code == 0
    assert f"{tmp_path}/out: resumes after step 1 of 2" in output.splitlines()


FAILS_ON_ONE = """
import sys
from sim import __main__ as main, outputs
from sim.parallel import MpiComm
def fails(state, folder, comm):
    if comm.rank == 1:
        raise {error}("rank 1 is out")
    comm.allreduce(state.pos)
outputs.record = fails
sys.argv = ["sim", *sys.argv[1:]]
main.app(prog_name="sim")
"""


def under_mpi(repository: Path, folder: Path, *arguments: str, size: int = 2) -> subprocess.CompletedProcess[str]:
    """`python ... box ...` on ranks; it ends within a minute."""
    mpiexec = shutil.which("mpiexec", path=Path(sys.executable).parent)
    if mpiexec is None:
        pytest.skip("no mpiexec beside python")
    (folder / "box.yaml").write_text(CONFIG)
    command = [mpiexec, "-n", str(size), sys.executable, *arguments, "--out", str(folder / "out" / "box")]
    environment = {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"]}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        ("RuntimeError", 1, "RuntimeError: rank 1 is out\n"),
        ("ValueError", 2, "python -m sim: rank 1: rank 1 is out\n"),
    ],
)
def test_a_rank_that_fails_ends_all(repository: Path, tmp_path: Path, error: str, code: int, words: str) -> None:
    run = under_mpi(repository, tmp_path, "-c", FAILS_ON_ONE.format(error=error), "box", str(tmp_path / "box.yaml"))
    assert run.returncode == code
    assert words in run.stderr


def test_what_all_ranks_refuse_one_says(repository: Path, tmp_path: Path) -> None:
    run = under_mpi(repository, tmp_path, "-m", "sim", "box", str(tmp_path / "box.yaml"), "mesh_factor=1", size=3)
    words = "mesh: a mesh of 8 planes over 3 ranks: expected at least 3 planes a rank, got 2"
    assert (run.returncode, run.stderr, run.stdout) == (2, f"python -m sim: {words}\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["box.yaml"]


def test_without_a_launcher_there_is_one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(world(), SerialComm)


def test_the_profile_names_the_stages(tmp_path: Path) -> None:
    code, output = run(tmp_path, "--profile")
    stages = [line.split()[0] for line in output.splitlines()[-8:]]
    assert (code, stages) == (0, ["stage", "drift", "sort", "settle", "deposit", "potential", "kick", "total"])


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    code, output = run(tmp_path, "--device", "abacus")
    assert (code, output.split(",")[0]) == (2, "python -m sim: device: expected cpu or one of 0 CUDA devices")
    assert not (tmp_path / "out").exists()


def test_a_box_starts_from_given_initial_conditions(tmp_path: Path) -> None:
    """From the first output of one run; what the file says must be what the configuration says."""
    (tmp_path / "box.yaml").write_text(CONFIG)
    member = Member("first", load(Box, str(tmp_path / "box.yaml"), ["redshifts=[9.0,0.0]"]))
    start = simulate(member, tmp_path) / "snap_000.hdf5"
    code, output = run(tmp_path, "z_initial=9.0", f"initial_conditions={start}")
    assert (code, output.splitlines()[-1]) == (0, f"{tmp_path}/out: 1 snapshots")
    straight, again = (
        read(tmp_path / name).particles["dark_matter"] for name in ("first/snap_001.hdf5", "out/snap_000.hdf5")
    )
    np.testing.assert_array_equal(again.ids, straight.ids)
    offset = np.abs(again.pos - straight.pos)
    assert np.minimum(offset, 32 - offset).max() < 2.0
    shutil.rmtree(tmp_path / "out")
    code, output = run(tmp_path, "z_initial=9.0", "box_size=16.0", f"initial_conditions={start}")
    assert code == 2
    assert "initial conditions" in output
    assert run(tmp_path, f"initial_conditions={tmp_path}/none.hdf5")[0] == 2
    assert not (tmp_path / "out").exists()
