"""Everything that is measured of one method, simulation by simulation, and the scores it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learn.scores import spectra
from learn.scores.apertures import Apertures
from learn.scores.bispectrum import EquilateralBispectrum
from learn.scores.bootstrap import Estimate, estimate
from learn.scores.coverage import NOMINAL, QUANTITIES, coverage
from learn.scores.geometry import Geometry
from learn.scores.images import image_scores
from learn.scores.minkowski import MinkowskiFunctionals
from learn.scores.pdf import EmptyPixels, PixelPdf, pixel_distance
from learn.scores.peaks import PeakCounts
from learn.scores.scattering import Scattering
from learn.scores.shells import Shells
from learn.scores.spectra import Comparison
from learn.scores.statistic import Statistic
from learn.scores.views import Reference, Views

Array = NDArray[np.float64]

SEED = 0
"""Of the bootstrap: the same maps give the same error bars."""


class Standard:
    """The true maps of one simulation and what is measured of them, once for all methods."""

    def __init__(self, truth: NDArray, dmo: NDArray, geometry: Geometry, shells: Shells, *, smoothing: float) -> None:
        self.dmo, self.shells = dmo, shells
        self.truth = Views(truth, Reference.of(truth, geometry, smoothing=smoothing))
        self.apertures = Apertures(self.truth)
        of_pixels = (PixelPdf(), EmptyPixels(), PeakCounts(), MinkowskiFunctionals())
        self.statistics: tuple[Statistic, ...] = (*of_pixels, *of_modes(geometry), self.apertures)
        self.measured = {one.name: one.measure(self.truth) for one in self.statistics}

    def entry(self, painted: NDArray) -> Entry:
        """What `painted` (n, C, P, P) comes to beside the truth. ValueError for another shape or what is not finite."""
        if painted.shape != self.truth.maps.shape:
            raise ValueError(f"painted maps: expected {self.truth.maps.shape}, got {painted.shape}")
        views = Views(painted, self.truth.reference)
        compared = spectra.compare(views, self.truth, self.dmo, self.shells)
        found = {one.name: one.measure(views) for one in self.statistics}
        scores: dict[str, Array] = {}
        for one in self.statistics:
            scores |= one.scores(found[one.name], self.measured[one.name])
        scores |= {"pdf": pixel_distance(views, self.truth), **image_scores(views, self.truth)}
        return Entry(compared, found, scores)


@dataclass(frozen=True)
class Entry:
    """One method on one simulation: spectra, measurements by statistic, numbers a channel by score."""

    spectra: Comparison
    measured: Mapping[str, Array]  # (C, ..., K)
    scores: Mapping[str, Array]  # (C,)


@dataclass
class Ledger:
    """The entries of one method, and for a stochastic one where the truth lies among its draws."""

    entries: list[Entry] = field(default_factory=list)
    places: list[Array] = field(default_factory=list)  # (quantities, C, D + 1) a simulation

    @cached_property
    def spectra(self) -> Comparison:
        """Of all simulations."""
        return spectra.join([entry.spectra for entry in self.entries])

    def measured(self, statistic: str) -> Array:
        """Of all simulations, (S, C, ..., K)."""
        return np.stack([entry.measured[statistic] for entry in self.entries])

    def row(self, i_channel: int, *, is_total: bool, half_nyquist: float) -> dict[str, Any]:
        """Every score of a channel by name; S(k) and the mass of the input are scores of the total alone."""
        names = self.entries[0].scores
        values = {name: np.array([entry.scores[name][i_channel] for entry in self.entries]) for name in names}
        found = self._spectral(i_channel, half_nyquist) | self._covered(i_channel)
        if is_total:
            found["suppression_error"] = spectra.suppression_error(self.spectra, k_max=half_nyquist, seed=SEED)
            found["mass_conservation"] = spectra.mass_conservation(self.spectra, i_channel, seed=SEED)
        found |= {name: estimate(each, seed=SEED) for name, each in values.items()}
        return {name: None if one is None else asdict(one) for name, one in found.items()}

    def _spectral(self, i: int, half_nyquist: float) -> dict[str, Estimate | None]:
        found: dict[str, Estimate | None] = {}
        for k in (1, 5, 10):
            found[f"power_error_k{k}"] = spectra.power_error(self.spectra, i, k_max=k, seed=SEED)
            found[f"power_bias_k{k}"] = spectra.power_bias(self.spectra, i, k_max=k, seed=SEED)
            found[f"power_worst_k{k}"] = spectra.power_worst(self.spectra, i, k_max=k, seed=SEED)
        return found | {
            "power_error_half_nyquist": spectra.power_error(self.spectra, i, k_max=half_nyquist, seed=SEED),
            "correlation_k5": spectra.mean_correlation(self.spectra, i, k_max=5, seed=SEED),
            "correlation_min_k5": spectra.least_correlation(self.spectra, i, k_max=5, seed=SEED),
            "correlation": spectra.mean_correlation(self.spectra, i, k_max=half_nyquist, seed=SEED),
            "suppression_error": None,
            "mass_error": spectra.mass_error(self.spectra, i, seed=SEED),
            "mass_worst": spectra.mass_worst(self.spectra, i, seed=SEED),
            "mass_conservation": None,
        }

    def _covered(self, i_channel: int) -> dict[str, Estimate | None]:
        """Found beside each nominal coverage; None of a deterministic method."""
        found: dict[str, Estimate | None] = {}
        for nominal in NOMINAL:
            for i, quantity in enumerate(QUANTITIES):
                shares = np.array([coverage(counts[i, i_channel], nominal) for counts in self.places])
                name = f"coverage_{100 * nominal:.0f}_{quantity}"
                found[name] = estimate(shares, seed=SEED) if len(shares) else None
        return found


@lru_cache(maxsize=1)
def of_modes(geometry: Geometry) -> tuple[Statistic, ...]:
    """The statistics that are taken in Fourier space: their filters are made once for all simulations."""
    return EquilateralBispectrum(geometry), Scattering(geometry)
