"""The mean of a training set as a sampler: what any model of halos has to beat.

A halo gets its own dark matter times the mean share of each channel in the dark matter at its mass and radius, the
same in every draw. Radii are in units of the sphere of its mass that is 200 times as dense as critical today.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from configs import Profile
from learn.data import Source
from learn.halos.sampler import Frame, Maps
from learn.sources.cutout import MASS
from learn.sources.halos import HaloSource
from sim.halo_list import PeriodicBox, sphere_radius

Array = NDArray[np.float64]

INNERMOST, OUTERMOST = 0.03, 6.0
"""Ends of the bins of radius, in units of that of the halo."""


@dataclass(frozen=True)
class MeanProfile:
    """Shares (masses, 3, radii) at mean log10 masses (masses,) and log10 radii (radii,); nan where nothing was."""

    frame: Frame
    log_masses: Array
    log_radii: Array
    shares: Array

    @classmethod
    def fit(cls, config: Profile) -> Self:
        """Over the training split of a set of halos; ValueError unless it has dark matter, gas and stars."""
        source = HaloSource(config.data, "train")
        frame = cls.framed(config, source)
        edges = np.linspace(np.log10(INNERMOST), np.log10(OUTERMOST), config.n_radii + 1)
        found = list(profiles(source, frame, edges))
        log_mass, sums = (np.array(column) for column in zip(*found, strict=True))  # (S,), (S, 4, radii)
        place = np.searchsorted(np.quantile(log_mass, np.arange(1, config.n_masses) / config.n_masses), log_mass)
        bins = np.unique(place)
        totals = np.array([sums[place == i].sum(axis=0) for i in bins])
        means = np.array([log_mass[place == i].mean() for i in bins])
        dmo = totals[:, :1]
        shares = np.divide(totals[:, 1:], dmo, out=np.full_like(totals[:, 1:], np.nan), where=dmo > 0)
        return cls(frame, means, 0.5 * (edges[1:] + edges[:-1]), shares)

    @staticmethod
    def framed(config: Profile, source: HaloSource) -> Frame:
        """What a profile of the set is shown: no parameters."""
        known = Frame.of(source.about, f"{source.about.data_sha256} {config.n_masses} {config.n_radii}")
        return replace(known, param_names=())

    def sample(
        self, condition: Maps, large_scale: Maps, params: NDArray[np.float64], mass: float, seed: int, n: int
    ) -> Maps:
        """As `Sampler.sample`, n times the same: neither context, parameters nor seed have a say in it."""
        del large_scale, params, seed
        share = self.share(mass, log_radii(mass, self.frame))
        one = (condition * share).astype(np.float32)
        return np.broadcast_to(one, (n, *one.shape))

    def sample_each(
        self,
        condition: Maps,
        large_scale: Maps,
        params: NDArray[np.float64],
        mass: NDArray[np.float64],
        seeds: NDArray[np.int64],
        n: int,
    ) -> Maps:
        """As `Sampler.sample_each`."""
        rows = zip(condition, large_scale, params, mass.tolist(), seeds.tolist(), strict=True)
        return np.stack([self.sample(*row, n) for row in rows])

    def share(self, mass: float, at: Array) -> Array:
        """Share of each channel at log10 radii (...), (3, ...): that of the nearest mass, linear in log radius."""
        shares = self.shares[int(np.argmin(abs(self.log_masses - np.log10(mass))))]
        known = np.isfinite(shares[0])
        return np.stack([np.interp(at, self.log_radii[known], one[known]) for one in shares])


def profiles(source: Source, frame: Frame, edges: Array) -> Iterator[tuple[float, Array]]:
    """Of every sample log10 of its mass, and the mass of input and channels in bins of log10 radius, (4, radii)."""
    i_mass = source.about.param_names.index(MASS)
    for i in range(len(source)):
        batch = source.read([i])
        log_mass = float(batch.params[0, i_mass])
        place = np.digitize(log_radii(10**log_mass, frame), edges).ravel()
        maps = (batch.inputs[0, 0].numpy(), *batch.targets[0].numpy())
        sums = [np.bincount(place, weights=one.ravel(), minlength=len(edges) + 1)[1:-1] for one in maps]
        yield log_mass, np.array(sums)
    source.close()


def log_radii(mass: float, frame: Frame) -> Array:
    """log10 of the distance of each pixel (P, P) from the centre of a halo, over its radius."""
    radius = float(sphere_radius(np.array([mass]), PeriodicBox(frame.depth, 0.0))[0])
    return np.asarray(np.log10(np.maximum(frame.distance, 1e-3 * frame.pixel_size) / radius))
