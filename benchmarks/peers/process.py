"""A process that does jobs for a benchmark: its own interpreter, a given number of threads, JSON lines both ways."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.peers.environment import REPOSITORY

THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a module of benchmarks/peers and the interpreter that runs it."""

    name: str
    module: str
    n_threads: int
    python: Path = Path(sys.executable)
    environment: dict[str, str] = field(default_factory=dict)

    def once(self, job: str, **arguments: Any) -> dict[str, Any]:
        """The answer of a process started for this job alone, with "wall": its seconds from start to end."""
        begin = time.perf_counter()
        with Process(self) as process:
            answer = process.ask(job, **arguments)
        return {**answer, "wall": time.perf_counter() - begin}


class Process:
    """A running side."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        # -P: the folder of the module must not hide the library that the module is named after.
        command: list[str | Path] = [side.python, "-P", "-m", f"benchmarks.peers.{side.module}"]
        self._child = subprocess.Popen(
            command,
            text=True,
            cwd=REPOSITORY,
            env=environment(side),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    def ask(self, job: str, **arguments: Any) -> dict[str, Any]:
        """What `job` answers; RuntimeError with the last line it wrote when it does not."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        answer = ""
        with suppress(BrokenPipeError):
            self._child.stdin.write(json.dumps({"job": job, "arguments": arguments}) + "\n")
            self._child.stdin.flush()
            answer = self._child.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.side.name}: expected an answer to {job} {arguments}, got {self._last_words()}")
        return dict(json.loads(answer))

    def _last_words(self) -> str:
        """How the process ended and the last line that it wrote."""
        code = self._child.wait()
        self._errors.seek(0)
        return f"exit {code} {' '.join(self._errors.read().strip().splitlines()[-1:])}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process and wait for it; one that is in the middle of a job is killed."""
        if kind is not None:
            self._child.kill()
        self._child.communicate()
        self._errors.close()


def environment(side: Side) -> dict[str, str]:
    """The environment of a side: its threads, and this repository in its path."""
    n = str(side.n_threads)
    eigen = f"--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads={n}"
    own = {"PYTHONPATH": str(REPOSITORY), "XLA_FLAGS": eigen, "JAX_PLATFORMS": "cpu"}
    return {**os.environ, **dict.fromkeys(THREADS, n), **own, **side.environment}
