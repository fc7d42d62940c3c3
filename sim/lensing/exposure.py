"""What an exposure adds to the flux that a camera records: sky, photon and read noise, cosmic rays, and the noise map.

Fluxes are rates [electrons / s] in each pixel; what is drawn for an image is a function of its generator alone. Knows
nothing of lenses or of files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Array = NDArray[np.float64]

MAX_COSMIC_RAYS = 1000
"""In one image."""


@dataclass(frozen=True)
class Exposure:
    """Of `time` [s] in all, read out `n_reads` times with `read_noise` [electrons] each, before `sky` [electrons / s].

    correlation is the width [pixel] of the Gaussian that resampling has blurred the noise with; cosmic_rays their mean
    number in an image; ray_charge the mean number of electrons that one leaves.
    """

    time: float
    read_noise: float = 0.0
    n_reads: int = 1
    sky: float = 0.0
    correlation: float = 0.0
    cosmic_rays: float = 0.0
    ray_charge: float = 2000.0

    def variance(self, rate: Array) -> Array:
        """Of each pixel of an image of `rate` [electrons^2 / s^2]."""
        return (np.maximum(rate, 0) + self.sky) / self.time + self.n_reads * (self.read_noise / self.time) ** 2

    def observed(self, rate: Array, rng: np.random.Generator) -> Array:
        """An exposure of `rate` (n, m), its sky subtracted."""
        photons = rng.poisson(np.maximum(rate, 0) * self.time + self.sky * self.time) / self.time - self.sky
        read = math.sqrt(self.n_reads) * self.read_noise / self.time * rng.standard_normal(rate.shape)
        noise = photons - np.maximum(rate, 0) + read
        if self.correlation > 0:
            noise = correlated(noise, self.correlation)
        return rate + noise + self._cosmic_rays(rate.shape, rng)

    def noise_map(self, observed: Array) -> Array:
        """Standard deviation of each pixel, `observed` standing for the rate; below 0, that of the sky alone."""
        return np.sqrt(self.variance(observed))

    def _cosmic_rays(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        hit = np.zeros(shape)
        for _ in range(min(int(rng.poisson(self.cosmic_rays)), MAX_COSMIC_RAYS)):
            rows, columns = track(shape, rng)
            np.add.at(hit, (rows, columns), rng.exponential(self.ray_charge) / self.time / max(len(rows), 1))
        return hit


def correlated(noise: Array, width: float) -> Array:
    """White noise blurred by a Gaussian of `width` [pixel], periodically, with the variance that it had."""
    k2 = sum(np.square(line) for line in np.meshgrid(*map(np.fft.fftfreq, noise.shape), indexing="ij"))
    blur = np.exp(-2 * np.square(math.pi * width) * k2)
    return np.asarray(fft.ifftn(fft.fftn(noise) * blur / math.sqrt(np.square(blur).mean())).real)


def track(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pixels that one cosmic ray crosses, of those in the image."""
    start, angle, length = rng.uniform(0, shape), rng.uniform(0, 2 * math.pi), rng.exponential(4.0)
    along = np.arange(0, 1 + min(length, max(shape)), 0.5)[:, None] * (math.sin(angle), math.cos(angle))
    pixels = np.unique(np.floor(start + along).astype(np.intp), axis=0)
    inside = ((pixels >= 0) & (pixels < shape)).all(1)
    return pixels[inside, 0], pixels[inside, 1]


def rate_of(magnitude: float, zero_point: float) -> float:
    """Electrons / s of a magnitude; `zero_point` is that of one electron / s."""
    return float(10 ** (-0.4 * (magnitude - zero_point)))


def magnitude_of(rate: float, zero_point: float) -> float:
    """ValueError unless the rate is positive."""
    if not rate > 0:
        raise ValueError(f"magnitude: a rate above 0, got {rate}")
    return zero_point - 2.5 * math.log10(rate)
