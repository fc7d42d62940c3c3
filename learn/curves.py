"""Scores against wavenumber of every method, averaged over simulations, as they are kept on disk and drawn.

Knows nothing of how they are drawn, nor of the painter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs.files import replacing
from learn.metrics import Comparison, band

Array = NDArray[np.float64]

BLANK = "blank"
PAINTER = "painter"


@dataclass(frozen=True)
class Curves:
    """Bands are (mean, low, high) along the first axis: 68 % bootstrap interval of the mean over the simulations.

    M methods (the painter first), C channels (total first), K bins of k in h/Mpc.
    """

    k: Array  # (K,)
    methods: NDArray[np.str_]  # (M,)
    channels: NDArray[np.str_]  # (C,)
    simulations: NDArray[np.str_]  # (S,)
    ratio: Array  # (3, M, C, K) P / P_true
    correlation: Array  # (3, M, C, K) r
    suppression: Array  # (3, M, K) P_total / P_dmo
    true_suppression: Array  # (3, K)

    @property
    def caption(self) -> str:
        """What the bands are."""
        n = len(self.simulations)
        if n == 1:
            return "one held-out simulation, so no bands"
        return f"mean of {n} held-out simulations, bands: 68 % bootstrap interval of that mean"


def curves(
    comparisons: Mapping[str, Comparison], channels: tuple[str, ...], simulations: list[str], *, seed: int
) -> Curves:
    """The curves of the methods in `comparisons`, which share their simulations and k bins."""
    every = list(comparisons.values())
    return Curves(
        k=every[0].k,
        methods=np.array(list(comparisons)),
        channels=np.array(channels),
        simulations=np.array(simulations),
        ratio=np.stack([_band(one.ratio, seed) for one in every], axis=1),
        correlation=np.stack([_band(one.correlation, seed) for one in every], axis=1),
        suppression=np.stack([_band(one.suppression, seed) for one in every], axis=1),
        true_suppression=_band(every[0].true_suppression, seed),
    )


def save(path: Path, content: Curves) -> None:
    """Write `content` as .npz."""
    with replacing(path) as temporary:
        np.savez(temporary, **asdict(content))


def load(path: Path) -> Curves:
    """Read what `save` wrote; ValueError for a file that lacks an array."""
    with np.load(path, allow_pickle=False) as file:
        missing = [field.name for field in fields(Curves) if field.name not in file]
        if missing:
            raise ValueError(f"{path}: expected the array {missing[0]!r}, found {', '.join(file)}")
        return Curves(**{field.name: file[field.name] for field in fields(Curves)})


def _band(values: Array, seed: int) -> Array:
    """(S, ...) to (mean, low, high), (3, ...)."""
    result = band(values, seed=seed)
    return np.stack([result.mean, result.low, result.high])
