"""Samples of diffusion models: each is a job of its own, so that requests share forward passes sample by sample.

Knows nothing of what is sampled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from configs import Diffusion, Sampling, ServeSamples
from learn.checkpoint import Meta
from learn.sampler import Sampler, seeds_of, shape_of
from serve.batch import in_groups
from serve.endpoints.endpoint import refuse_far
from serve.form import Floats
from serve.schema import SampleAsked, SampleModel

MAX_NUMBERS = 2**24
"""Of an answer: 64 MB."""


class Draw(NamedTuple):
    """The sample of a seed with parameters (p,) and inputs (I, ...), and how it is drawn."""

    seed: int
    params: Floats
    inputs: Floats
    sampling: Sampling


def draws_of(asked: SampleAsked, model: SampleModel, meta: Meta, params: Floats, inputs: Floats) -> list[Draw]:
    """What a request asks for; ValueError where it asks for too much."""
    refuse_above("n_samples", asked.n_samples, model.max_samples)
    told = {"n_steps": asked.n_steps, "guidance": asked.guidance}
    sampling = sampling_of(meta).model_copy(update={key: value for key, value in told.items() if value is not None})
    refuse_above("n_steps", sampling.n_steps, model.max_steps)
    return [Draw(int(seed), params, inputs, sampling) for seed in seeds_of(asked.seed, range(asked.n_samples))]


def drawn(sampler: Sampler, jobs: Sequence[Draw]) -> list[Floats]:
    """The sample (C, ...) of each job, in order; those that are drawn alike are drawn together."""

    def together(group: Sequence[Draw]) -> Iterable[Floats]:
        told = sampler.sampling(group[0].sampling)
        seeds = [job.seed for job in group]
        return told(seeds, np.stack([job.params for job in group]), np.stack([job.inputs for job in group]))

    return in_groups(together, jobs, lambda job: (job.sampling, job.inputs.shape), lambda _: len(jobs))


def stacked(samples: Sequence[Floats], channels: Sequence[str]) -> Floats:
    """(n, C, ...); FarError where they are no numbers."""
    refuse_far(every := np.stack(samples), channels, 1)
    return every


def bounds(meta: Meta, config: ServeSamples) -> dict[str, Any]:
    """How a model draws and may be asked to; ValueError for one that needs more steps than it may take."""
    own = sampling_of(meta)
    if own.n_steps > config.max_steps:
        raise ValueError(f"max_steps: at least the {own.n_steps} of {config.checkpoint}, got {config.max_steps}")
    return {
        "sampler": own.kind,
        "n_steps": own.n_steps,
        "guidance": own.guidance,
        "max_steps": config.max_steps,
        "max_samples": max(1, min(config.max_samples, MAX_NUMBERS // prod(shape_of(meta)))),
    }


def sampling_of(meta: Meta) -> Sampling:
    """How a model draws, unless told otherwise."""
    assert isinstance(meta.config.method, Diffusion)
    return meta.config.method.sampler


def refuse_above(name: str, value: int, most: int) -> None:
    if value > most:
        raise ValueError(f"{name}: expected at most {most}, got {value}")
