"""Fields that know next to nothing, for the parameters of others: what a generator has to beat.

All know the power spectrum and the mean density as functions of the parameters, from the training fields. Knows arrays;
nothing of files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from learn.baselines import shells
from learn.fields.fit import ParameterFit
from learn.fields.sets import FieldSet, Maps

Array = NDArray[np.float64]
GAUSSIAN, LOG_NORMAL, TRAINING = "Gaussian field", "log-normal field", "training field"


@dataclass(frozen=True)
class Spectrum:
    """Mean squared amplitude of the modes of the contrast of a map, by |k| in fundamental modes; and mean density."""

    log_power: ParameterFit
    correction: Array  # (shells,) half the variance of the logarithms: the mean of a log-normal number
    density: ParameterFit

    @classmethod
    def of(cls, training: FieldSet) -> Self:
        means = np.array([[maps.mean(dtype=np.float64)] for maps in training.maps()])
        logs = np.log(np.array([shell_power(maps) for maps in training.maps()]))
        fit = ParameterFit.of(training.params, logs)
        left = (logs - fit(training.params)).var(axis=0) / 2
        return cls(fit, left, ParameterFit.of(training.params, means))

    def power(self, params: Array, n_pixels: int) -> Array:
        """Of every mode of a map (P, P) at params (p,); 0 of the mean."""
        by_shell = np.exp(self.log_power(params[None])[0] + self.correction)
        power = by_shell[shells(n_pixels) - 1]
        power[0, 0] = 0
        return power


def shell_power(maps: Maps) -> Array:
    """Mean over maps (n, P, P) of |modes of the contrast|^2 / P^2 at each rounded |k| from 1: (shells,)."""
    index = shells(maps.shape[-1]).ravel()
    contrast = maps / maps.mean(axis=(1, 2), keepdims=True, dtype=np.float64) - 1
    squares = (np.abs(np.fft.fft2(contrast)) ** 2).mean(axis=0).ravel() / maps[0].size
    return (np.bincount(index, weights=squares) / np.bincount(index))[1:]


def gaussian(power: Array, n: int, rng: np.random.Generator) -> Array:
    """Gaussian fields (n, P, P) of zero mean whose modes have this mean squared amplitude over P^2."""
    white = np.fft.fft2(rng.standard_normal((n, *power.shape)))
    return np.fft.ifft2(white * np.sqrt(power)).real


def log_normal(power: Array, n: int, rng: np.random.Generator) -> Array:
    """Contrasts (n, P, P) of log-normal fields of this power: that of the log has ln(1 + xi) (Coles & Jones 1991)."""
    correlation = np.fft.ifft2(power).real
    of_log = np.maximum(np.fft.fft2(np.log1p(correlation)).real, 0)
    of_log[0, 0] = 0
    return np.expm1(gaussian(of_log, n, rng) - np.fft.ifft2(of_log).real[0, 0] / 2)


def made(training: FieldSet, truth: FieldSet, *, seed: int) -> Mapping[str, FieldSet]:
    """Every baseline, as many maps for each simulation of `truth` as that has."""
    spectrum, every = Spectrum.of(training), training.every()
    kinds: dict[str, Callable[[Array, int, np.random.Generator], Array]] = {GAUSSIAN: gaussian, LOG_NORMAL: log_normal}
    found: dict[str, list[Maps]] = {name: [] for name in (*kinds, TRAINING)}
    for i, maps in enumerate(truth.maps()):
        rng, params = np.random.default_rng([seed, i]), truth.params[i]
        power, level = spectrum.power(params, maps.shape[-1]), float(spectrum.density(params[None])[0, 0])
        for name, kind in kinds.items():
            fields = level * np.maximum(1 + kind(power, len(maps), rng), 0)
            found[name].append(fields.astype(np.float32))
        found[TRAINING].append(every[rng.integers(len(every), size=len(maps))])
    return {name: FieldSet(truth.names, fields, truth.params) for name, fields in found.items()}
