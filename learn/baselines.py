"""Painters that learn nothing, or next to nothing: what a trained one has to beat.

Knows arrays; nothing of files, networks or scores. A map is a surface density; dmo is (n, P, P), painted (n, C, P, P)
with C channels such as total, gas and stars; params is (n, p) in the order of `param_names`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

CONTRAST_EDGES = np.linspace(0, np.log1p(1e5), 241)
"""Bins of the per-pixel lookup in log(1 + dmo / mean)."""


class Maps(Protocol):
    """Maps of one simulation, as arrays or tensors."""

    @property
    def inputs(self) -> ArrayLike: ...  # (n, I, P, P), the dark matter first
    @property
    def targets(self) -> ArrayLike: ...  # (n, C, P, P)


@dataclass(frozen=True)
class BaryonFraction:
    """omega_b / omega_m of each row of params."""

    i_omega_b: int
    i_omega_m: int

    @classmethod
    def of(cls, param_names: Sequence[str]) -> BaryonFraction | None:
        """From the names of the parameters; None if they leave one of the two out, as sets of one omega_b do."""
        names = list(param_names)
        if not {"omega_b", "omega_m"} <= set(names):
            return None
        return cls(names.index("omega_b"), names.index("omega_m"))

    def __call__(self, params: NDArray) -> Array:
        return params[:, self.i_omega_b].astype(np.float64) / params[:, self.i_omega_m]


@dataclass(frozen=True)
class Identity:
    """total = dmo, gas = f_b dmo; any other channel, and gas without f_b, its share of the training mass times dmo."""

    name: ClassVar[str] = "identity"
    channels: tuple[str, ...]
    share: Array  # (C,) mass of the channel over mass of the input
    baryon_fraction: BaryonFraction | None

    def __call__(self, dmo: NDArray, params: NDArray) -> Array:
        shares = np.tile(self.share, (len(dmo), 1))
        for i, channel in enumerate(self.channels):
            if channel == "total":
                shares[:, i] = 1
            elif channel == "gas" and self.baryon_fraction is not None:
                shares[:, i] = self.baryon_fraction(params)
        return shares[:, :, None, None] * dmo[:, None]  # (n, C, P, P)


@dataclass(frozen=True)
class Blank:
    """Uniform maps with the mean of the training split: no structure at all."""

    name: ClassVar[str] = "blank"
    mean: Array  # (C,)

    def __call__(self, dmo: NDArray, _params: NDArray) -> Array:
        return np.broadcast_to(self.mean[None, :, None, None], (len(dmo), len(self.mean), *dmo.shape[1:])).copy()


@dataclass(frozen=True)
class AmplitudeFilter:
    """Every Fourier mode of the dmo contrast times sqrt(P_target / P_dmo)(k) of the training split, a value a k shell.

    r(k) is that of the input: whatever a painter knows beyond this filter shows in r(k), not in P(k). Maps that are not
    periodic are filtered as if they were.
    """

    name: ClassVar[str] = "amplitude filter"
    transfer: Array  # (C, n_shells)
    mean: Array  # (C,) mass of the channel over mass of the input

    def __call__(self, dmo: NDArray, _params: NDArray) -> Array:
        level = dmo.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        modes = np.fft.fft2(dmo / level - 1)[:, None] * self.transfer[:, shells(dmo.shape[-1])]  # (n, C, P, P)
        return self.mean[:, None, None] * level[:, None] * (1 + np.fft.ifft2(modes).real)


@dataclass(frozen=True)
class PixelLookup:
    """Each pixel from the input pixel alone: mean target of the training pixels with that contrast, interpolated."""

    name: ClassVar[str] = "pixel lookup"
    contrast: Array  # (m,) log(1 + dmo / mean), rising
    value: Array  # (C, m) target over mean dmo

    def __call__(self, dmo: NDArray, _params: NDArray) -> Array:
        level = dmo.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        contrast = np.log1p(dmo / level)
        painted = [level * np.interp(contrast, self.contrast, value) for value in self.value]
        return np.stack(painted, axis=1)  # (n, C, P, P)


Baseline = Identity | Blank | AmplitudeFilter | PixelLookup


def fit(simulations: Iterable[Maps], param_names: Sequence[str], channels: Sequence[str]) -> list[Baseline]:
    """The four baselines of the training `simulations`, read once, one at a time. ValueError if there are none."""
    masses, powers, pixels = _Masses(), _Powers(), _Pixels()
    for maps in simulations:
        dmo, targets = np.asarray(maps.inputs)[:, 0], np.asarray(maps.targets)
        for sums in (masses, powers, pixels):
            sums.add(dmo, targets)
    if masses.n_pixels == 0:
        raise ValueError("baselines: expected at least one training simulation, got none")
    share = masses.target / masses.dmo
    identity = Identity(tuple(channels), share, BaryonFraction.of(param_names))
    lookup = PixelLookup(*pixels.means())
    return [identity, Blank(masses.target / masses.n_pixels), AmplitudeFilter(powers.transfer(), share), lookup]


def shells(n_pixels: int) -> NDArray[np.int64]:
    """Index of the k shell, |k| over the fundamental mode rounded, of every mode of a square map: (P, P)."""
    mode = np.fft.fftfreq(n_pixels, 1 / n_pixels)
    return np.rint(np.hypot(mode[:, None], mode[None, :])).astype(np.int64)


@dataclass
class _Masses:
    """Sums over the pixels of the training maps."""

    dmo: float = 0.0
    target: Array = field(default_factory=lambda: np.zeros(1))
    n_pixels: int = 0

    def add(self, dmo: NDArray, targets: NDArray) -> None:
        self.dmo += float(dmo.sum(dtype=np.float64))
        self.target = self.target + targets.sum(axis=(0, 2, 3), dtype=np.float64)
        self.n_pixels += dmo.size


@dataclass
class _Powers:
    """Sums of the squared modes of the contrasts of input and targets in each k shell."""

    sums: Array | None = None  # (1 + C, n_shells)

    def add(self, dmo: NDArray, targets: NDArray) -> None:
        fields = np.concatenate([dmo[:, None], targets], axis=1).astype(np.float64)  # (n, 1 + C, P, P)
        level = fields.mean(axis=(2, 3), keepdims=True)
        contrast = fields / np.where(level > 0, level, np.inf) - 1  # an empty map has no modes but the mean
        squares = (np.abs(np.fft.fft2(contrast)) ** 2).sum(axis=0)  # (1 + C, P, P)
        index = shells(dmo.shape[-1]).ravel()
        binned = np.array([np.bincount(index, weights=square.ravel()) for square in squares])
        self.sums = binned if self.sums is None else self.sums + binned

    def transfer(self) -> Array:
        """sqrt(P_target / P_dmo) of each shell, (C, n_shells); 0 for the mean, of which a contrast has none."""
        assert self.sums is not None
        dmo, target = self.sums[0], self.sums[1:]
        ratio = np.divide(target, dmo, out=np.zeros_like(target), where=np.arange(len(dmo)) > 0)
        return np.sqrt(ratio)


@dataclass
class _Pixels:
    """Counts and sums of input and target pixels in bins of the input contrast."""

    sums: Array | None = None  # (2 + C, bins)

    def add(self, dmo: NDArray, targets: NDArray) -> None:
        level = dmo.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        contrast = np.log1p(dmo / level).ravel()
        values = (targets / level[:, None]).swapaxes(0, 1).reshape(targets.shape[1], -1)
        rows = (np.ones_like(contrast), contrast, *values)
        binned = np.array([np.histogram(contrast, CONTRAST_EDGES, weights=weights)[0] for weights in rows])
        self.sums = binned if self.sums is None else self.sums + binned

    def means(self) -> tuple[Array, Array]:
        """Mean contrast (m,) and mean targets (C, m) of the bins that hold pixels."""
        assert self.sums is not None
        count, contrast, *values = self.sums[:, self.sums[0] > 0]
        return contrast / count, np.array(values) / count
