"""The transforms of `sim.transforms` by FFTW, through pyfftw: an extra, under the GPL. Wisdom is kept between runs.

Plans belong to a thread, because a plan writes to its own buffers. Knows nothing of slabs.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyfftw
from numpy.typing import NDArray

from configs.files import replacing
from sim.transforms import modes_of

Array = NDArray[Any]
WISDOM = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "darkglass" / "fftw_wisdom.json"
PLANNING = threading.Lock()


class Plans(threading.local):
    """The plans of one thread, by kind, shape and precision."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, tuple[int, ...], str], pyfftw.FFTW] = {}

    def get(self, kind: str, shape: tuple[int, ...], dtype: np.dtype) -> pyfftw.FFTW:
        """A plan from arrays of `shape` and `dtype`; measured at the first use on a machine, for a second or two."""
        key = kind, shape, dtype.str
        if key not in self.known:
            with PLANNING:
                recall()
                self.known[key] = _plan(kind, shape, dtype)
                remember()
        return self.known[key]


PLANS = Plans()


def forward_planes(planes: Array) -> None:
    n = planes.shape[1]
    modes_of(planes)[:] = _run(PLANS.get("forward_planes", (*planes.shape[:2], n), planes.dtype), planes[:, :, :n])


def inverse_planes(planes: Array) -> None:
    n, modes = planes.shape[1], modes_of(planes)
    planes[:, :, :n] = _run(PLANS.get(f"inverse_planes_{n}", modes.shape, modes.dtype), modes)


def forward_rows(modes: Array, begin: int, end: int) -> Array:
    rows = modes[:, begin:end]
    return _run(PLANS.get("forward_rows", rows.shape, rows.dtype), rows)


def inverse_rows(block: Array, modes: Array, begin: int) -> None:
    modes[:, begin : begin + block.shape[1]] = _run(PLANS.get("inverse_rows", block.shape, block.dtype), block)


def recall() -> None:
    """Use the wisdom of earlier runs, if there is any."""
    if WISDOM.is_file():
        pyfftw.import_wisdom(tuple(part.encode() for part in json.loads(WISDOM.read_text())))


def remember() -> None:
    """Keep what was learnt."""
    WISDOM.parent.mkdir(parents=True, exist_ok=True)
    with replacing(WISDOM) as path:
        path.write_text(json.dumps([part.decode() for part in pyfftw.export_wisdom()]))


def _plan(kind: str, shape: tuple[int, ...], dtype: np.dtype) -> pyfftw.FFTW:
    """A measured plan with buffers of its own."""
    source = pyfftw.empty_aligned(shape, dtype)
    flags = ["FFTW_MEASURE", "FFTW_DESTROY_INPUT"]
    if kind.endswith("rows"):
        direction = "FFTW_FORWARD" if kind.startswith("forward") else "FFTW_BACKWARD"
        return pyfftw.FFTW(source, source, axes=(0,), direction=direction, flags=flags)
    if kind == "forward_planes":
        modes = pyfftw.empty_aligned((*shape[:2], shape[2] // 2 + 1), np.result_type(dtype, np.complex64))
        return pyfftw.FFTW(source, modes, axes=(1, 2), flags=flags)
    planes = pyfftw.empty_aligned((*shape[:2], int(kind.rsplit("_", 1)[1])), source.real.dtype)
    return pyfftw.FFTW(source, planes, axes=(1, 2), direction="FFTW_BACKWARD", flags=flags)


def _run(plan: pyfftw.FFTW, values: Array) -> Array:
    """The plan's output buffer, which its next use overwrites; inverse plans divide by the number of points."""
    if values is not plan.input_array:
        plan.input_array[:] = values
    return plan()
