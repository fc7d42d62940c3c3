"""What is measured of the halos of one box: spectra, shot noise, counts in cells, bispectrum, how many there are.

Channels are the mass bins, after all halos together. Knows arrays; nothing of networks or of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from learn.scores.cubes import CubeShells, Modes

Array = NDArray[np.float64]
ALL = "all halos"
N_COUNTS = 24
"""Counts in a cell that are told apart; the last takes all above."""


@dataclass(frozen=True)
class Measured:
    """C channels, K bins of k, R rings. Powers in (Mpc/h)^3; `shot` is V / N, and 0 as the power is without halos.

    A leading axis S, where there is one, is of simulations.
    """

    power: Array  # (C, K)
    cross_truth: Array  # (C, K) with the true halos of the channel
    cross_matter: Array  # (C, K) with the density
    matter: Array  # (C, K) of the density, alike in every channel
    stochasticity: Array  # (C, K) P (1 - r^2), r being that of halos and density, of this box alone
    shot: Array  # (C,)
    number: Array  # (C,) halos
    bispectrum: Array  # (C, R)
    pdf: Array  # (C, N_COUNTS) share of cells with so many halos


@dataclass(frozen=True)
class Bench:
    """Where the halos of boxes of one size are measured."""

    shells: CubeShells
    rings: CubeShells

    @classmethod
    def of(cls, n_cells: int, box_size: float, n_bins: int) -> Bench:
        return cls(CubeShells.logarithmic(n_cells, box_size, n_bins), CubeShells.rings(n_cells, box_size))

    def measure(self, counts: NDArray, truth: Sequence[Modes], matter: Modes) -> Measured:
        """Of halos (C, N, N, N), beside the modes of the true ones of every channel and of the density."""
        every = with_all(counts)
        modes = [self.shells.modes(one) for one in every]
        number = every.sum(axis=(1, 2, 3), dtype=np.float64)
        volume = self.shells.box_size**3
        own = self.shells.power(matter, matter)
        power = np.array([self.shells.power(one, one) for one in modes])
        cross = np.array([self.shells.power(one, matter) for one in modes])
        return Measured(
            power=power,
            cross_truth=np.array([self.shells.power(a, b) for a, b in zip(modes, truth, strict=True)]),
            cross_matter=cross,
            matter=np.tile(own, (len(every), 1)),
            stochasticity=power - cross**2 / own,
            shot=np.divide(volume, number, out=np.zeros(len(every)), where=number > 0),
            number=number,
            bispectrum=np.array([self.rings.bispectrum(one) for one in modes]),
            pdf=np.array([count_pdf(one) for one in every]),
        )


def with_all(counts: NDArray) -> NDArray:
    """The counts (1 + C, N, N, N) of all halos and of each mass bin."""
    return np.concatenate([counts.sum(axis=0, keepdims=True), counts])


def count_pdf(counts: NDArray) -> Array:
    """Share of the cells that hold 0, 1, ... halos, the last of N_COUNTS taking all above."""
    number = np.minimum(counts.astype(np.int64).ravel(), N_COUNTS - 1)
    return np.bincount(number, minlength=N_COUNTS) / number.size


def mean_of(draws: Sequence[Measured]) -> Measured:
    """The mean of several draws of one box."""
    return Measured(*(np.mean([getattr(one, field.name) for one in draws], axis=0) for field in fields(Measured)))


def stacked(boxes: Sequence[Measured]) -> Measured:
    """The boxes of a data set behind one another, an axis S more."""
    return Measured(*(np.stack([getattr(one, field.name) for one in boxes]) for field in fields(Measured)))
