"""Fields that know next to nothing, for the parameters of others: what a generator has to beat.

All know the power spectrum and the mean density as functions of the parameters, from the training fields. A Gaussian
field has negative densities where its contrast is strong: without them it would not have its power. Knows arrays;
nothing of files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from learn.fields.fit import ParameterFit
from learn.fields.sets import FieldSet, Maps

Array = NDArray[np.float64]
LEAST = -0.99
"""Correlation of a log-normal field: it is above -1, as that of few clumps in a small box need not be."""
GAUSSIAN, LOG_NORMAL, TRAINING = "Gaussian field", "log-normal field", "training field"


@dataclass(frozen=True)
class Spectrum:
    """Mean squared amplitude of the modes of the contrast of a field, by |k| in fundamental modes; and mean density."""

    log_power: ParameterFit
    correction: Array  # (shells,) half the variance of the logarithms: the mean of a log-normal number
    density: ParameterFit

    @classmethod
    def of(cls, training: FieldSet) -> Self:
        means = np.array([[fields.mean(dtype=np.float64)] for fields in training.fields])
        logs = np.log(np.array([shell_power(fields) for fields in training.fields]))
        fit = ParameterFit.of(training.params, logs)
        left = (logs - fit(training.params)).var(axis=0) / 2
        return cls(fit, left, ParameterFit.of(training.params, means))

    def power(self, params: Array, sides: tuple[int, ...]) -> Array:
        """Of every mode of a map or cube of these sides, at params (p,); 0 of the mean."""
        by_shell = np.exp(self.log_power(params[None])[0] + self.correction)
        power = by_shell[shells(sides) - 1]
        power.flat[0] = 0
        return power


def shells(sides: tuple[int, ...]) -> NDArray[np.int64]:
    """Index of the k shell, |k| over the fundamental mode rounded, of every mode of a square map or a cube."""
    lines = np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in sides), indexing="ij")
    return np.rint(np.sqrt(np.sum(np.square(lines), axis=0))).astype(np.int64)


def shell_power(fields: Maps) -> Array:
    """Mean over fields (n, ...) of |modes of the contrast|^2 / pixels at each rounded |k| from 1: (shells,)."""
    index, axes = shells(fields.shape[1:]).ravel(), tuple(range(1, fields.ndim))
    contrast = fields / fields.mean(axis=axes, keepdims=True, dtype=np.float64) - 1
    squares = (np.abs(np.fft.fftn(contrast, axes=axes)) ** 2).mean(axis=0).ravel() / fields[0].size
    return (np.bincount(index, weights=squares) / np.bincount(index))[1:]


def gaussian(power: Array, n: int, rng: np.random.Generator) -> Array:
    """Gaussian fields (n, ...) of zero mean whose modes have this mean squared amplitude over the pixels."""
    axes = tuple(range(1, 1 + power.ndim))
    white = np.fft.fftn(rng.standard_normal((n, *power.shape)), axes=axes)
    return np.fft.ifftn(white * np.sqrt(power), axes=axes).real


def log_normal(power: Array, n: int, rng: np.random.Generator) -> Array:
    """Contrasts (n, ...) of log-normal fields of this power: that of the log has ln(1 + xi) (Coles & Jones 1991)."""
    correlation = np.maximum(np.fft.ifftn(power).real, LEAST)
    of_log = np.maximum(np.fft.fftn(np.log1p(correlation)).real, 0)
    of_log.flat[0] = 0
    return np.expm1(gaussian(of_log, n, rng) - np.fft.ifftn(of_log).real.flat[0] / 2)


def made(training: FieldSet, truth: FieldSet, *, seed: int) -> Mapping[str, FieldSet]:
    """Every baseline, as many fields for each simulation of `truth` as that has."""
    spectrum, every = Spectrum.of(training), training.every()
    kinds: dict[str, Callable[[Array, int, np.random.Generator], Array]] = {GAUSSIAN: gaussian, LOG_NORMAL: log_normal}
    found: dict[str, list[Maps]] = {name: [] for name in (*kinds, TRAINING)}
    for i, true in enumerate(truth.fields):
        rng, params = np.random.default_rng([seed, i]), truth.params[i]
        power, level = spectrum.power(params, true.shape[1:]), float(spectrum.density(params[None])[0, 0])
        for name, kind in kinds.items():
            fields = level * (1 + kind(power, len(true), rng))
            found[name].append(fields.astype(np.float32))
        found[TRAINING].append(every[rng.integers(len(every), size=len(true))])
    return {name: FieldSet(truth.names, fields, truth.params) for name, fields in found.items()}
