"""Dark matter, gas and stars around a halo, from the dark matter there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from configs import ServeSamples
from learn.halos import Frame, HaloSampler
from learn.sources.cutout import MASS
from serve.endpoints.draws import Draw, bounds, drawn, draws_of, stacked
from serve.endpoints.endpoint import Route, about, device_of
from serve.form import Floats, Form
from serve.schema import HaloAnswer, HaloAsked, HaloModel, HaloRequest

UNIT = "Msun/h"
ROUTE = Route(
    path="/v1/halos",
    summary="Baryons for a halo",
    description="Draw the components of a halo from its dark matter in windows around it, as sets of cutouts hold "
    "them: mass a fine pixel. The answer has samples, components, rows and columns.",
    asked=HaloAsked,
    request=HaloRequest,
    answer=HaloAnswer,
    key="samples",
    channel_axis=1,
)


class Halos:
    """A model of halos; masses a fine pixel in and out."""

    route: ClassVar[Route] = ROUTE

    def __init__(self, sampler: HaloSampler, config: ServeSamples) -> None:
        self._sampler = sampler
        self.form = Form("windows", ("window", "row", "column"), sampler.frame.shape, is_exact=True)
        self.model = self.described(config)

    @classmethod
    def described(cls, config: ServeSamples) -> HaloModel:
        meta = HaloSampler.read_meta(config.checkpoint)
        frame = Frame.of(meta, meta.weights_sha256)
        told = about(meta, ROUTE.path) | {"unit": UNIT}
        told["params"] = [one for one in told["params"] if one.name != MASS]
        return HaloModel(**told, **bounds(meta, config), scales=list(frame.scales), n_pixels=frame.n_pixels)

    @classmethod
    def load(cls, config: ServeSamples) -> Self:
        return cls(HaloSampler.load(config.checkpoint, device_of(config)), config)

    def jobs(self, array: NDArray | None, asked: HaloAsked) -> list[Draw]:
        """One a draw."""
        assert array is not None
        self._sampler.check_pixel_size(asked.pixel_size)
        windows = self.form.single_precision(array)
        refuse_no_mass(windows)
        if MASS in asked.params:
            raise ValueError(f"{MASS}: expected as `mass` [Msun/h], got a parameter")
        params = self._sampler.params_from({**asked.params, MASS: float(np.log10(asked.mass))})
        return draws_of(asked, self.model, self._sampler.meta, params, self._sampler.shown(windows))

    def run(self, jobs: Sequence[Draw]) -> list[Floats]:
        return [self._sampler.masses(one) for one in drawn(self._sampler, jobs)]

    def gathered(self, answers: Sequence[Floats]) -> Floats:
        """(n, 3, P, P)"""
        return stacked(answers, self.model.channels)


def refuse_no_mass(windows: Floats) -> None:
    """ValueError for a negative pixel, and for a window without any mass."""
    if windows.min() < 0:
        raise ValueError(f"windows: mass >= 0 in every pixel, got a smallest of {windows.min():.6g}")
    empty = np.flatnonzero(windows.max(axis=(1, 2)) <= 0)
    if len(empty):
        raise ValueError(f"windows: some mass in each, got zero in every pixel of window {empty[0]}")
