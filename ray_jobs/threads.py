"""How many threads a task may use. Pooled workers keep the threads of their first task, and numba ignores OMP."""

from __future__ import annotations

import numba
import torch


def limit_threads(n: int) -> None:
    """Let torch and numba use `n` threads from here on."""
    torch.set_num_threads(n)
    numba.set_num_threads(min(n, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
