"""A checkpoint as a sampler of halos: masses a pixel in and out, whatever the unit of its maps."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs import Diffusion as Config
from configs import Sampling
from learn.checkpoint import Meta
from learn.halos.sampler import Frame, Maps
from learn.methods import Diffusion
from learn.methods.samplers import n_evaluations
from learn.sampler import Sampler as FieldSampler
from learn.sampler import seeds_of
from learn.sources.cutout import MASS


class HaloSampler(FieldSampler):
    """A diffusion model of maps of halos that answers with dark matter, gas and stars."""

    @classmethod
    def read_meta(cls, folder: Path | str) -> Meta:
        """As `Model.read_meta`; ValueError too for a model that is not of halos."""
        meta = super().read_meta(folder)
        try:
            Frame.of(meta, identity(meta))
        except ValueError as error:
            raise ValueError(f"{folder}: {error}") from error
        return meta

    @cached_property
    def frame(self) -> Frame:
        """What the model was trained on, and which model it is."""
        return Frame.of(self.meta, identity(self.meta))

    @property
    def n_parameters(self) -> int:
        """Of its networks."""
        return sum(x.numel() for net in self._nets.values() for x in net.parameters())

    @property
    def n_evaluations(self) -> int:
        """Of the network in a draw."""
        assert isinstance(self._method, Diffusion)
        hidden = 2 if self._method.config.sampler.guidance != 1 else 1
        return hidden * n_evaluations(self._method.steps())

    def sample(
        self, condition: Maps, large_scale: Maps, params: NDArray[np.float64], mass: float, seed: int, n: int
    ) -> Maps:
        """As `Sampler.sample`."""
        told = (condition[None], large_scale[None], params[None], np.array([mass]), np.array([seed]))
        return self.sample_each(*told, n)[0]

    def sample_each(
        self,
        condition: Maps,
        large_scale: Maps,
        params: NDArray[np.float64],
        mass: NDArray[np.float64],
        seeds: NDArray[np.int64],
        n: int,
    ) -> Maps:
        """As `Sampler.sample_each`: a GPU draws for several halos at a time."""
        frame, names = self.frame, self.frame.param_names
        shown = self.shown(np.concatenate([condition[:, None], large_scale], axis=1))
        expected = (len(mass), *frame.shape)
        if shown.shape != expected or params.shape != (len(mass), len(names)):
            got = f"{shown.shape} and {params.shape}"
            raise ValueError(f"sample: expected maps {expected} and {len(names)} parameters each, got {got}")
        known = dict(zip(names, params.T, strict=True)) | {MASS: np.log10(mass)}
        values = np.stack([known[name] for name in self.meta.param_names], axis=1).astype(np.float32)
        every = np.concatenate([seeds_of(int(seed), range(n)) for seed in seeds])
        answers = self(every, np.repeat(values, n, axis=0), np.repeat(shown, n, axis=0))
        return self.masses(answers.reshape(len(mass), n, *answers.shape[1:]))

    def shown(self, windows: Maps) -> Maps:
        """Masses a fine pixel [Msun/h] as what the network is shown."""
        return windows / np.float32(self.frame.pixel_size**2)

    def masses(self, answers: Maps) -> Maps:
        """What the network answers as masses a fine pixel [Msun/h]."""
        return answers * np.float32(self.frame.pixel_size**2)


def identity(meta: Meta, sampling: Sampling | None = None) -> str:
    """Of the weights and of how they are sampled: as trained, unless told otherwise."""
    assert isinstance(meta.config.method, Config)
    sampler = meta.config.method.sampler if sampling is None else sampling
    return f"{meta.weights_sha256} {sampler.model_dump_json()}"
