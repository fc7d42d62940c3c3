from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from astropy.stats import sigma_clipped_stats
from lens_images import FWHM, HST, PIXEL, Galaxy, observation, rate
from scipy import ndimage

from configs import Prepare
from sim.images import corners
from sim.images.center import centered, fitted
from sim.images.checks import checked
from sim.images.light import modelled, outstanding
from sim.images.masks import masked
from sim.images.noise import mapped
from sim.images.normalize import SCALES, denormalized, normalized
from sim.images.observation import Observation, radii
from sim.images.prepare import prepared
from sim.images.psf import centroid, gaussian, odd, placed
from sim.images.sersic import Canvas, Sersic
from sim.images.sky import level, subtracted
from sim.images.units import converted, named
from sim.lensing import light as torch_light
from sim.lensing.exposure import Exposure


def asked(**options: Any) -> Prepare:
    return Prepare.model_validate({"image": Path("a.fits"), **options}, strict=False)


def flat(n: int = 120, sky: float = 0.0, **known: Any) -> Observation:
    return observation(np.full((n, n), sky), **{"psf": None, **known})


UNITS = {
    "ELECTRONS/S": "electron/s",
    "e-/sec": "electron/s",
    "electrons": "electron",
    "ADU": "count",
    "counts/s": "count/s",
    "nanomaggy": "nanomaggy",
    "MJy/sr": "MJy/sr",
    "uJy": "uJy",
    "mag": "unknown",
}


@pytest.mark.parametrize(("written", "name"), UNITS.items())
def test_units_are_known_however_they_are_written(written: str, name: str) -> None:
    assert named(written) == name


def test_brightness_of_one_source_is_the_same_whatever_the_unit() -> None:
    magnitude, time, gain, zero_point = 21.3, 500.0, 1.7, 25.9
    electrons = time * 10 ** (-0.4 * (magnitude - zero_point))
    microjansky = 10 ** (-0.4 * (magnitude - 23.9))
    known = {"exposure_time": time, "gain": gain, "zero_point": None, "psf": None}
    values = {"electron": electrons, "count": electrons / gain, "count/s": electrons / gain / time, "uJy": microjansky}
    values |= {"nJy": microjansky * 1e3, "nanomaggy": 10 ** (-0.4 * (magnitude - 22.5))}
    values |= {"MJy/sr": microjansky * 1e-12 / (math.radians(PIXEL / 3600) ** 2)}
    for unit, value in values.items():
        one = converted(replace(flat(4, **{**known, "unit": unit}), image=np.full((4, 4), value)))
        expected = {"electron/s": electrons / time, "uJy": microjansky}[one.unit]
        np.testing.assert_allclose(one.image, expected, rtol=1e-6)
    unknown = replace(flat(4, **{**known, "unit": "DN?", "zero_point": 25.9}), image=np.full((4, 4), electrons / time))
    np.testing.assert_allclose(converted(unknown).image, microjansky, rtol=1e-9)
    assert converted(unknown).zero_point == pytest.approx(23.9)


def test_a_unit_that_is_not_known_stays_and_is_said_so() -> None:
    one = converted(flat(8, unit="furlongs"))
    assert one.unit == "unknown"
    assert one.warnings == ("unit unknown",)
    assert "count" in converted(flat(8, unit="adu", gain=None)).warnings[0]


def test_the_level_of_the_sky_is_that_of_astropy_and_its_error_is_its_scatter() -> None:
    rng, found, errors = np.random.default_rng(0), [], []
    for _ in range(200):
        one = level(rng.normal(0.3, 0.1, 2000))
        found.append(one.mode)
        errors.append(one.error)
    assert np.mean(found) == pytest.approx(0.3, abs=0.002)
    assert np.std(found) == pytest.approx(np.mean(errors), rel=0.15)
    pixels = np.append(rng.normal(0.3, 0.1, 5000), rng.uniform(1, 50, 300))
    mean, median, deviation = sigma_clipped_stats(pixels, maxiters=20)
    assert level(pixels).mode == pytest.approx(3 * median - 2 * mean, abs=1e-9)
    assert level(pixels).rms == pytest.approx(deviation, rel=0.02)
    assert level(pixels).rms == pytest.approx(0.1, rel=0.03)


def test_sky_is_subtracted_where_it_is_sky_and_light_is_left() -> None:
    sky = flat(sky=0.4)
    found = subtracted(sky, asked())
    assert found.known("sky")["SKYLEVEL"] == pytest.approx(0.4, abs=5 * float(found.known("sky")["SKYERR"]))
    assert subtracted(sky, asked(sky=0.1)).image.mean() == pytest.approx(sky.image.mean() - 0.1)
    assert subtracted(sky, asked(sky=0)).image.mean() == sky.image.mean()
    halo = 0.5 * np.exp(-radii((120, 120), (59.5, 59.5)) / 40)
    lit = replace(sky, image=flat().image + halo)
    assert subtracted(lit, asked()).known("sky")["SKYLEVEL"] == 0
    assert "light, not sky" in subtracted(lit, asked()).history[-1].text
    assert subtracted(lit, asked(sky="measure")).known("sky")["SKYLEVEL"] > 0.05


def test_a_noise_map_that_is_made_is_that_of_the_exposure_to_two_percent() -> None:
    truth = rate(161, Galaxy())
    found, expected = [], np.sqrt(HST.variance(truth))
    for seed in range(4):
        one = mapped(subtracted(observation(truth, seed), asked()))
        found.append(one.sigma / expected)
    ratio = np.mean(found, axis=0)
    assert np.median(ratio) == pytest.approx(1, abs=0.02)
    bright = truth > 10 * HST.sky
    assert ratio[bright].mean() == pytest.approx(1, abs=0.02)
    assert one.known("noise")["NOISEOWN"] is False


def test_a_noise_map_without_an_exposure_time_is_background_alone_and_one_that_is_given_is_kept() -> None:
    one = mapped(subtracted(flat(exposure_time=None), asked()))
    assert np.ptp(one.sigma) == 0
    assert "without photon noise" in one.warnings[0]
    given = np.full((120, 120), 0.3)
    assert mapped(subtracted(flat(noise=given), asked())).noise is given
    with pytest.raises(ValueError, match=r"noise: expected a background that scatters, got rms 0"):
        mapped(subtracted(replace(flat(), image=np.zeros((120, 120))), asked()))


def test_the_point_spread_function_is_odd_centred_and_sums_to_one() -> None:
    even = np.pad(gaussian(3.0, 15), ((0, 3), (2, 0))) * 7
    np.testing.assert_allclose(odd(even, 101), gaussian(3.0, 15), atol=1e-12)
    assert odd(even, 9).shape == (9, 9)
    assert odd(even, 9).sum() == pytest.approx(1)
    beside = gaussian(3.0, 15)
    beside[8, 7] = 1.01 * beside.max()
    assert odd(beside, 101).shape == (15, 15)
    with pytest.raises(ValueError, match="psf: expected a peak inside the image"):
        odd(np.eye(5)[:1].repeat(5, 0), 5)
    with pytest.raises(ValueError, match="psf: expected an image of finite numbers"):
        odd(np.full((5, 5), np.nan), 5)


def test_a_star_in_the_frame_gives_the_point_spread_function() -> None:
    x, y, width = 80.3, 40.6, 3.0
    rows, columns = np.indices((120, 120))
    fine = [
        np.exp(-((columns + i - x) ** 2 + (rows + j - y) ** 2) / (2 * (width / 2.3548) ** 2)) for i in OFF for j in OFF
    ]
    one = observation(200 * np.mean(fine, axis=0) + 0.2)
    found = placed(one, asked(psf={"star": [79.0, 41.0], "size": 21}))
    assert found.psf is not None
    assert found.psf.shape == (21, 21)
    np.testing.assert_allclose(found.psf, gaussian(width, 21), atol=0.01 * gaussian(width, 21).max())
    with pytest.raises(ValueError, match=r"psf.star: expected a bright star"):
        placed(one, asked(psf={"star": [30.0, 90.0]}))
    told = placed(one, asked(psf={"fwhm": 0.1, "size": 15})).psf
    np.testing.assert_allclose(told, gaussian(2.0, 15))
    assert placed(replace(one, psf=None), asked()).warnings == ("no point spread function",)


OFF = (-0.4, -0.2, 0.0, 0.2, 0.4)


@pytest.mark.parametrize(("x", "y"), [(2.3, -1.6), (-4.8, 3.2)])
def test_the_galaxy_is_found_beside_its_ring(x: float, y: float) -> None:
    one = mapped(observation(rate(81, Galaxy(x=x, y=y)), noise=None, background_rms=0.01))
    found = centered(one, asked())
    assert found.center == pytest.approx((40 + x, 40 + y), abs=0.1)
    assert centered(one, asked(center=[3.0, 4.5])).center == (3.0, 4.5)
    assert centered(one, asked(center="none")).center == (40, 40)


def test_a_ring_is_centred_without_its_galaxy() -> None:
    x, y = 1.7, -2.4
    one = mapped(observation(rate(81, Galaxy(amplitude=0, x=x, y=y)), background_rms=0.01))
    ring = fitted(one)
    assert (ring.x, ring.y) == pytest.approx((40 + x, 40 + y), abs=0.1)
    assert ring.radius * PIXEL == pytest.approx(1.2, rel=0.03)
    with pytest.raises(ValueError, match="center=ring: expected a ring above the noise"):
        fitted(mapped(flat(background_rms=0.02)))


def test_no_galaxy_no_fit() -> None:
    one = prepared(flat(psf=gaussian(2.0, 15)), asked())
    assert "no galaxy found: the middle of the frame is its centre, no light is fitted" in one.warnings
    assert one.lens_light is None


def test_sersic_profiles_are_those_of_the_simulator() -> None:
    at = Galaxy(amplitude=1.0, n=2.5, x=1.3, y=-0.4)
    ours = Canvas((41, 41), None).drawn([Sersic(at.r_e, at.n, *map(float, shape(at)))], 20 + at.x, 20 + at.y)[0]
    rows, columns = np.indices((41, 41))
    place = (torch.from_numpy((axis - 20) * PIXEL)[None] for axis in (columns, rows))
    expected = np.asarray(at.profile().brightness(*place)[0])
    outside = radii((41, 41), (20 + at.x, 20 + at.y)) > 7
    np.testing.assert_allclose(ours[outside], expected[outside], rtol=1e-9)
    assert ours.sum() == pytest.approx(float(rate_of(at).sum()), rel=2e-3)


def shape(galaxy: Galaxy) -> tuple[torch.Tensor, torch.Tensor]:
    profile = galaxy.profile()
    return profile.e1, profile.e2


def rate_of(galaxy: Galaxy) -> np.ndarray:
    """Brightness averaged over 15 x 15 points a pixel, and then beside ours."""
    fine = (np.arange(41 * 15) - (41 * 15 - 1) / 2) / 15 * PIXEL
    y, x = np.meshgrid(fine, fine, indexing="ij")
    profile: torch_light.Light = galaxy.profile()
    values = np.asarray(profile.brightness(torch.from_numpy(x)[None], torch.from_numpy(y)[None])[0])
    return values.reshape(41, 15, 41, 15).mean((1, 3))


@pytest.mark.slow
def test_the_fit_recovers_a_galaxy_and_leaves_the_ring() -> None:
    at = Galaxy(x=0.8, y=-0.5)
    alone, both = rate(81, at, ring=0.0), rate(81, at, ring=40.0)
    one = mapped(observation(both, background_rms=math.sqrt(HST.variance(np.zeros(1))[0])))
    found = modelled(centered(one, asked()), asked(n_profiles=1))
    numbers = {key: float(value) for key, value in found.known("light").items()}
    assert (numbers["SER1RE"], numbers["SER1N"]) == pytest.approx((at.r_e, at.n), rel=0.1)
    assert (numbers["SER1E1"], numbers["SER1E2"]) == pytest.approx(tuple(map(float, shape(at))), abs=0.01)
    assert (numbers["LIGHTX"], numbers["LIGHTY"]) == pytest.approx((40 + at.x, 40 + at.y), abs=0.05)
    ring = both - alone
    left = found.image[ring > 0.2 * ring.max()].sum() / ring[ring > 0.2 * ring.max()].sum()
    assert left == pytest.approx(1, abs=0.05)
    assert numbers["CORECHI"] < 1.5
    kept = modelled(centered(one, asked()), asked(n_profiles=1, lens_light="model"))
    np.testing.assert_array_equal(kept.image, one.image)
    np.testing.assert_allclose(kept.image - found.lens_light, found.image)
    assert modelled(one, asked(lens_light="keep")) is one


def test_what_stands_out_is_the_ring() -> None:
    at = Galaxy()
    alone, both = rate(81, at, ring=0.0), rate(81, at, ring=40.0)
    one = mapped(observation(both, background_rms=0.02))
    ring = outstanding(one, alone)
    strong = both - alone > 2 * one.sigma
    assert ring[strong].mean() > 0.95
    assert ring[radii(ring.shape, (40, 40)) > 36].mean() < 0.02


def test_neighbours_are_masked_and_the_ring_is_not() -> None:
    truth = rate(81, Galaxy())
    rows, columns = np.indices(truth.shape)
    truth = truth + 2 * np.exp(-((columns - 72) ** 2 + (rows - 66) ** 2) / 8)
    one = masked(centered(mapped(observation(truth, background_rms=0.02)), asked()), asked())
    assert not one.mask[66, 72]
    assert one.mask[radii(one.mask.shape, (40, 40)) < 30].all()
    assert (~one.mask).sum() < 400
    circle = masked(one, asked(mask={"radius": 1.5}))
    np.testing.assert_array_equal(circle.mask, one.mask & (radii(one.mask.shape, one.center or (0, 0)) <= 30))
    assert masked(one, asked(mask={"neighbours": None})).mask.sum() == one.mask.sum()
    with pytest.raises(ValueError, match="mask: expected pixels that are used, got none"):
        masked(replace(one, mask=np.zeros_like(one.mask)), asked())


@pytest.mark.parametrize("kind", list(SCALES))
def test_normalisation_goes_there_and_back(kind: str) -> None:
    one = mapped(observation(rate(81, Galaxy()), background_rms=0.02))
    there = normalized(one, asked(normalize=kind))
    back = denormalized(there)
    np.testing.assert_allclose(back.image, one.image, rtol=0, atol=1e-12 * np.ptp(one.image))
    np.testing.assert_allclose(back.sigma, one.sigma, rtol=1e-12)
    np.testing.assert_allclose(there.image / there.sigma * one.sigma, one.image - there.known("normalize")["NORMOFF"])
    low, middle, high = there.image.min(), np.median(there.image), there.image.max()
    assert {"robust": middle, "minmax": low, "percentile": np.percentile(there.image, 1)}[kind] == pytest.approx(0)
    assert high == pytest.approx(1) if kind == "minmax" else high > 1
    with pytest.raises(ValueError, match=f"normalize={kind}: expected pixels that differ"):
        normalized(replace(one, image=np.ones_like(one.image)), asked(normalize=kind))


def test_corners_scatter_as_the_noise_map_says_and_correlated_noise_is_seen_in_blocks() -> None:
    one = mapped(flat(background_rms=math.sqrt(HST.variance(np.zeros(1))[0])))
    assert corners.chi(one) == pytest.approx((1, 1), abs=0.12)
    blurred = replace(one, image=ndimage.gaussian_filter(one.image, 1.5, mode="wrap"))
    pixels, blocks = corners.chi(blurred)
    assert pixels == pytest.approx(1 / math.sqrt(4 * math.pi * 1.5**2), rel=0.15)
    assert blocks > 3 * pixels
    assert math.isnan(corners.chi(replace(one, noise=None))[0])


def test_checks_warn_of_all_that_is_wrong() -> None:
    image = HST.observed(rate(81, Galaxy())[:, :71], np.random.default_rng(0))
    image[3, 4:8] = np.nan
    image = np.minimum(image, np.nanmax(image) / 2)
    noise = np.ones_like(image)
    noise[0, 0], noise[0, 1], noise[0, 2] = 1e16, 0, np.inf
    bad = replace(
        observation(rate(81)), image=image, mask=np.ones_like(image, bool), noise=noise, z_lens=2.0, z_source=0.5
    )
    found = checked(bad)
    assert [text.split(":")[0] for text in found.warnings] == [
        "0.07 % of the pixels are NaN",
        "saturated",
        "not square",
        "redshifts not used",
    ]
    assert (found.z_lens, found.z_source) == (None, None)
    assert found.known("checks")["NBAD"] == 7
    assert not found.mask[3, 4:8].any()
    assert not found.mask[0, :3].any()
    assert not found.mask[found.image == found.image.max()].any()
    assert np.isfinite(found.image).all()
    assert (found.sigma == 1).all()
    assert checked(replace(bad, z_source=2.5)).z_source == 2.5


def test_an_image_without_light_is_said_so_and_one_without_numbers_is_refused() -> None:
    assert checked(flat()).warnings == ("empty: no light rises above the noise",)
    assert checked(observation(rate(81, Galaxy()))).warnings == ()
    for value, got in ((0.0, "got 0 everywhere"), (np.nan, "got no number")):
        with pytest.raises(ValueError, match=got):
            checked(replace(flat(8), image=np.full((8, 8), value)))


def test_a_centroid_is_exact_for_what_is_round() -> None:
    rows, columns = np.indices((41, 41))
    round_one = np.exp(-((columns - 20.37) ** 2 + (rows - 18.81) ** 2) / (2 * 2.0**2))
    assert centroid(round_one, (20, 19), 2.0) == pytest.approx((20.37, 18.81), abs=1e-3)


def test_an_exposure_is_prepared_to_its_noise() -> None:
    exposure = Exposure(time=HST.time, read_noise=4.0, n_reads=4, sky=0.1)
    truth = rate(81, Galaxy(), ring=0.0)
    one = replace(observation(truth), image=exposure.observed(truth, np.random.default_rng(4)))
    found = prepared(one, asked(n_pixels=61, n_profiles=1))
    assert [step.name for step in found.history] == (
        ["checks", "units", "sky", "noise", "psf", "center", "masks", "light", "frame"]
    )
    assert found.image.shape == (61, 61)
    assert (found.image / found.sigma)[found.mask].std() == pytest.approx(1, abs=0.1)
    assert pytest.approx(found.known("psf")["PSFFWHM"], rel=0.15) == FWHM
