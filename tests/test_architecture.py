"""The walls of the house: who may import whom, read from the syntax tree."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

OURS = {"configs", "sim", "learn", "serve", "ray_jobs"}
COMMAND_LINE = {"typer", "rich"}
CONFIGS = {"pydantic", "omegaconf", "yaml"}
SIM = CONFIGS | {"numpy", "scipy", "numba", "h5py", "astropy", "camb", "lenstronomy"}
LEARN = SIM | {"torch", "safetensors", "wandb", "tensorboard", "torchmetrics", "matplotlib", "pyarrow", "jinja2"}
SERVE = LEARN | {"fastapi", "starlette", "uvicorn", "PIL", "plotly", "textual"}
RAY_JOBS = LEARN | {"ray", "httpx", "optuna"}
ROOMS = {
    "configs": (set(), CONFIGS),
    "sim": ({"configs"}, SIM),
    "learn": ({"configs", "sim"}, LEARN),
    "serve": ({"configs", "sim", "learn"}, SERVE),
    "ray_jobs": ({"configs", "sim", "learn"}, RAY_JOBS),
}
ONLY_IN = {
    "abacusnbody": {"sim/compaso.py"},
    "llvmlite": {"sim/simd.py"},
    "mpi4py": {"sim/parallel.py"},
    "pyfftw": {"sim/fftw.py"},
    "ray": {"serve/app.py"},
    "torch": {"sim/device.py", "sim/tensors.py"},
}
OPTIONAL = {"mpi4py", "abacusnbody"}


def imports(tree: ast.AST) -> list[tuple[str, int, bool]]:
    """(top-level module, line, inside a function) of every import in a syntax tree."""
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        found += [(name.split(".")[0], node.lineno, id(node) in inside) for name in names]
    return found


def violations(room: str, path: str, source: str) -> list[str]:
    """What a file in `room` imports that it may not."""
    ours, theirs = ROOMS[room]
    allowed = ours | theirs | COMMAND_LINE | {room} | set(sys.stdlib_module_names)
    allowed |= {module for module, files in ONLY_IN.items() if path in files}
    if room == "sim" and path.startswith("sim/lensing/"):
        allowed |= {"torch"}
    problems = []
    for module, line, inside in imports(ast.parse(source)):
        if module not in allowed:
            problems.append(f"{path}:{line} imports {module}")
        if inside and module not in OPTIONAL:
            problems.append(f"{path}:{line} imports {module} inside a function")
    return problems


def files(repository: Path) -> list[tuple[str, Path]]:
    return [(room, path) for room in ROOMS for path in sorted((repository / room).rglob("*.py"))]


def test_every_room_keeps_to_its_walls(repository: Path) -> None:
    problems = [
        problem
        for room, path in files(repository)
        for problem in violations(room, path.relative_to(repository).as_posix(), path.read_text())
    ]
    assert problems == []


@pytest.mark.parametrize(
    ("room", "path", "source"),
    [
        ("sim", "sim/planted.py", "import ray\n"),
        ("sim", "sim/planted.py", "from learn.predict import Predictor\n"),
        ("sim", "sim/planted.py", "import torch\n"),
        ("sim", "sim/planted.py", "def f():\n    import mpi4py\n"),
        ("learn", "learn/planted.py", "def f():\n    import json\n"),
        ("serve", "serve/routes.py", "from ray import serve\n"),
        ("configs", "configs/planted.py", "import sim.units\n"),
        ("ray_jobs", "ray_jobs/planted.py", "import serve.app\n"),
    ],
)
def test_a_planted_import_is_seen(room: str, path: str, source: str) -> None:
    assert violations(room, path, source)


def test_no_cycles(repository: Path) -> None:
    graph = {module: local_imports(module, path) for module, path in modules(repository).items()}
    finished: set[str] = set()
    for module in graph:
        assert_acyclic(module, graph, [], finished)


def modules(repository: Path) -> dict[str, Path]:
    return {
        ".".join(path.relative_to(repository).with_suffix("").parts).removesuffix(".__init__"): path
        for _, path in files(repository)
    }


def local_imports(module: str, path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] in OURS}
    return found - {module}


def assert_acyclic(module: str, graph: dict[str, set[str]], path: list[str], finished: set[str]) -> None:
    assert module not in path, " -> ".join([*path, module])
    if module in finished:
        return
    for other in graph[module] & set(graph):
        assert_acyclic(other, graph, [*path, module], finished)
    finished.add(module)


def test_functions_are_short(repository: Path) -> None:
    long = [
        f"{path.relative_to(repository)}:{node.lineno} {node.name} has {node.end_lineno - node.lineno} lines"
        for _, path in files(repository)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None and node.end_lineno - node.lineno > 60
    ]
    assert long == []
