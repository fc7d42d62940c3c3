"""The curves of a judgement of halos: means over simulations with their bootstrap intervals, and one file of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs.count_evaluation import TRUTH
from configs.files import replacing
from learn.scores.halo_scores import Means, means_of
from learn.scores.halo_statistics import Measured

Array = NDArray[np.float64]
SPECTRA = ("power", "two_halo", "ratio", "two_halo_ratio", "correlation", "transfer", "stochasticity")
CURVES = (*SPECTRA, "bispectrum", "pdf")


@dataclass(frozen=True)
class Curves:
    """Of the boxes of one data set: by method, a curve (C, 3, X) of mean, low and high by name; the truth among them.

    k (K,) of spectra and rings (R,) of the bispectrum [h/Mpc]; shot (C,) true V / N; number by method (C, 3) of halos a
    (Mpc/h)^3. `stochasticity` is in units of V / N, the Poisson value.
    """

    k: Array
    rings: Array
    channels: tuple[str, ...]
    n_simulations: int
    shot: Array
    methods: Mapping[str, Mapping[str, Array]]
    number: Mapping[str, Array]

    @property
    def caption(self) -> str:
        """What the lines and bands are."""
        if self.n_simulations == 1:
            return "one simulation, so no bands"
        return f"mean of {self.n_simulations} simulations; bands: 68 % bootstrap interval of that mean"


def curves(
    measured: Mapping[str, Measured], truth: Measured, k: Array, rings: Array, channels: tuple[str, ...], volume: float
) -> Curves:
    """Of the methods of `measured`, each (S, ...), beside the truth; `volume` of a box [(Mpc/h)^3]."""
    every = {TRUTH: truth, **measured}
    found = {name: channelled(one, truth, len(channels)) for name, one in every.items()}
    number = {name: banded([number_of(one, i) / volume for i in range(len(channels))]) for name, one in every.items()}
    return Curves(k, rings, channels, len(truth.number), truth.shot.mean(axis=0), found, number)


def channelled(own: Measured, truth: Measured, n_channels: int) -> dict[str, Array]:
    """Every curve of one method, (C, 3, X)."""
    drawn = [every_curve(own, truth, i) for i in range(n_channels)]
    return {name: banded([one[name] for one in drawn]) for name in CURVES}


def every_curve(own: Measured, truth: Measured, i_channel: int) -> dict[str, Array]:
    """The curves of one channel: (1 + B, X), the mean first and then those of the bootstrap."""
    a, b = (both(one, i_channel) for one in (own, truth))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = a.power / b.power
        return {
            "power": a.power,
            "two_halo": a.two_halo,
            "ratio": ratio,
            "two_halo_ratio": a.two_halo / b.two_halo,
            "correlation": a.correlation(b),
            "transfer": np.sqrt(ratio),
            "stochasticity": a.stochasticity / a.shot[:, None],
            "bispectrum": a.bispectrum,
            "pdf": a.pdf,
        }


def both(measured: Measured, i_channel: int) -> Means:
    """The mean and its bootstrap behind one another."""
    plain, drawn = (means_of(measured, i_channel, drawn=one) for one in (False, True))
    return Means(*(np.concatenate([getattr(plain, key), getattr(drawn, key)]) for key in Means.__dataclass_fields__))


def number_of(measured: Measured, i_channel: int) -> Array:
    """Halos a box, (1 + B, 1)."""
    return both(measured, i_channel).number[:, None]


def banded(drawn: list[Array]) -> Array:
    """(1 + B, X) of each channel as mean, low and high, (C, 3, X); nan where a mean has none."""
    return np.stack([np.stack([one[0], *np.percentile(one[1:], [16, 84], axis=0)]) for one in drawn])


def save(path: Path, content: Mapping[str, Curves]) -> None:
    """Write the curves of every data set as .npz: {data set}/{method}/{curve}, and its k, rings and shot."""
    arrays: dict[str, Array] = {}
    for name, one in content.items():
        arrays |= {f"{name}/k": one.k, f"{name}/rings": one.rings, f"{name}/shot": one.shot}
        arrays |= {f"{name}/{method}/{key}": x for method, some in one.methods.items() for key, x in some.items()}
        arrays |= {f"{name}/{method}/number": x for method, x in one.number.items()}
    with replacing(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)
