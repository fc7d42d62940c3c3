from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from scipy.signal import fftconvolve

from configs import Prepare
from sim.images import world
from sim.images.observation import Observation
from sim.images.psf import binned, gaussian
from sim.images.resample import framed, kernel, shares


def seen(n: int = 40, m: int = 50, **known: object) -> Observation:
    image = np.random.default_rng(0).standard_normal((n, m))
    content = {"mask": np.ones((n, m), bool), "noise": np.ones((n, m)), "pixel_size": 0.05, **known}
    return Observation(name="a", image=image, **content)  # type: ignore[arg-type]


def asked(tmp_path: Path, **options: object) -> Prepare:
    return Prepare(image=tmp_path, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("start", "ratio"), [(0.0, 1.0), (-3.3, 1.7), (2.25, 0.4), (-1.0, 3.0)])
def test_flux_is_conserved_when_the_new_frame_holds_the_old_one(start: float, ratio: float) -> None:
    image = np.random.default_rng(1).uniform(1, 2, (20, 20))
    part = shares(20, int(30 / ratio) + 5, start if start <= 0 else -start, ratio)
    assert (part @ image @ part.T).sum() == pytest.approx(image.sum(), rel=1e-12)
    row = np.random.default_rng(2).uniform(size=20)
    inner = shares(20, 8, 2.5, ratio / 4)
    covered = np.interp([2.5, 2.5 + 2 * ratio], np.arange(21), np.append(0, np.cumsum(row)))
    assert (inner @ row).sum() == pytest.approx(covered[1] - covered[0], rel=1e-12)


def test_shifts_by_whole_pixels_roll_and_blocks_add_up(tmp_path: Path) -> None:
    one = seen()
    cut = framed(replace(one, center=(22.0, 17.0)), asked(tmp_path, n_pixels=21))
    np.testing.assert_array_equal(cut.image, one.image[7:28, 12:33])
    assert cut.center == (10, 10)
    halved = framed(one, asked(tmp_path, pixel_size=0.1))
    np.testing.assert_allclose(halved.image, one.image.reshape(20, 2, 25, 2).sum((1, 3)), rtol=0, atol=1e-12)
    np.testing.assert_allclose(halved.noise, 2)
    assert halved.pixel_size == pytest.approx(0.1)


def test_noise_has_the_variance_that_is_claimed(tmp_path: Path) -> None:
    rng, found = np.random.default_rng(3), []
    deviation = rng.uniform(0.5, 2, (24, 24))
    for _ in range(400):
        image = deviation * rng.standard_normal((24, 24))
        one = seen(24, 24, noise=deviation, center=(11.3, 12.1))
        new = framed(replace(one, image=image), asked(tmp_path, n_pixels=11, pixel_size=0.08))
        found.append(new.image / new.noise)
    scatter = np.std(found, axis=0)
    assert scatter.mean() == pytest.approx(1, abs=0.01)
    assert np.abs(scatter - 1).max() < 0.2


def test_nothing_is_used_beyond_the_old_frame_or_on_a_pixel_that_was_not(tmp_path: Path) -> None:
    mask = np.ones((40, 50), bool)
    mask[20, 25] = False
    new = framed(seen(mask=mask), asked(tmp_path, n_pixels=30, pixel_size=0.1))
    inside = np.zeros((30, 30), bool)
    inside[5:25, 3:27] = True  # whole new pixels on the old frame
    assert not new.mask[~inside].any()
    assert (inside & ~new.mask).sum() in (1, 2, 4)
    assert np.isfinite(new.noise).all()  # type: ignore[arg-type]
    assert (new.noise > 0).all()  # type: ignore[operator]


def test_a_point_in_the_middle_of_a_new_pixel_leaves_the_new_kernel() -> None:
    fine = gaussian(5.0, 31)
    point = np.zeros((61, 61))
    point[30, 30] = 1
    blurred = fftconvolve(point, fine, mode="same")
    ratio, n = 2.6, 11
    part = shares(61, n, 30.5 - n * ratio / 2, ratio)
    expected = part @ blurred @ part.T
    found = kernel(fine, ratio)
    assert found.shape == (11, 11)
    assert found.sum() == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=0, atol=1e-12)
    small = binned(gaussian(9.0, 45), 3)
    assert small.shape == (15, 15)
    np.testing.assert_allclose(small, gaussian(3.0, 15), rtol=0, atol=1e-6)


def celestial(rotation: float) -> WCS:
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0})
    header["CRPIX1"], header["CRPIX2"] = 300.0, -20.0
    cos, sin = np.cos(rotation), np.sin(rotation)
    for key, value in zip(("CD1_1", "CD1_2", "CD2_1", "CD2_2"), (-cos, sin, sin, cos), strict=True):
        header[key] = value * 0.05 / 3600
    frame = world.world(header)
    assert frame is not None
    return frame


@pytest.mark.parametrize("options", [{"n_pixels": 21}, {"n_pixels": 24, "pixel_size": 0.083}, {"pixel_size": 0.02}])
def test_a_star_keeps_its_place_in_the_sky(tmp_path: Path, options: dict[str, float]) -> None:
    frame, one = celestial(0.4), seen(center=(24.4, 19.2))
    rows, columns = np.indices(one.image.shape)
    star = np.exp(-((columns - 26.3) ** 2 + (rows - 17.8) ** 2) / (2 * 1.5**2))
    new = framed(replace(one, image=star, wcs=frame), asked(tmp_path, **options))
    y, x = np.indices(new.image.shape)
    at = (new.image * x).sum() / new.image.sum(), (new.image * y).sum() / new.image.sum()
    assert new.wcs is not None
    found, truth = SkyCoord.from_pixel(*at, new.wcs), SkyCoord.from_pixel(26.3, 17.8, frame)
    assert new.pixel_size is not None
    assert found.separation(truth).arcsec / new.pixel_size < 0.05
    assert world.scale(new.wcs)[0] == pytest.approx(new.pixel_size, rel=1e-6)


def test_a_new_pixel_size_needs_an_old_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a: pixel_size: expected an image whose pixel scale is known"):
        framed(seen(pixel_size=None), asked(tmp_path, pixel_size=0.1))
