from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sim.__main__ import app, world
from sim.parallel import SerialComm

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


def test_without_a_launcher_there_is_one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(world(), SerialComm)
