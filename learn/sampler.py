"""A trained diffusion model as a source of fields. Every sample that anyone sees comes through here.

Knows nothing of training, of simulations or of HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from configs import Diffusion, Frozen, Sampling
from learn.checkpoint import Meta
from learn.methods import METHODS
from learn.methods.noise import successors
from learn.model import MAX_SEED, Floats, Model

MAX_SAMPLES = 2**22
"""Of one seed."""
TOGETHER = 64
"""Samples that a GPU draws at once."""


class Sampler(Model):
    """Seeds in, fields out, in the unit of the training fields. A sample depends on its seed and condition alone."""

    of: ClassVar[type[Frozen]] = Diffusion

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu", *, sampling: Sampling | None = None) -> Self:
        """From a checkpoint folder, to be sampled as told or as it was trained; errors as those of `Model.load`."""
        model = super().load(folder, device)
        return model if sampling is None else model.sampling(sampling)

    def sampling(self, told: Sampling) -> Self:
        """The same networks, sampled otherwise."""
        method = self.meta.config.method.model_copy(update={"sampler": told})
        config = self.meta.config.model_copy(update={"method": method})
        meta = self.meta.model_copy(update={"config": config})
        return type(self)(meta, METHODS[method.kind](config, meta.normalizer, meta), self._nets, self._device)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample: channels and sides."""
        return shape_of(self.meta)

    def __call__(
        self, seeds: Sequence[int] | NDArray[np.int64], params: Floats | None = None, inputs: Floats | None = None
    ) -> Floats:
        """A sample a seed, (n, C, H, W) or (n, C, D, H, W) float32; ValueError says what is wrong.

        params (n, p), or None for the training means; inputs (n, I, H, W) where the model has input channels.
        """
        given = torch.as_tensor(np.asarray(seeds, np.int64))
        if given.ndim != 1 or not len(given) or given.min() < 0:
            raise ValueError(f"seeds: integers >= 0, one a sample, got {seeds}")
        params, inputs = self.check_params(params, len(given)), self._check_inputs(inputs, len(given))
        parts = [slice(start, start + TOGETHER) for start in range(0, len(given), TOGETHER)]
        return np.concatenate([self.answers(inputs[part], params[part], given[part]) for part in parts])

    def _check_inputs(self, inputs: Floats | None, n: int) -> Floats:
        """(n, I, ...) finite float32; of no channels for None."""
        n_channels = len(self.meta.input_channels)
        if inputs is None:
            inputs = np.empty((n, 0, *self.shape[1:]), np.float32)
        inputs = np.ascontiguousarray(inputs, dtype=np.float32)
        stride, sides = self.meta.config.net.stride, inputs.shape[2:]
        fits = len(sides) == self.meta.n_dims and all(side and side % stride == 0 for side in sides)
        if inputs.shape[:2] != (n, n_channels) or not fits:
            channels = f"{n_channels} channels ({', '.join(self.meta.input_channels) or 'none'})"
            raise ValueError(f"inputs: {n} of {channels} and sides divisible by {stride}, got {inputs.shape}")
        if not np.isfinite(inputs).all() or (inputs < 0).any():
            raise ValueError("inputs: finite densities >= 0, got others")
        return inputs


def shape_of(meta: Meta) -> tuple[int, ...]:
    """Of one sample of a model: channels and sides."""
    return (len(meta.target_channels), *(meta.n_pixels,) * meta.n_dims)


def seeds_of(seed: int, samples: range) -> NDArray[np.int64]:
    """The seeds of some of the samples of `seed`, each its own; ValueError beyond 2^40 seeds or 2^22 samples."""
    if not 0 <= seed < MAX_SEED:
        raise ValueError(f"seed: from 0 below {MAX_SEED}, got {seed}")
    if samples and not 0 <= samples[0] <= samples[-1] < MAX_SAMPLES:
        raise ValueError(f"samples: from 0 below {MAX_SAMPLES}, got {samples[0]} to {samples[-1]}")
    return successors(torch.tensor([seed]), samples.stop)[samples.start :].numpy()
