from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from astropy.io import fits
from small_lenses import FAMILIES, family, with_galaxies, write_galaxies

from configs import Lenses
from sim.lensing import reference
from sim.lensing.camera import Camera
from sim.lensing.exposure import rate_of
from sim.lensing.light import Pixels
from sim.lensing.observations import images, observe
from sim.lensing.scene import Columns, scene, source
from sim.lensing.selection import select
from sim.lensing.truth import NINE, alike

AXES = "ignore:`axes` should not be `None`:DeprecationWarning"
"""Of lenstronomy's transforms."""


def difference(config: Lenses, n: int = 6) -> np.ndarray:
    """Of both engines, over the peak."""
    truths, _ = select(config, range(n))
    ours, theirs = images(truths, config).numpy(), reference.images(truths, config)
    return abs(ours - theirs) / theirs.max((1, 2), keepdims=True)


@pytest.mark.filterwarnings(AXES)
@pytest.mark.parametrize("name", FAMILIES)
def test_both_engines_make_the_same_images_of_a_family(name: str) -> None:
    error = difference(family(name))
    assert error.max() < 1e-4
    assert np.median(error) < 1e-6


@pytest.mark.filterwarnings(AXES)
def test_both_engines_lens_images_of_galaxies_and_use_a_given_kernel(tmp_path: Path) -> None:
    config = with_galaxies(family("foundation"), write_galaxies(tmp_path / "galaxies.fits"))
    rng = np.random.default_rng(0)
    fits.writeto(tmp_path / "kernel.fits", rng.random((9, 9)))
    space = config.instruments[0]
    psf = space.psf.model_copy(update={"kinds": ("kernel",), "kernel": tmp_path / "kernel.fits"})
    config = config.model_copy(update={"instruments": (space.model_copy(update={"psf": psf}),)})
    error = difference(config)
    assert error.max() < 1e-4
    assert np.median(error) < 1e-6


@pytest.mark.filterwarnings(AXES)
def test_the_engine_of_a_family_makes_its_images() -> None:
    config = family("foundation", engine="lenstronomy")
    truths, _ = select(config, range(2))
    np.testing.assert_allclose(observe(truths, config).noiseless, reference.images(truths, config), rtol=1e-6)


def test_a_batch_is_its_systems_one_by_one_whatever_their_cameras() -> None:
    config = family("multi_instrument")
    truths, _ = select(config, range(9))
    assert len(set(truths["pixel_size"])) == 3
    together = observe(truths, config)
    for i in (0, 4, 8):
        alone = observe(truths.take(slice(i, i + 1)), config)
        for name, one, some in zip(together._fields, alone, together, strict=True):
            photon = 5e-4 * float(some[i].abs().max())  # rounding makes one of a count more or less, here and there
            torch.testing.assert_close(one[0], some[i], rtol=1e-4, atol=photon, msg=name)
        there = scene(truths.take(slice(i, i + 1)), config)
        camera = Camera(config.n_pixels, float(truths["pixel_size"][i]), config.supersampling, there.camera.psf)
        shown = camera.image(there.mass, there.source, there.light)
        torch.testing.assert_close(shown[0], together.noiseless[i], rtol=1e-4, atol=1e-5 * float(shown.max()))


def test_exposures_scatter_about_the_noiseless_image_as_the_noise_map_says() -> None:
    config = family("enhanced")
    truths, _ = select(config, range(12))
    seen = observe(truths, config)
    pull = (seen.image - seen.noiseless) / seen.noise_map
    assert all(one.dtype == torch.float32 and one.isfinite().all() for one in seen)
    assert float(pull.std()) == pytest.approx(1, abs=0.03)
    assert abs(float(pull.mean())) < 0.05
    again = observe(truths, config)
    assert all(torch.equal(one, other) for one, other in zip(seen, again, strict=True))


def test_the_source_on_its_own_grid_lensed_is_the_image() -> None:
    config = family("foundation", n_source_pixels=200)
    smooth = config.sources.model_copy(update={"n": 1.0, "r_e": 0.25})
    config = config.model_copy(update={"sources": smooth})
    truths, _ = select(config, range(4))
    seen, there, at = observe(truths, config), scene(truths, config), torch.zeros(1, 1, 1)
    pixels = Pixels(seen.source, torch.tensor(truths["source_field"] / 200).float().reshape(-1, 1, 1), at, at)
    again = there.camera.image(there.mass, pixels)
    peak = seen.noiseless.amax((1, 2), keepdim=True)
    assert float(((again - seen.noiseless) / peak).abs().max()) < 0.02
    area = (truths["source_field"] / 200) ** 2
    flux = [rate_of(*pair) for pair in zip(truths["source_magnitude"], truths["zero_point"], strict=True)]
    np.testing.assert_allclose(seen.source.sum((1, 2)).numpy() * area, flux, rtol=0.05)


def test_parameters_are_the_nine_and_the_psf_is_what_the_observer_takes_it_for() -> None:
    config = family("enhanced")
    truths, _ = select(config, range(8))
    seen = observe(truths, config)
    assert list(NINE) == ["b", "q", "phi", "x0", "y0", "gamma", "gamma_phi", "kappa_s", "r_s"]
    np.testing.assert_allclose(seen.parameters[:, 0], truths["theta_e"], rtol=1e-6)
    np.testing.assert_allclose(seen.parameters[:, 6], truths["phi_gamma"], rtol=1e-5)
    true = scene(truths, config).camera.psf
    torch.testing.assert_close(seen.psf.sum((1, 2)), torch.ones(8))
    wider = truths["assumed_fwhm"] > truths["psf_fwhm"]
    lower = (seen.psf.amax((1, 2)) < true.amax((1, 2))).numpy()
    assert 0 < wider.sum() < 8
    assert (wider == lower).mean() >= 0.75


def test_clumps_on_the_lines_of_a_grid_are_those_on_its_points() -> None:
    truths, _ = select(family("realistic"), range(24))
    (clumpy, *_) = [group for group in alike(truths, 24) if truths.take(group).clumps.shape[1] > 1]
    config, columns = family("realistic"), Columns(truths.take(clumpy), torch.float32, "cpu")
    x, y = Camera(20, columns("source_field") / 20).rays
    galaxy = source(columns, config)
    lines, points = galaxy.brightness(x[:, :1], y[..., :1]), galaxy.brightness(x, y)
    torch.testing.assert_close(lines, points, rtol=1e-5, atol=1e-6 * float(points.max()))
