"""Maps of a lens on the pixels of its image, at the best parameters, and the FITS file of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from astropy.io import fits
from numpy.typing import NDArray

from configs.files import replacing
from configs.lens_model import LensModel
from configs.provenance import provenance
from sim.lensing.camera import Camera
from sim.lensing.distortion import distortion
from sim.lensing.posterior import Draws

Array = NDArray[np.float64]
UNITS = {"potential": "arcsec2", "alpha_x": "arcsec", "alpha_y": "arcsec"}


@dataclass(frozen=True)
class Maps:
    """(n, n) at the middles of pixels, rows going with y; magnification has the sign of the parity."""

    kappa: Array
    gamma1: Array
    gamma2: Array
    magnification: Array
    alpha_x: Array
    alpha_y: Array
    potential: Array
    x: Array
    y: Array


def maps(model: LensModel, lens: Draws) -> Maps:
    """Of the one draw `lens`."""
    camera = Camera(model.n_pixels, model.pixel_size, dtype=torch.float64)
    x, y = (side.reshape(1, -1) for side in camera.rays)
    here, mass = distortion(lens.mass, x, y), lens.mass
    flat = (
        mass.convergence(x, y),
        here.gamma1,
        here.gamma2,
        1 / here.inverse_magnification,
        *mass.deflection(x, y),
        mass.potential(x, y),
        x,
        y,
    )
    return Maps(*(one.reshape(model.n_pixels, model.n_pixels).numpy() for one in flat))


def write_maps(path: Path, model: LensModel, found: Maps) -> None:
    """An image extension a map, with its scale in arcsec from the middle of the field."""
    names = [name for name in vars(found) if name not in ("x", "y")]
    primary = fits.PrimaryHDU()
    primary.header.update({"OBJECT": model.name, "COMMIT": provenance()["commit"]})
    images = [fits.ImageHDU(getattr(found, name), _header(model, name), name=name.upper()) for name in names]
    with replacing(path) as temporary:
        fits.HDUList([primary, *images]).writeto(temporary)


def _header(model: LensModel, name: str) -> fits.Header:
    return fits.Header({**axes(model.n_pixels, model.pixel_size), "BUNIT": UNITS.get(name, "")})


def axes(n_pixels: int, pixel_size: float) -> dict[str, str | float]:
    """Cards of a square map in arcsec from its middle."""
    middle = (n_pixels + 1) / 2
    return {f"{key}{axis}": value for axis in (1, 2) for key, value in _axis(pixel_size, middle).items()}


def _axis(pixel_size: float, middle: float) -> dict[str, str | float]:
    return {"CRPIX": middle, "CRVAL": 0.0, "CDELT": pixel_size, "CUNIT": "arcsec"}
