"""What a process that is measured does: read jobs from stdin, a JSON object a line, and answer each on stdout.

Runs under the interpreters of the peers too: standard library and numpy only.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Particles:
    """Particles in lattice order: pos (n^3, 3) Mpc/h, mom (n^3, 3) a^2 dx/dt / H0 [Mpc/h], at scale factor `a`.

    They are the state after `step` of the `n_steps` of a run from z_initial to 0, on a force mesh of n_mesh^3 cells.
    """

    pos: Vectors
    mom: Vectors
    n: int
    n_mesh: int
    box_size: float
    omega_m: float
    h: float
    a: float
    step: int
    n_steps: int
    z_initial: float

    @classmethod
    def load(cls, folder: str) -> Particles:
        """What `save` wrote."""
        path = Path(folder)
        facts = json.loads((path / "particles.json").read_text())
        return cls(np.load(path / "pos.npy"), np.load(path / "mom.npy"), **facts)

    def save(self, folder: str) -> None:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        facts = {name: value for name, value in vars(self).items() if name not in ("pos", "mom")}
        np.save(path / "pos.npy", self.pos)
        np.save(path / "mom.npy", self.mom)
        (path / "particles.json").write_text(json.dumps(facts))

    def shift(self, n_mesh: int) -> np.float32:
        """How far to move them [Mpc/h] for their lattice to lie between the points of another mesh, as it did in ours.

        There an undisplaced lattice has no density contrast on a mesh of one or two cells a particle.
        """
        return np.float32(self.box_size / 2 * (1 / n_mesh - 1 / self.n_mesh))


def wrapped(pos: Vectors, box_size: float) -> Vectors:
    """Positions in [0, box_size)."""
    pos = np.mod(pos, np.float32(box_size), dtype=np.float32)
    pos[pos >= np.float32(box_size)] = 0
    return pos


def serve(jobs: dict[str, Callable[..., dict[str, Any]]]) -> None:
    """Answer {"job": name, "arguments": {...}} until stdin ends. What a library prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        found = jobs[request["job"]](**request["arguments"])
        answers.write(json.dumps({"peak_bytes": peak_memory(), **found}) + "\n")
        answers.flush()


def peak_memory() -> int:
    """Most memory that this process has held [bytes]. (ru_maxrss would count what the parent held before exec.)"""
    return _status("VmHWM")


def memory() -> int:
    """Memory that this process holds [bytes]."""
    return _status("VmRSS")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"/proc/self/status: expected {name}, got none")


def seconds(work: Callable[[], object], n: int) -> list[float]:
    """How long each of `n` calls takes, after one that is not counted."""
    work()
    found = []
    for _ in range(n):
        begin = time.perf_counter()
        work()
        found.append(time.perf_counter() - begin)
    return found


def searched(search: Callable[[], NDArray[Any]], n_timed: int, out: str) -> dict[str, Any]:
    """Seconds of each search for groups, and what one holds beyond the particles.

    The index of the first particle of each particle's group, -1 where its label is below 0, is written to `out`.
    """
    before, found = memory(), []
    for _ in range(n_timed):
        begin = time.perf_counter()
        labels = search()
        found.append(time.perf_counter() - begin)
    held = peak_memory() - before
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    np.save(out, np.where(labels >= 0, first[inverse], -1))
    return {"seconds": found, "held_bytes": held}
