"""Where the time of a run goes: seconds and bytes a stage. Knows nothing of what the stages do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Stage:
    """What all calls of one stage took, and the bytes that they had to move at least."""

    seconds: float = 0.0
    n_bytes: float = 0.0
    n_calls: int = 0


@dataclass
class Profile:
    """The stages of one rank, in the order in which they first ran."""

    stages: dict[str, Stage] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, n_bytes: float = 0.0) -> Iterator[None]:
        """Count what runs inside as `name`."""
        begin = time.perf_counter()
        yield
        stage = self.stages.setdefault(name, Stage())
        stage.seconds += time.perf_counter() - begin
        stage.n_bytes += n_bytes
        stage.n_calls += 1

    def lines(self) -> list[str]:
        """A table: calls, milliseconds and megabytes a call, gigabytes a second, share of the time."""
        total = sum(stage.seconds for stage in self.stages.values())
        lines = ["stage         calls   ms a call   MB a call     GB/s   share"]
        for name, stage in self.stages.items():
            each, share = stage.seconds / stage.n_calls, stage.seconds / max(total, 1e-12)
            rate = stage.n_bytes / max(stage.seconds, 1e-12) / 1e9
            numbers = f"{1e3 * each:11.2f} {stage.n_bytes / stage.n_calls / 1e6:11.1f} {rate:8.1f} {share:7.1%}"
            lines.append(f"{name:12s} {stage.n_calls:6d} {numbers}")
        return [*lines, f"total {total:.2f} s"]
