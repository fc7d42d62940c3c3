from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from configs import Box
from configs.command import command

def run(box):
    if box.seed == 1:
        raise ValueError("seed: expected another, got 1")
    if box.seed == 2:
        raise KeyError("a bug")
    print("ran with", box.seed)

command(Box, run, prog="prog", summary="Runs a box.")
"""

BOX = """
cosmology: {omega_m: 0.3, omega_b: 0.049, h: 0.67, n_s: 0.96, sigma8: 0.8}
box_size: 32
n_particles: 64
seed: 0
"""


@pytest.fixture
def run(tmp_path: Path, repository: Path):  # type: ignore[no-untyped-def]
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "box.yaml").write_text(BOX)

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(tmp_path / "script.py"), *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(repository), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return start


def test_a_good_command_runs(run) -> None:  # type: ignore[no-untyped-def]
    done = run("box.yaml", "seed=7")
    assert (done.returncode, done.stdout) == (0, "ran with 7\n")


def test_help_lists_every_field(run) -> None:  # type: ignore[no-untyped-def]
    done = run("--help")
    assert done.returncode == 0
    for words in ("CONFIG.yaml", "key=value", "cosmology.omega_m:", "side of the periodic box [Mpc/h] (required)"):
        assert words in done.stdout


@pytest.mark.parametrize("arguments", [("box.yaml", "seed=1"), ("absent.yaml",), ("box.yaml", "sead=3")])
def test_a_user_error_is_one_line_and_exit_code_2(run, arguments: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("prog: ")
    assert done.stderr.count("\n") == 1


def test_a_bug_shows_its_traceback(run) -> None:  # type: ignore[no-untyped-def]
    done = run("box.yaml", "seed=2")
    assert done.returncode == 1
    assert "KeyError" in done.stderr
