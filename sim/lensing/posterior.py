"""Draws of a lens model: what its parameters may be, many at a time, and the mass that they make.

Parameters are columns (B, 1), float64, beside points (B or 1, n).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import truncnorm
from torch import Tensor

from configs.lens_model import RANGES, Kind, LensModel
from sim.lensing.ellipse import ellipticity
from sim.lensing.profiles import EPL, NFW, SIE, SIS, Mass, Shear, Sum

Array = NDArray[np.float64]
Columns = Mapping[str, Tensor]


@dataclass(frozen=True)
class Draws:
    """B draws: the kind of each component, the columns of its parameters, and which component is the main one."""

    kinds: tuple[Kind, ...]
    columns: tuple[Columns, ...]
    main: int

    @classmethod
    def of(cls, model: LensModel, values: Mapping[tuple[int, str], Array]) -> Draws:
        """Of arrays (B,) by component and name."""
        columns = [
            {name: torch.as_tensor(values[i, name], dtype=torch.float64)[:, None] for name in RANGES[one.kind]}
            for i, one in enumerate(model.components)
        ]
        return cls(tuple(one.kind for one in model.components), tuple(columns), model.main)

    def __len__(self) -> int:
        return len(next(iter(self.columns[0].values())))

    @property
    def mass(self) -> Sum:
        return Sum([MASSES[kind](columns) for kind, columns in zip(self.kinds, self.columns, strict=True)])

    @property
    def center(self) -> tuple[Tensor, Tensor]:
        """Of the main component, x and y (B, 1)."""
        return self.columns[self.main]["x"], self.columns[self.main]["y"]

    def rows(self, start: int, stop: int) -> Draws:
        """Some of them."""
        some = ({name: column[start:stop] for name, column in one.items()} for one in self.columns)
        return Draws(self.kinds, tuple(some), self.main)

    def parts(self, size: int) -> Iterator[Draws]:
        """All of them, at most `size` at a time."""
        return (self.rows(start, start + size) for start in range(0, len(self), size))


def best(model: LensModel) -> Draws:
    """The one draw that has the best values."""
    return Draws.of(model, {(i, name): np.array([parameter.value]) for i, name, parameter in model.parameters()})


def drawn(model: LensModel, n: int, rng: np.random.Generator) -> Draws:
    """`n` draws: rows of the samples if all uncertain parameters have some, else independent normal ones.

    Normal draws are of value and error, cut off at the ends of the allowed range. Of fewer than `n` samples each is
    drawn as often as any other, or once more.
    """
    uncertain = [one for _, _, one in model.parameters() if one.error > 0 or one.samples]
    if uncertain and all(one.samples for one in uncertain):
        return _resampled(model, n, len(uncertain[0].samples), rng)
    return Draws.of(model, {(i, name): _normal(model, i, name, n, rng) for i, name, _ in model.parameters()})


def is_certain(model: LensModel) -> bool:
    """Whether nothing is told of how well any parameter is known."""
    return not any(one.error > 0 or one.samples for _, _, one in model.parameters())


def _resampled(model: LensModel, n: int, n_samples: int, rng: np.random.Generator) -> Draws:
    rows = np.concatenate([rng.permutation(n_samples) for _ in range(-(-n // n_samples))])[:n]
    values = {(i, name): _samples(one.samples, one.value, n_samples)[rows] for i, name, one in model.parameters()}
    return Draws.of(model, values)


def _samples(samples: tuple[float, ...], value: float, n: int) -> Array:
    return np.array(samples) if samples else np.full(n, value)


def _normal(model: LensModel, i: int, name: str, n: int, rng: np.random.Generator) -> Array:
    component = model.components[i]
    parameter = component.parameters[name]
    value, error = parameter.value, parameter.error or float(np.std(parameter.samples or 0.0))
    if not error:
        return np.full(n, value)
    low, high = RANGES[component.kind][name]
    ends = {"a": (low - value) / error, "b": (high - value) / error}
    return np.asarray(truncnorm.rvs(**ends, loc=value, scale=error, size=n, random_state=rng))


def _shape(of: Columns) -> tuple[Tensor, Tensor]:
    return ellipticity(of["q"], torch.deg2rad(of["phi"]))


def _shear(of: Columns) -> Shear:
    angle = of["phi"] * (math.pi / 90)
    return Shear(of["gamma"] * torch.cos(angle), of["gamma"] * torch.sin(angle))


MASSES: Mapping[Kind, Callable[[Columns], Mass]] = {
    "sie": lambda of: SIE(of["theta_e"], *_shape(of), of["x"], of["y"]),
    "epl": lambda of: EPL(of["theta_e"], of["slope"], *_shape(of), of["x"], of["y"]),
    "shear": _shear,
    "nfw": lambda of: NFW(of["kappa_s"], of["r_s"], of["x"], of["y"]),
    "sis": lambda of: SIS(of["theta_e"][..., None], of["x"][..., None], of["y"][..., None]),
}
"""What is made of the parameters in a file."""
