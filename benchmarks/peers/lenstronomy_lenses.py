"""The lenses of benchmarks/lenses.py, by lenstronomy: one image model for all, its Gaussian PSF in two short passes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from lenstronomy.Data.pixel_grid import PixelGrid
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.Util.param_util import phi_q2_ellipticity

from benchmarks.peers.imaging import Columns, Setup, work

NAMES = {
    "theta_e": "theta_E",
    "amplitude": "amp",
    "r_e": "R_sersic",
    "n": "n_sersic",
    "x": "center_x",
    "y": "center_y",
    "gamma1": "gamma1",
    "gamma2": "gamma2",
}


class Painter:
    def __init__(self, setup: Setup) -> None:
        warnings.simplefilter("ignore", DeprecationWarning)
        edge, n = -(setup.n_pixels - 1) / 2 * setup.pixel_size, setup.n_pixels
        grid = PixelGrid(n, n, setup.pixel_size * np.eye(2), edge, edge)
        sersic = LightModel(["SERSIC_ELLIPSE"])
        blur = PSF("GAUSSIAN", fwhm=setup.fwhm, pixel_size=setup.pixel_size, truncation=5)
        told = {"supersampling_factor": setup.supersampling, "supersampling_convolution": False}
        self.model = ImageModel(grid, blur, LensModel(["SIE", "SHEAR"]), sersic, sersic, kwargs_numerics=told)

    def prepared(self, columns: Columns) -> list[tuple[list[dict[str, float]], ...]]:
        n = len(columns["lens.q"])
        parts = {part: [keywords(part, columns, i) for i in range(n)] for part in ("lens", "shear", "source", "light")}
        every = zip(parts["lens"], parts["shear"], parts["source"], parts["light"], strict=True)
        return [([lens, shear], [source], [light]) for lens, shear, source, light in every]

    def images(self, batch: list[tuple[list[dict[str, float]], ...]]) -> Any:
        return np.stack([self.model.image(*one) for one in batch])


def keywords(part: str, columns: Columns, i: int) -> dict[str, float]:
    """The parameters of a part of the i-th system."""
    told = {name.split(".")[1]: float(value[i]) for name, value in columns.items() if name.startswith(part + ".")}
    found = {NAMES[name]: value for name, value in told.items() if name in NAMES}
    if "q" in told:
        found["e1"], found["e2"] = phi_q2_ellipticity(told["phi"], told["q"])
    return found


if __name__ == "__main__":
    work(Painter)
