"""A checkpoint as a sampler of halos: masses a pixel in and out, whatever the unit of its maps."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from learn.methods.noise import successors
from learn.model import Model
from learn.samplers.sampler import Frame, Maps
from learn.sources.cutout import MASS

MAX_DRAWS = 2**20
"""The draws of one seed are numbered above the bits of all seeds."""


class HaloSampler(Model):
    """Any model of maps of halos that answers with dark matter, gas and stars; others are refused by their channels."""

    @cached_property
    def frame(self) -> Frame:
        """What the model was trained on, and the hash of its weights."""
        return Frame.of(self.meta, self.meta.weights_sha256)

    def sample(
        self, condition: Maps, large_scale: Maps, params: NDArray[np.float64], mass: float, seed: int, n: int
    ) -> Maps:
        """As `Sampler.sample`; a model that is not stochastic gives n equal draws."""
        frame = self.frame
        shown = np.concatenate([condition[None], large_scale]) / np.float32(frame.pixel_size**2)
        expected = (len(frame.scales), frame.n_pixels, frame.n_pixels)
        if shown.shape != expected or not 1 <= n <= MAX_DRAWS:
            raise ValueError(f"sample: expected maps {expected} and 1 to {MAX_DRAWS} draws, got {shown.shape}, {n}")
        known = dict(zip(frame.param_names, params.tolist(), strict=True)) | {MASS: np.log10(mass)}
        values = np.array([known[name] for name in self.meta.param_names], np.float32)
        seeds = successors(torch.tensor([seed]), n)
        answers = self.answers(np.tile(shown, (n, 1, 1, 1)), self.check_params(np.tile(values, (n, 1)), n), seeds)
        return answers * np.float32(frame.pixel_size**2)
