"""The README promises only what is there: its commands, files, links and pictures exist."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text()


def commands(readme: str) -> list[str]:
    """Lines of the shell blocks, without their comments."""
    blocks = re.findall(r"```(?:bash|sh)\n(.*?)```", readme, flags=re.DOTALL)
    return [line.split(" #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_every_make_target_exists(readme: str, repository: Path) -> None:
    makefile = (repository / "Makefile").read_text()
    targets = {match for line in commands(readme) for match in re.findall(r"\bmake ([a-z]+)", line)}
    assert {"demo", "check"} <= targets
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, flags=re.MULTILINE)] == []


def test_every_module_that_is_run_exists(readme: str) -> None:
    modules = {match for line in commands(readme) for match in re.findall(r"python -m ([\w.]+)", line)}
    assert modules
    ours = {module for module in modules if module.split(".")[0] in {"sim", "learn", "serve", "ray_jobs", "benchmarks"}}
    assert [module for module in ours if importlib.util.find_spec(module) is None] == []


def test_every_configuration_that_is_named_exists(readme: str, repository: Path) -> None:
    files = set(re.findall(r"configs/[\w/]+\.yaml", readme))
    assert files
    assert [file for file in files if not (repository / file).is_file()] == []


def test_every_link_and_picture_exists(readme: str, repository: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", readme) + re.findall(r'src="([^"]+)"', readme)
    local = [target for target in targets if not target.startswith(("http://", "https://"))]
    assert [target for target in local if not (repository / target).exists()] == []


def test_both_commands_of_the_newcomer_install_what_they_need(repository: Path) -> None:
    for target in ("demo", "check"):
        plan = subprocess.run(
            ["make", "--dry-run", "--always-make", target],
            cwd=repository,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        assert "pip install" in plan
        assert "requirements.lock" in plan


def test_what_lets_a_change_land_is_the_test_command_of_the_newcomer(readme: str, repository: Path) -> None:
    steps = (repository / ".ci" / "run").read_text().splitlines()
    assert "make check" in steps
    assert "make check" in commands(readme)
