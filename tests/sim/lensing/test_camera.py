from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from lens_systems import MASSES, Draw, center, drawn, keywords, shape
from lenstronomy.Data.pixel_grid import PixelGrid
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel
from torch import Tensor

from sim.lensing import psf
from sim.lensing.camera import Camera
from sim.lensing.light import Pixels, Sersic
from sim.lensing.profiles import SIE, Mass, Shear, Sum

SIDE, PIXEL = 48, 0.08
KERNELS: dict[str, Callable[[], Tensor]] = {
    "gaussian": lambda: psf.gaussian(torch.tensor([0.15]).double(), PIXEL, 15),
    "moffat": lambda: psf.moffat(*(torch.tensor([v]).double() for v in (0.2, 3.0, 0.1, -0.05)), PIXEL, 15),
    "airy": lambda: psf.airy(torch.tensor([0.12]).double(), PIXEL, 15),
}


def galaxy(draw: Draw) -> Sersic:
    return Sersic(draw(1, 10), draw(0.2, 0.6), draw(0.8, 4.0), *shape(draw), *center(draw))


def as_grids(value: object) -> object:
    return type(value)(**{name: column[..., None] for name, column in vars(value).items()})


def light_keywords(light: Sersic, i: int) -> dict[str, float]:
    names = {"amplitude": "amp", "r_e": "R_sersic", "n": "n_sersic", "x": "center_x", "y": "center_y"}
    return {names.get(name, name): float(value[i]) for name, value in vars(light).items()}


def by_lenstronomy(
    camera: Camera, kinds: list[str], masses: list[Mass], source: Sersic, light: Sersic, i: int
) -> np.ndarray:
    edge = -(camera.n_pixels - 1) / 2 * camera.pixel_size
    grid = PixelGrid(
        nx=camera.n_pixels,
        ny=camera.n_pixels,
        transform_pix2angle=camera.pixel_size * np.eye(2),
        ra_at_xy_0=edge,
        dec_at_xy_0=edge,
    )
    blur = PSF("NONE") if camera.psf is None else PSF("PIXEL", kernel_point_source=camera.psf[0].numpy())
    model = ImageModel(
        grid,
        blur,
        LensModel(kinds),
        LightModel(["SERSIC_ELLIPSE"]),
        LightModel(["SERSIC_ELLIPSE"]),
        kwargs_numerics={"supersampling_factor": camera.supersampling, "supersampling_convolution": False},
    )
    told = [keywords(mass, i) for mass in masses]
    return model.image(told, [light_keywords(source, i)], [light_keywords(light, i)])


@pytest.mark.filterwarnings("ignore:`axes` should not be `None`:DeprecationWarning")  # lenstronomy's transforms
@pytest.mark.parametrize(("supersampling", "kernel"), [(1, None), (2, "gaussian"), (3, "moffat"), (1, "airy")])
@pytest.mark.parametrize("kind", [kind for kind in MASSES if kind != "SHEAR"])
def test_images_are_lenstronomys(kind: str, supersampling: int, kernel: str | None) -> None:
    n, draw = 8, drawn(8, 1)
    kinds = [kind, "SHEAR"]
    masses = [MASSES[name](draw) for name in kinds]
    source, light = galaxy(draw), galaxy(draw)
    told = KERNELS[kernel]() if kernel else None
    camera = Camera(SIDE, PIXEL, supersampling, told, torch.float64)
    images = camera.image(Sum([as_grids(mass) for mass in masses]), as_grids(source), as_grids(light))
    for i in range(n):
        expected = by_lenstronomy(camera, kinds, masses, source, light, i)
        error = np.abs(images[i].numpy() - expected) / expected.max()
        assert error.max() < 3e-3, (kind, i)
        assert np.median(error) < 1e-5


def lens(n: int, seed: int) -> Sum:
    draw = drawn(n, seed)
    return Sum([as_grids(MASSES["SIE"](draw)), as_grids(Shear(draw(-0.1, 0.1), draw(-0.1, 0.1)))])


def test_back_projection_is_the_transpose_of_the_forward_operator() -> None:
    camera = Camera(32, 0.12, 2, KERNELS["moffat"]())
    rng = torch.Generator().manual_seed(0)
    sources = torch.rand(4, 20, 20, generator=rng, dtype=torch.float64, requires_grad=True)
    at = torch.zeros(1, 1, 1, dtype=torch.float64)
    images = camera.image(lens(4, 3), Pixels(sources, at + 0.1, at, at))
    shown = torch.rand(images.shape, generator=rng, dtype=torch.float64)
    (back,) = torch.autograd.grad((images * shown).sum(), sources)
    forth, there = (images * shown).sum((1, 2)), (back * sources).sum((1, 2))
    torch.testing.assert_close(there / forth, torch.ones(4, dtype=torch.float64), rtol=1e-10, atol=0)
    assert (back.flatten(1).count_nonzero(1) > 50).all()


def test_the_image_answers_to_the_lens_as_finite_differences_say() -> None:
    camera = Camera(24, 0.15, 2, KERNELS["gaussian"](), torch.float64)
    source = as_grids(galaxy(drawn(1, 5)))
    names = ("theta_e", "e1", "e2", "x", "y")
    at = torch.tensor([1.1, 0.1, -0.15, 0.03, -0.05], dtype=torch.float64)

    def image(values: Tensor) -> Tensor:
        return camera.image(SIE(**dict(zip(names, values[:, None, None, None], strict=True))), source)

    slopes = torch.autograd.functional.jacobian(image, at)
    for i in range(len(names)):
        step = 1e-5 * torch.eye(len(names), dtype=torch.float64)[i]
        moved = (image(at + step) - image(at - step)) / 2e-5
        torch.testing.assert_close(slopes[..., i], moved, rtol=1e-4, atol=1e-5 * float(moved.abs().max()))


def test_an_unlensed_galaxy_has_its_flux_whatever_the_supersampling() -> None:
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    disc = Sersic(2 * one, 0.5 * one, one, 0.2 * one, 0.1 * one, 0.02 * one, 0 * one)
    for supersampling in (1, 4):
        camera = Camera(120, 0.08, supersampling, KERNELS["airy"](), torch.float64)
        x, y = camera.rays
        image = camera.recorded(disc.brightness(x, y))
        assert float(image.sum()) == pytest.approx(float(disc.flux()), rel=3e-3)


def test_an_image_as_a_source_is_itself_without_a_lens() -> None:
    rng = torch.Generator().manual_seed(1)
    pixels = torch.rand(3, 16, 16, generator=rng, dtype=torch.float64)
    at = torch.zeros(1, 1, 1, dtype=torch.float64)
    camera = Camera(16, 0.1, dtype=torch.float64)
    seen = camera.recorded(Pixels(pixels, at + 0.1, at, at).brightness(*camera.rays))
    torch.testing.assert_close(seen, pixels * 0.01)
    shifted = camera.recorded(Pixels(pixels, at + 0.1, at + 0.2, at - 0.1).brightness(*camera.rays))
    torch.testing.assert_close(shifted[:, :-1, 2:], pixels[:, 1:, :-2] * 0.01)
