"""Random fields that the statistics are tried on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from learn.scores.geometry import Geometry
from learn.scores.views import Reference, Views

Array = NDArray[np.float64]
N, PIXEL = 64, 0.5


@pytest.fixture
def geometry() -> Geometry:
    """64 x 64 pixels of 0.5 Mpc/h that wrap."""
    return Geometry(N, PIXEL)


@pytest.fixture
def gaussian() -> Callable[..., Array]:
    """Fields (n, n_pixels, n_pixels) of unit variance whose power is that of a Gaussian of `radius` pixels."""

    def field(seed: int, *, n: int = 1, n_pixels: int = N, radius: float = 2.0) -> Array:
        noise = np.fft.rfft2(np.random.default_rng(seed).normal(size=(n, n_pixels, n_pixels)))
        k = 2 * np.pi * np.hypot(np.fft.fftfreq(n_pixels)[:, None], np.fft.rfftfreq(n_pixels)[None])
        smooth = np.fft.irfft2(noise * np.exp(-0.5 * (k * radius) ** 2), s=(n_pixels, n_pixels))
        smooth -= smooth.mean(axis=(1, 2), keepdims=True)
        return smooth / smooth.std()

    return field


@pytest.fixture
def lognormal(gaussian: Callable[..., Array]) -> Callable[..., Array]:
    """Positive maps (n, C, N, N) with structure, and of different level in each channel."""

    def maps(seed: int, *, n: int = 2, n_channels: int = 2) -> Array:
        fields = gaussian(seed, n=n * n_channels, radius=1.5).reshape(n, n_channels, N, N)
        return 1e11 * np.exp(fields) * (1 + np.arange(n_channels))[:, None, None]

    return maps


@pytest.fixture
def views(geometry: Geometry) -> Callable[..., Views]:
    """Maps (n, C, N, N) as they are looked at beside a truth, themselves if it is not given."""

    def of(maps: Array, truth: Array | None = None, *, smoothing: float = 0.5, of: Geometry = geometry) -> Views:
        return Views(maps, Reference.of(maps if truth is None else truth, of, smoothing=smoothing))

    return of
