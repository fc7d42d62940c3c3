"""The images of a family by lenstronomy instead of our camera: the same systems, an independent code.

lenstronomy has no spirals: they are a function of ours within its light model. Knows nothing of noise or of files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lenstronomy.Data.pixel_grid import PixelGrid
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.LightModel.Profiles.sersic import SersicElliptic
from numpy.typing import NDArray

from configs import Lenses
from sim.foreign import to_astropy
from sim.lensing.light import Gaussians, Light, Pixels, Spiral, Together
from sim.lensing.profiles import EPL, NFW, SIE, SIS, Mass, Shear
from sim.lensing.scene import Columns, kernels_of, lens_light, plane_of_lens, source
from sim.lensing.truth import Truths

Array = NDArray[np.float64]
Profile = tuple[str, dict[str, Any]]
"""What lenstronomy calls it, and its parameters."""

MASSES = {SIE: "SIE", EPL: "EPL", Shear: "SHEAR", NFW: "NFW", SIS: "SIS"}
NAMES = {"theta_e": "theta_E", "slope": "gamma", "r_s": "Rs", "x": "center_x", "y": "center_y", "sigma": "sigma"}
LIGHTS = {"amplitude": "amp", "flux": "amp", "r_e": "R_sersic", "n": "n_sersic", **NAMES}


class SpiralArms(SersicElliptic):
    """`sim.lensing.light.Spiral` as lenstronomy calls a profile."""

    def function(self, x: Array, y: Array, **told: float) -> Array:  # type: ignore[override]
        light = Spiral(**{name: torch.tensor(value, dtype=torch.float64) for name, value in told.items()})
        return light.brightness(*(torch.as_tensor(np.atleast_1d(at), dtype=torch.float64) for at in (x, y))).numpy()


def images(truths: Truths, config: Lenses) -> Array:
    """Flux in each pixel (B, n, n), without noise."""
    return np.stack([image(truths.take(slice(i, i + 1)), config) for i in range(len(truths))])


def image(truths: Truths, config: Lenses) -> Array:
    """Of one system."""
    columns = Columns(truths, torch.float64, "cpu")
    behind, shining = lights(source(columns, config)), []
    if config.lens_light is not None:
        shining = lights(lens_light(columns))
    kernel = kernels_of(columns, config, prefix="psf")[0].numpy()
    lens, masses = lens_model(columns, config)
    model = ImageModel(
        pixels(float(truths["pixel_size"][0]), config.n_pixels),
        PSF("PIXEL", kernel_point_source=kernel),
        lens,
        light_model(behind),
        light_model(shining),
        kwargs_numerics={"supersampling_factor": config.supersampling, "supersampling_convolution": False},
    )
    return np.asarray(model.image(masses, [told for _, told in behind], [told for _, told in shining]))


def pixels(size: float, n: int) -> PixelGrid:
    edge = -(n - 1) / 2 * size
    return PixelGrid(nx=n, ny=n, transform_pix2angle=size * np.eye(2), ra_at_xy_0=edge, dec_at_xy_0=edge)


def lens_model(columns: Columns, config: Lenses) -> tuple[LensModel, list[dict[str, Any]]]:
    """The masses of one system, in planes if there are several, and their parameters."""
    found = [profile for part in plane_of_lens(columns, config).parts for profile in masses(part)]
    truths = columns.truths
    if config.mass.line_of_sight is None or not truths["theta_e_los"][0]:
        return LensModel([name for name, _ in found]), [told for _, told in found]
    redshifts = [float(truths["z_lens"][0])] * len(found) + [float(truths["z_los"][0])]
    names = {"theta_E": "theta_e_los", "center_x": "x_los", "center_y": "y_los"}
    found.append(("SIS", {key: float(truths[name][0]) for key, name in names.items()}))
    planes = {"lens_redshift_list": redshifts, "z_source": float(truths["z_source"][0]), "multi_plane": True}
    model = LensModel([name for name, _ in found], cosmo=to_astropy(config.cosmology), **planes)
    return model, [told for _, told in found]


def masses(part: Mass) -> list[Profile]:
    """Our mass as lenstronomy's, of which spheres are one each."""
    told = {NAMES.get(name, name): value.reshape(-1).tolist() for name, value in vars(part).items()}
    if isinstance(part, NFW):
        told["alpha_Rs"] = [4 * told.pop("kappa_s")[0] * told["Rs"][0] * (1 - np.log(2))]
    each = [{name: values[i] for name, values in told.items()} for i in range(len(next(iter(told.values()))))]
    return [(MASSES[type(part)], one) for one in each if one.get("theta_E", 1) > 0 and one.get("alpha_Rs", 1) > 0]


def lights(light: Light) -> list[Profile]:
    """Our light as lenstronomy's, with the clumps one by one."""
    if isinstance(light, Together):
        return [profile for part in light.parts for profile in lights(part)]
    if isinstance(light, Pixels):
        return [("INTERPOL", image_of(light))]
    if isinstance(light, Spiral):
        return [("SPIRAL", {name: float(value) for name, value in vars(light).items()})]
    told = {LIGHTS.get(name, name): value.reshape(-1).tolist() for name, value in vars(light).items()}
    kind = "GAUSSIAN" if isinstance(light, Gaussians) else "SERSIC_ELLIPSE"
    each = [{name: values[i] for name, values in told.items()} for i in range(len(told["amp"]))]
    return [(kind, one) for one in each if one["amp"] > 0]


def image_of(light: Pixels) -> dict[str, Any]:
    at = {"center_x": float(light.x), "center_y": float(light.y), "scale": float(light.pixel_size)}
    return {"image": light.image[0].numpy(), "amp": 1.0, "phi_G": 0.0, **at}


def light_model(profiles: list[Profile]) -> LightModel:
    """Of profiles, with our function in the place of those that it lacks."""
    model = LightModel(["SERSIC_ELLIPSE" if name == "SPIRAL" else name for name, _ in profiles])
    for i, (name, _) in enumerate(profiles):
        if name == "SPIRAL":
            model.func_list[i] = SpiralArms()
    return model
