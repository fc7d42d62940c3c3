"""Samples of a model for the parameters of held-out fields, and how good they are after how many evaluations."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import Sampling
from learn.data import About
from learn.fields.cube_measures import CubeYardstick
from learn.fields.measures import Yardstick
from learn.fields.sets import FieldSet, Maps
from learn.methods import Diffusion
from learn.methods.samplers import n_evaluations
from learn.sampler import Sampler, seeds_of

Array = NDArray[np.float64]
REFERENCE = 8
"""Times the most evaluations, of the samples that the others are to become."""


@dataclass(frozen=True)
class Trade:
    """One sampler at one number of evaluations."""

    sampler: str
    n_steps: int
    n_evaluations: int
    of_limit: float  # mean over k of |mean P - that of the same samples after very many steps| over the latter
    of_truth: float  # the same of held-out fields with the same parameters

    def record(self) -> dict[str, Any]:
        return dict(vars(self))


def refuse_different(sampler: Sampler, about: About, where: object) -> None:
    """ValueError unless the model was trained on fields of this kind."""
    for name in ("n_dims", "param_names", "input_channels", "target_channels", "pixel_size", "box_size", "depth"):
        trained, given = getattr(sampler.meta, name), getattr(about, name)
        same = bool(np.isclose(trained, given, rtol=1e-3)) if isinstance(given, float) else trained == given
        if not same:
            raise ValueError(f"data: expected {name} {trained} as in {where}, got {given}")


def draw(sampler: Sampler, truth: FieldSet, *, n_draws: int, seed: int) -> FieldSet:
    """`n_draws` samples for each field of each simulation, at its parameters; a line a simulation."""
    start, first, drawn = time.monotonic(), 0, []
    for i, (name, fields) in enumerate(zip(truth.names, truth.fields, strict=True), start=1):
        n = n_draws * len(fields)
        params = np.tile(truth.params[i - 1], (n, 1)).astype(np.float32)
        drawn.append(sampler(seeds_of(seed, range(first, first + n)), params)[:, 0])
        first += n
        pace = (time.monotonic() - start) / i
        left = f"{pace:.1f} s each  {pace * (len(truth) - i):.0f} s left"
        print(f"evaluate: {i}/{len(truth)} simulations  {name}  {left}", flush=True)
    return FieldSet(truth.names, drawn, truth.params)


def trades(
    sampler: Sampler,
    truth: FieldSet,
    yardstick: Yardstick | CubeYardstick,
    *,
    kinds: Sequence[Any],
    evaluations: Sequence[int],
    n: int,
    seed: int,
) -> Iterator[Trade]:
    """Every sampler at every number of evaluations: the same `n` seeds and parameters, spread over the simulations."""
    rows = np.arange(n) % len(truth)
    params = truth.params[rows].astype(np.float32)
    seeds, own = seeds_of(seed, range(n)), sampling_of(sampler)
    true = mean_power(yardstick, np.concatenate([truth.fields[i] for i in sorted(set(rows.tolist()))]))

    def powered(told: Sampling) -> Array:
        return mean_power(yardstick, sampler.sampling(told)(seeds, params)[:, 0])

    limit = powered(own.model_copy(update={"kind": "dpmpp_2m", "n_steps": REFERENCE * max(evaluations)}))
    for kind in kinds:
        for most in evaluations:
            n_steps = (most + 1) // 2 if kind == "heun" else most
            told = own.model_copy(update={"kind": kind, "n_steps": n_steps})
            power = powered(told)
            spent = evaluated(sampler.sampling(told))
            print(f"evaluate: {kind} with {spent} evaluations", flush=True)
            yield Trade(kind, told.n_steps, spent, off(power, limit), off(power, true))


def evaluated(sampler: Sampler) -> int:
    """How often the network is asked for a sample."""
    method = sampler._method
    assert isinstance(method, Diffusion)
    return n_evaluations(method.steps()) * (2 if method.config.sampler.guidance != 1 else 1)


def sampling_of(sampler: Sampler) -> Sampling:
    method = sampler._method
    assert isinstance(method, Diffusion)
    return method.config.sampler


def mean_power(yardstick: Yardstick | CubeYardstick, fields: Maps) -> Array:
    """Mean P(k) of maps or cubes (n, ...), (K,)."""
    return np.asarray(yardstick.powers(fields).mean(0))


def off(power: Array, other: Array) -> float:
    return float(np.abs(power / other - 1).mean())
