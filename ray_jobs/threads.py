"""How many threads a task may use. Pooled workers keep the threads of their first task, and numba ignores OMP."""

from __future__ import annotations

import os
import sys

import numba


def limit_threads(n: int) -> None:
    """Let torch and numba use `n` threads from here on.

    A worker that has not imported torch may never need it, and learns of `n` from its environment if it does.
    """
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(n)
    else:
        os.environ["OMP_NUM_THREADS"] = str(n)
    numba.set_num_threads(min(n, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
