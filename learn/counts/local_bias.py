"""Halos from the density of their cell alone: a local power law with Poisson draws, the classical way of painting them.

    rate = n (1 + delta)^alpha exp(-rho (1 + delta)^-epsilon)        (Neyrinck et al. 2014, arXiv:1309.6641, eq. 4)

fitted by likelihood, bin by bin in mass, to the cells of the training boxes; and, with no density at all, their mean.
Knows nothing of networks or of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from learn.data import Batch

Array = NDArray[np.float64]

EDGES = np.concatenate([[-np.inf], np.linspace(-7.0, 9.0, 641), [np.inf]])
"""Of bins in ln (1 + delta): so fine that a rate at their mean is that of their cells."""
FLOOR = 1e-9
"""Least 1 + delta: an empty cell has no logarithm."""
START = (1.0, 0.5, 0.5)
LEAST_EPSILON, MOST = 1e-2, 30.0


@dataclass(frozen=True)
class Cells:
    """Cells of many boxes by their density: density (K,) the mean of a bin, n_cells (K,), halos (C, K) in them."""

    density: Array
    n_cells: Array
    halos: Array

    @classmethod
    def of(cls, batches: Iterable[Batch]) -> Cells:
        """Streams whole boxes once. ValueError without any."""
        sums: list[Array] = []
        for batch in batches:
            one = binned(batch)
            sums = [a + b for a, b in zip(sums, one, strict=True)] if sums else one
        if not sums:
            raise ValueError("local bias: expected at least one training box, got none")
        n_cells, density, halos = sums
        used = n_cells > 0
        return cls(density[used] / n_cells[used], n_cells[used], halos[:, used])

    @property
    def mean(self) -> Array:
        """Halos a cell, (C,)."""
        return np.asarray(self.halos.sum(axis=1) / self.n_cells.sum())


@dataclass(frozen=True)
class LocalBias:
    """n, alpha, rho and epsilon of each bin in mass, (C, 4)."""

    parameters: Array

    @classmethod
    def fit(cls, cells: Cells) -> LocalBias:
        """Of the greatest likelihood, n such that the cells hold the halos that they hold."""
        return cls(np.array([fitted(cells.density, cells.n_cells, halos) for halos in cells.halos]))

    def rates(self, density: NDArray) -> Array:
        """Mean counts (C, ...) in cells of 1 + delta = `density` (...)."""
        return np.stack([n * shape(density, rest) for n, *rest in self.parameters])


@dataclass(frozen=True)
class MeanRate:
    """The mean count of training in every cell, (C,): halos that know nothing of the density."""

    mean: Array

    def rates(self, density: NDArray) -> Array:
        """Mean counts (C, ...)."""
        return np.asarray(np.multiply.outer(self.mean, np.ones_like(density, dtype=np.float64)))


def drawn(rates: Array, seed: int) -> NDArray[np.int64]:
    """Poisson counts of `rates`."""
    return np.random.default_rng(seed).poisson(rates)


def binned(batch: Batch) -> list[Array]:
    """Number of cells, sum of their densities (K,) and their halos (C, K) in each bin of density."""
    density = np.maximum(batch.inputs.numpy().astype(np.float64).ravel(), FLOOR)
    i_bin = np.searchsorted(EDGES, np.log(density), side="right") - 1
    counts = np.moveaxis(batch.targets.numpy(), 1, 0).reshape(batch.targets.shape[1], -1)
    n = len(EDGES) - 1
    weights: list[Array | None] = [None, density]
    cells = [np.bincount(i_bin, weights=one, minlength=n).astype(np.float64) for one in weights]
    return [*cells, np.array([np.bincount(i_bin, weights=one, minlength=n) for one in counts])]


def fitted(density: Array, n_cells: Array, halos: Array) -> tuple[float, ...]:
    """The parameters of the greatest Poisson likelihood of `halos` (K,) in cells of `density` (K,).

    ValueError without a halo, RuntimeError where no greatest likelihood is found.
    """
    total = halos.sum()
    if not total > 0:
        raise ValueError("local bias: expected halos in every mass bin of the training boxes, found none in one")

    def cost(parameters: Array) -> float:
        """Minus the log-likelihood a halo, the normalisation being that of the greatest."""
        log_shape = log_of_shape(density, parameters)
        top = log_shape.max()
        expected = np.sum(n_cells * np.exp(log_shape - top))
        return float(np.log(expected) + top - np.sum(halos * log_shape) / total)

    bounds = [(-5.0, MOST), (0.0, MOST), (LEAST_EPSILON, 5.0)]
    found = minimize(cost, np.array(START), method="L-BFGS-B", bounds=bounds, options={"maxiter": 1000})
    if not np.isfinite(found.fun):
        raise RuntimeError(f"local bias: expected a greatest likelihood, got {found.message}")
    return (float(total / np.sum(n_cells * shape(density, found.x))), *map(float, found.x))


def shape(density: NDArray, parameters: Sequence[float] | Array) -> Array:
    """Rates (...) but for their normalisation."""
    return np.asarray(np.exp(log_of_shape(density, parameters)))


def log_of_shape(density: NDArray, parameters: Sequence[float] | Array) -> Array:
    alpha, rho, epsilon = parameters
    log_density = np.log(np.maximum(density.astype(np.float64), FLOOR))
    return np.asarray(alpha * log_density - rho * np.exp(np.minimum(-epsilon * log_density, 700.0)))
