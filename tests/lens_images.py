"""Simulated exposures of lenses, as observations and as the files that telescopes and modellers leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sim.images.observation import Observation
from sim.images.psf import gaussian
from sim.lensing.camera import Camera
from sim.lensing.ellipse import ellipticity
from sim.lensing.exposure import Exposure
from sim.lensing.light import Sersic
from sim.lensing.profiles import SIE

PIXEL = 0.05
FWHM = 2.0
"""Of the point spread function [pixel]."""
HST = Exposure(time=2000.0, read_noise=4.0, n_reads=4, sky=0.1)


@dataclass(frozen=True)
class Galaxy:
    """Of the lens: radius and centre [pixel], Sersic index, axis ratio and its angle [rad]."""

    amplitude: float = 60.0
    r_e: float = 8.0
    n: float = 3.0
    q: float = 0.8
    phi: float = 0.6
    x: float = 0.0
    y: float = 0.0

    def profile(self) -> Sersic:
        shape = ellipticity(of(self.q), of(self.phi))
        return Sersic(
            of(self.amplitude), of(self.r_e * PIXEL), of(self.n), *shape, of(self.x * PIXEL), of(self.y * PIXEL)
        )


def of(value: float) -> torch.Tensor:
    return torch.full((1, 1, 1), value, dtype=torch.float64)


def rate(n: int = 81, galaxy: Galaxy | None = None, *, ring: float = 40.0) -> NDArray[np.float64]:
    """Electrons / s of a lens, and of its ring if that has a brightness; both centred on the galaxy."""
    kernel = torch.from_numpy(gaussian(FWHM, 15))[None]
    camera = Camera(n, PIXEL, supersampling=4, psf=kernel, dtype=torch.float64)
    at = galaxy or Galaxy()
    center = of(at.x * PIXEL), of(at.y * PIXEL)
    mass = SIE(of(1.2), of(0.0), of(0.0), *center)
    source = Sersic(of(ring), of(0.1), of(1.0), of(0.0), of(0.0), *center)
    light = at.profile() if galaxy is not None else None
    return np.asarray(camera.image(mass, source, light)[0])


def observation(truth: NDArray[np.float64], seed: int = 0, **known: object) -> Observation:
    """An exposure of a rate, without its noise map."""
    image = HST.observed(truth, np.random.default_rng(seed))
    content = {"unit": "electron/s", "exposure_time": HST.time, "pixel_size": PIXEL, "psf": gaussian(FWHM, 15)} | known
    return Observation(name="simulated", image=image, mask=np.ones(image.shape, bool), **content)  # type: ignore[arg-type]
