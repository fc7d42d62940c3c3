"""Whether the errors of an inversion are right: how often the truth is among its draws, and its pixels within errors.

Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from learn.data import Batch
from learn.lenses.inverter import Inversion
from learn.lenses.known import Known
from learn.lenses.latent import NAMES, radii_of
from learn.lenses.scores import BRIGHT, on_pixels_of
from learn.scores.bootstrap import N_DRAWS
from learn.scores.coverage import NOMINAL, coverage, ranks

WHOLE, PIXELS = "Einstein radius", "source pixels"
PARAMETERS = ("theta_e", "slope", "e1", "e2", "x", "y", "gamma1", "gamma2")
"""Of `NAMES`, those that every family has."""
N_PLACES = 40
"""Of the pixels: of equal probability by a normal law."""
TIES, SEED = 2, 0


@dataclass(frozen=True)
class Places:
    """How often the truth has each place among draws: counts (N, D + 1) of N systems, by what it is of."""

    counts: Mapping[str, NDArray[np.int64]]

    @classmethod
    def of(cls, found: Inversion, batch: Batch, known: Known) -> Self:
        """Of the parameters, of the Einstein radius of the whole lens, and of the pixels of the source."""
        rng = np.random.default_rng([TIES, *batch.seeds.tolist()])
        told = {name: (found.draws[..., i], known.lens[:, i]) for i, name in enumerate(NAMES) if name in PARAMETERS}
        told[WHOLE] = radii_of(found.draws), known.einstein_radius
        doubled = {name: (draws.astype(np.float64), true.astype(np.float64)) for name, (draws, true) in told.items()}
        counts = {name: one_hot(ranks(*pair, rng), len(found.draws) + 1) for name, pair in doubled.items()}
        return cls(counts | {PIXELS: pixel_places(found, batch.targets[:, 0].numpy())})

    def joined(self, other: Self) -> Self:
        """Of the systems of both."""
        return type(self)({name: np.concatenate([own, other.counts[name]]) for name, own in self.counts.items()})

    def share(self, name: str, nominal: float) -> float:
        """Of truths in the central interval of probability `nominal`."""
        return float(coverage(self.counts[name].sum(0).astype(np.float64), nominal))

    def covered(self, name: str, nominal: float) -> dict[str, float]:
        """`share`, and its error by drawing the systems anew."""
        counts = self.counts[name]
        rng = np.random.default_rng(SEED)
        drawn = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=N_DRAWS) @ counts
        error = float(np.nanstd(coverage(drawn.astype(np.float64), nominal)))
        return {"value": self.share(name, nominal), "standard_error": error}

    def record(self) -> list[dict[str, Any]]:
        """What metrics.json says of it."""
        return [
            {"of": name, **{f"coverage_{100 * share:.0f}": self.covered(name, share) for share in NOMINAL}}
            for name in self.counts
        ]


def one_hot(places: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """(N,) -> (N, n)."""
    return np.eye(n, dtype=np.int64)[places]


def pixel_places(found: Inversion, truth: NDArray) -> NDArray[np.int64]:
    """Of the pixels of each true source, by the probability below it of a normal law as wide as its error."""
    inside = truth > BRIGHT * truth.max((1, 2), keepdims=True)
    source, spread = (on_pixels_of(truth, one) for one in (found.source, found.source_error))  # neighbours err alike
    below = ndtr((truth - source) / np.maximum(spread, np.finfo(np.float32).tiny))
    place = np.minimum((below * N_PLACES).astype(np.int64), N_PLACES - 1)
    return np.stack([np.bincount(one[is_in], minlength=N_PLACES) for one, is_in in zip(place, inside, strict=True)])
