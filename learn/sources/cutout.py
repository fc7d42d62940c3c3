"""Samples of the surroundings of halos as maps: channels, units and parameters. Knows nothing of files.

A sample is mass a fine pixel [Msun/h], also in the wider windows, which are averages over the area of their pixels:
one division by the area of a fine pixel makes surface densities of all of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from learn.data import About
from sim.samples import TARGET_CHANNELS as COMPONENTS
from sim.shards import TARGET_CHANNELS, UNIT

Array = NDArray[np.float32]
MASS = "log10_halo_mass"
Targets = Literal["total", "components"]


@dataclass(frozen=True)
class Window:
    """Sides of the windows [Mpc/h], rising, of `n_pixels` each; the first is the map, the others are its context.

    Of the other side are shown total, gas, stars; or, as `targets` says, its components: dark matter, gas, stars.
    """

    scales: tuple[float, ...]
    n_pixels: int
    targets: Targets = "total"

    @property
    def pixel_size(self) -> float:
        """Side of a fine pixel."""
        return self.scales[0] / self.n_pixels

    def channels(self) -> tuple[str, ...]:
        """The dark matter of the map, then that of each wider window."""
        return ("dmo", *(f"dmo_{scale:g}" for scale in self.scales[1:]))

    def about(self, *, depth: float, param_names: tuple[str, ...], data_sha256: str) -> About:
        return About(
            input_channels=self.channels(),
            target_channels=TARGET_CHANNELS if self.targets == "total" else COMPONENTS,
            unit=UNIT,
            pixel_size=self.pixel_size,
            box_size=self.scales[0],
            depth=depth,
            periodic=False,
            param_names=param_names,
            data_sha256=self.identity(data_sha256),
        )

    def identity(self, data_sha256: str) -> str:
        """Of the data of this hash as they are shown here; that of the data themselves for total, gas, stars."""
        if self.targets == "total":
            return data_sha256
        return hashlib.sha256(f"{data_sha256} {self.targets}".encode()).hexdigest()

    def maps(self, condition: Array, large_scale: Array, target: Array, *, where: str) -> tuple[Array, Array]:
        """Inputs (1 + s, P, P) and targets (3, P, P) [Msun/h/(Mpc/h)^2] of condition (P, P), context and target.

        The hydrodynamic dark matter, gas and stars become total, gas, stars unless they are asked for as they are.
        ValueError names `where` the masses are negative or no numbers.
        """
        inputs: Array = np.concatenate([condition[None], large_scale])
        first = target.sum(0) if self.targets == "total" else target[0]
        targets: Array = np.stack([first, *target[1:]])
        for maps in (inputs, targets):
            maps /= np.float32(self.pixel_size**2)
            if not (np.isfinite(maps).all() and maps.min() >= 0):
                raise ValueError(f"{where}: expected masses >= 0 in every pixel, got others")
        return inputs, targets


@dataclass(frozen=True)
class Parameters:
    """Names of what is stored with each sample, in its order, and constants that are not stored."""

    stored: tuple[str, ...]
    constants: Mapping[str, float]

    @classmethod
    def of(
        cls, folder: Path, found: Sequence[str], told: Sequence[str] | None, constants: Mapping[str, float]
    ) -> Parameters:
        """The names `found` in a folder, or those `told` instead; ValueError for another number, or one twice."""
        stored = tuple(told or found)
        if len(stored) != len(found):
            raise ValueError(f"{folder}: expected param_names of its {len(found)} parameters, got {len(stored)}")
        names = (*stored, MASS, *constants)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"{folder}: expected each parameter once in param_names and constants, got {twice[0]} twice"
            )
        return cls(stored, dict(constants))

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.stored, MASS, *self.constants)

    def values(self, stored: NDArray[np.float64], halo_mass: float) -> Array:
        """The stored values, log10 of the halo's mass [Msun/h] and the constants, (p,)."""
        return np.array([*stored, np.log10(halo_mass), *self.constants.values()], np.float32)


def scales_of(about: About) -> tuple[float, ...]:
    """Sides of the windows [Mpc/h] of which maps of halos `about` are; ValueError where they are no maps of halos."""
    named = about.input_channels[1:]
    wider = tuple(float(name.removeprefix("dmo_")) for name in named if re.fullmatch(r"dmo_[\d.]+", name))
    scales = (about.box_size, *wider)
    if Window(scales, about.n_pixels).channels() != about.input_channels or about.periodic or about.n_dims != 2:
        raise ValueError(f"expected a model of maps of halos and their context, got one of {about.input_channels}")
    return scales
