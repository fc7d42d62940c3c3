"""What every method is measured at, averaged over simulations, as it is kept on disk and drawn.

Knows nothing of how it is drawn, nor of the painter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs.files import replacing
from learn.ledger import SEED, Ledger
from learn.names import PAINTER
from learn.scores.bootstrap import band
from learn.scores.coverage import QUANTITIES

Array = NDArray[np.float64]

"""A stochastic painter is judged by one draw a map, and by the mean of its draws."""
SHAPES = ("pdf", "peaks", "minkowski", "bispectrum", "scattering", "apertures")
"""The statistics that are drawn."""


@dataclass(frozen=True)
class Shape:
    """One statistic of all methods and of the truth; bands as in `Curves`."""

    axis: Array  # (K,)
    painted: Array  # (3, M, C, ..., K)
    truth: Array  # (3, C, ..., K)
    error: (
        Array  # (3, M, C, ..., K) painted less true of each simulation, over the mean of the truth; nan where that is 0
    )


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
    places: Array  # (quantities, C, D + 1) how often the truth has each place among D draws; D = 0 without draws
    shapes: Mapping[str, Shape]

    @property
    def sample(self) -> str:
        """What is averaged over."""
        n = len(self.simulations)
        return "one held-out simulation" if n == 1 else f"mean of {n} held-out simulations"

    @property
    def caption(self) -> str:
        """What the lines and the bands are."""
        bands = "so no bands" if len(self.simulations) == 1 else "bands: 68 % bootstrap interval of that mean"
        return f"{self.sample}, {bands}"


def curves(
    ledgers: Mapping[str, Ledger],
    truths: Mapping[str, list[Array]],
    axes: Mapping[str, Array],
    *,
    channels: tuple[str, ...],
    simulations: list[str],
) -> Curves:
    """The curves of the methods in `ledgers`, which share their simulations and axes.

    truths: by statistic what was measured of the true maps of each simulation, (C, ..., K) each.
    """
    every = [ledger.spectra for ledger in ledgers.values()]
    painter = ledgers[PAINTER]
    return Curves(
        k=every[0].k,
        methods=np.array(list(ledgers)),
        channels=np.array(channels),
        simulations=np.array(simulations),
        ratio=np.stack([_band(one.ratio) for one in every], axis=1),
        correlation=np.stack([_band(one.correlation) for one in every], axis=1),
        suppression=np.stack([_band(one.suppression) for one in every], axis=1),
        true_suppression=_band(every[0].true_suppression),
        places=np.sum(painter.places, axis=0) if painter.places else np.zeros((len(QUANTITIES), len(channels), 1)),
        shapes={name: shape_of(name, axes[name], ledgers, np.stack(truths[name])) for name in SHAPES},
    )


def shape_of(name: str, axis: Array, ledgers: Mapping[str, Ledger], truth: Array) -> Shape:
    """One statistic; truth (S, C, ..., K) is that of the true maps."""
    painted = [ledger.measured(name) for ledger in ledgers.values()]
    mean = truth.mean(axis=0)
    level = np.where(mean == 0, np.nan, np.abs(mean))
    errors = [_band(own - truth) / level for own in painted]
    return Shape(axis, np.stack([_band(own) for own in painted], axis=1), _band(truth), np.stack(errors, axis=1))


def save(path: Path, content: Curves) -> None:
    """Write `content` as .npz; the arrays of a shape are called as it is, a dot and their name."""
    arrays = {name: getattr(content, name) for name in _names(Curves) if name != "shapes"}
    for name, shape in content.shapes.items():
        arrays |= {f"{name}.{part}": getattr(shape, part) for part in _names(Shape)}
    with replacing(path) as temporary:
        np.savez(temporary, **arrays)


def load(path: Path) -> Curves:
    """Read what `save` wrote; ValueError for a file that lacks an array."""
    with np.load(path, allow_pickle=False) as file:
        plain = [name for name in _names(Curves) if name != "shapes"]
        wanted = plain + [f"{name}.{part}" for name in SHAPES for part in _names(Shape)]
        missing = [name for name in wanted if name not in file]
        if missing:
            raise ValueError(f"{path}: expected the array {missing[0]!r}, found {', '.join(file)}")
        shapes = {name: Shape(*(file[f"{name}.{part}"] for part in _names(Shape))) for name in SHAPES}
        return Curves(**{name: file[name] for name in plain}, shapes=shapes)


def _names(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


def _band(values: Array) -> Array:
    """(S, ...) to (mean, low, high), (3, ...)."""
    result = band(values, seed=SEED)
    return np.stack([result.mean, result.low, result.high])
