"""A classical fit, to compare with: lenstronomy's swarm, then its simplex, one system at a time.

An elliptical power law in external shear before one elliptical Sersic profile, whose amplitude is solved for. It is
told what a machine is told: image, noise map and assumed kernel. Angles are in frames, but for what is handed out.
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lenstronomy.Data.imaging_data import ImageData
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_linear_solve import ImageLinearFit
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.Workflow.fitting_sequence import FittingSequence
from numpy.typing import NDArray

from learn.lenses.inverter import Floats, arcsec
from learn.lenses.latent import NAMES, Lens, radii_of
from learn.lenses.likelihood import FRAME
from learn.lenses.scores import Answer

Bounds = Mapping[str, tuple[float, float, float, float]]
"""Of each parameter: where the swarm starts, how far about it, lowest, highest."""
Told = list[dict[str, Any]]

MASSES, LIGHTS = ("EPL", "SHEAR"), ("SERSIC_ELLIPSE",)
POWER_LAW: Bounds = {
    "theta_E": (0.45, 0.35, 0.02, 1.5),
    "gamma": (2.0, 0.1, 1.5, 2.5),
    "e1": (0.0, 0.2, -0.6, 0.6),
    "e2": (0.0, 0.2, -0.6, 0.6),
    "center_x": (0.0, 0.05, -0.2, 0.2),
    "center_y": (0.0, 0.05, -0.2, 0.2),
}
SHEAR: Bounds = {"gamma1": (0.0, 0.05, -0.3, 0.3), "gamma2": (0.0, 0.05, -0.3, 0.3)}
SOURCE: Bounds = {
    "R_sersic": (0.1, 0.08, 0.01, 1.0),
    "n_sersic": (1.5, 1.0, 0.4, 5.0),
    "e1": (0.0, 0.2, -0.6, 0.6),
    "e2": (0.0, 0.2, -0.6, 0.6),
    "center_x": (0.0, 0.2, -0.6, 0.6),
    "center_y": (0.0, 0.2, -0.6, 0.6),
}
N_FITTED = float(sum(map(len, (POWER_LAW, SHEAR, SOURCE))) + 1)
"""Free numbers, the amplitude the last."""
ORIGIN = {"ra_0": 0.0, "dec_0": 0.0}
OURS = {"theta_E": "theta_e", "gamma": "slope", "center_x": "x", "center_y": "y"}


@dataclass(frozen=True)
class Classical:
    """How hard to try: particles, most steps of the swarm and of the simplex, and rays along a pixel."""

    n_particles: int
    n_swarm: int
    n_simplex: int
    supersampling: int = 2

    def __call__(self, images: Floats, noise: Floats, psf: Floats, pixel_size: Floats, grid: Grid, seed: int) -> Answer:
        """Images and noise (B, n, n), kernels (B, k, k), pixel sizes (B,) [arcsec]; sources on `grid`."""
        begun = time.process_time()
        each = [self._fitted(*told, seed + i) for i, told in enumerate(zip(images, noise, psf, strict=True))]
        seconds = (time.process_time() - begun) / len(each)
        frame = pixel_size * images.shape[-1] / FRAME
        lenses = arcsec(Lens(torch.tensor([numbers(one.masses) for one in each])), frame)
        area = (FRAME / images.shape[-1]) ** 2
        sources = np.stack([area * grid.brightness(one.lights) for one in each]).astype(np.float32)
        models = np.stack([one.model for one in each]).astype(np.float32)
        return Answer(sources, lenses, radii_of(lenses), models, seconds, N_FITTED)

    def _fitted(self, image: Floats, noise: Floats, psf: Floats, seed: int) -> Fitted:
        data, kernel = data_of(image, noise), {"psf_type": "PIXEL", "kernel_point_source": psf.astype(np.float64)}
        numerics = {"supersampling_factor": self.supersampling, "supersampling_convolution": False}
        bands = {"multi_band_list": [[data, kernel, numerics]], "multi_band_type": "single-band"}
        model = {"lens_model_list": [*MASSES], "source_light_model_list": [*LIGHTS]}
        swarm = {"sigma_scale": 1.0, "n_particles": self.n_particles, "n_iterations": self.n_swarm}
        with quiet(), seeded(seed):
            fit = FittingSequence(bands, model, {}, {}, parameters(), verbose=False)
            fit.fit_sequence([["PSO", swarm], ["SIMPLEX", {"n_iterations": self.n_simplex}]])
            found = fit.best_fit()
            return solved(found["kwargs_lens"], found["kwargs_source"], data, kernel, numerics)


@dataclass(frozen=True)
class Fitted:
    """The parameters of one system as lenstronomy calls them, and its image (n, n)."""

    masses: Told
    lights: Told
    model: NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Sources of `n` squared pixels over `field` of the side of an image."""

    n: int
    field: float

    def brightness(self, lights: Told) -> NDArray[np.float64]:
        """(n, n), for a unit of solid angle."""
        along = self.field * ((np.arange(self.n) + 0.5) * 2 / self.n - 1)
        x, y = (at.ravel() for at in np.meshgrid(along, along))
        return np.asarray(LightModel([*LIGHTS]).surface_brightness(x, y, lights)).reshape(self.n, self.n)


def solved(masses: Told, lights: Told, data: Any, kernel: Any, numerics: Any) -> Fitted:
    """With the amplitude that fits best."""
    parts = (ImageData(**data), PSF(**kernel), LensModel([*MASSES]), LightModel([*LIGHTS]))
    image = ImageLinearFit(*parts, kwargs_numerics=numerics)
    model, *_ = image.image_linear_solve(masses, lights)
    return Fitted(masses, lights, np.asarray(model))


def data_of(image: Floats, noise: Floats) -> dict[str, Any]:
    """An image in frames as lenstronomy is told of it."""
    n = len(image)
    pixel, edge = FRAME / n, (1 / n - 1)
    grid = {"ra_at_xy_0": edge, "dec_at_xy_0": edge, "transform_pix2angle": pixel * np.eye(2)}
    return {"image_data": image.astype(np.float64), "noise_map": noise.astype(np.float64), **grid}


def parameters() -> dict[str, Any]:
    """Starts, widths, what is fixed, lowest and highest values of all parameters."""
    return {
        "lens_model": columns([POWER_LAW, SHEAR], [{}, ORIGIN]),
        "source_model": columns([SOURCE], [{}]),
    }


def columns(bounds: Sequence[Bounds], fixed: Sequence[dict[str, float]]) -> list[Any]:
    """In lenstronomy's order."""
    start, width, low, high = ([{name: one[i] for name, one in part.items()} for part in bounds] for i in range(4))
    return [start, width, [*fixed], low, high]


def numbers(masses: Told) -> list[float]:
    """Of a lens, in the order of `NAMES`, in frames; no halo."""
    told = {OURS.get(name, name): float(value) for part in masses for name, value in part.items()}
    return [told.get(name, 1.0 if name == "r_s" else 0.0) for name in NAMES]


@contextmanager
def quiet() -> Iterator[None]:
    """Without what lenstronomy and scipy print and warn of."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """With the random state that a swarm draws from, which is numpy's global one, and back."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
