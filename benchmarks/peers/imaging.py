"""The job of each side of benchmarks/lenses.py: images of the same lenses, batch by batch, timed.

Runs under the interpreter of a peer too: standard library and numpy only.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.worker import serve

Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Setup:
    """`kernel` is the file of a PSF (k, k) on pixels of `pixel_size` [arcsec]; fwhm [arcsec] that of its Gaussian."""

    n_pixels: int
    pixel_size: float
    supersampling: int
    fwhm: float
    kernel: str


class Painter(Protocol):
    """How a code images lenses."""

    def prepared(self, columns: Columns) -> Any:
        """A batch in the words of the code, which is not timed."""
        ...

    def images(self, batch: Any) -> NDArray[np.floating[Any]]:
        """Flux in each pixel (B, n, n)."""
        ...


class Jobs:
    """Of one side: what it has built, by name, between two requests."""

    def __init__(self, paint: type[Painter]) -> None:
        self.paint = paint
        self.ready: dict[str, tuple[Painter, list[Any]]] = {}

    def build(self, name: str, systems: str, batch: int, out: str, **setup: Any) -> dict[str, Any]:
        """Image all systems of a file once, into another; processor seconds of all that this takes, compilers too."""
        columns = dict(np.load(systems, allow_pickle=False))
        n = len(next(iter(columns.values())))
        start = processor_seconds()
        painter = self.paint(Setup(**setup))  # type: ignore[call-arg]
        parts = [{k: v[i : i + batch] for k, v in columns.items()} for i in range(0, n, batch)]
        batches = [painter.prepared(part) for part in parts]
        np.save(out, np.concatenate([painter.images(one) for one in batches]))
        self.ready[name] = (painter, batches)
        return {"first_seconds": processor_seconds() - start}

    def images(self, name: str) -> dict[str, Any]:
        """Processor seconds of all images of what was built under this name."""
        painter, batches = self.ready[name]
        start = time.process_time()
        for one in batches:
            painter.images(one)
        return {"seconds": time.process_time() - start}


def processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def work(paint: type[Painter]) -> None:
    jobs = Jobs(paint)
    serve({"build": jobs.build, "images": jobs.images})
