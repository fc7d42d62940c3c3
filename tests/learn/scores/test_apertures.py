from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from learn.scores.apertures import AREA, RADII, Apertures, disc_masses, usable
from learn.scores.geometry import Geometry


def test_a_disc_holds_the_pixels_within_its_radius() -> None:
    geometry = Geometry(64, 0.1)
    maps = np.full((2, 64, 64), 3.0)
    places = np.array([[32, 32], [0, 63]])
    for radius in (0.5, 1.0, 2.0):
        np.testing.assert_allclose(disc_masses(maps, places, radius, geometry), 3 * np.pi * radius**2, rtol=0.04)
    maps[:, 32, 37] = 1e6  # 0.5 from the first centre
    heavy = [disc_masses(maps, places, radius, geometry)[0, 0] > 1e3 for radius in (0.49, 0.51)]
    assert heavy == [False, True]


def test_a_disc_goes_on_across_the_edge() -> None:
    geometry = Geometry(32, 0.5)
    maps = np.random.default_rng(0).random((1, 32, 32))
    at_edge = disc_masses(maps, np.array([[0, 31]]), 2.0, geometry)
    inside = disc_masses(np.roll(maps, (9, 9), (1, 2)), np.array([[9, 8]]), 2.0, geometry)
    np.testing.assert_allclose(at_edge, inside)


def test_too_bright_by_a_tenth_is_a_bias_without_scatter(lognormal: Callable, views: Callable) -> None:
    truth = lognormal(0)
    apertures = Apertures(views(truth))
    scores = apertures.scores(apertures.measure(views(1.1 * truth, truth)), apertures.measure(views(truth)))
    for radius in (1.0, 2.0):
        np.testing.assert_allclose(scores[f"aperture_bias_{radius:g}"], 0.1)
        np.testing.assert_allclose(scores[f"aperture_scatter_{radius:g}"], 0, atol=1e-12)
    assert np.isnan(scores["aperture_bias_0.5"]).all()  # of one pixel


def test_noise_a_peak_is_scatter_without_bias(lognormal: Callable, views: Callable) -> None:
    truth = lognormal(0, n=8)
    apertures = Apertures(views(truth))
    factors = np.random.default_rng(0).normal(1, 0.1, size=truth.shape[:2])
    noisy = truth * factors[..., None, None]
    scores = apertures.scores(apertures.measure(views(noisy, truth)), apertures.measure(views(truth)))
    np.testing.assert_allclose(scores["aperture_scatter_2"], 0.1, rtol=0.6)
    fainter = apertures.scores(apertures.measure(views(0.2 * noisy, truth)), apertures.measure(views(truth)))
    np.testing.assert_allclose(fainter["aperture_scatter_2"], scores["aperture_scatter_2"])
    empty = apertures.scores(apertures.measure(views(0 * noisy, truth)), apertures.measure(views(truth)))
    assert np.isnan(empty["aperture_scatter_2"]).all()
    np.testing.assert_allclose(scores["aperture_bias_2"], np.median(factors, axis=0) - 1, atol=0.05)


def test_the_centres_are_the_highest_peaks_of_the_total(lognormal: Callable, views: Callable) -> None:
    truth = lognormal(0)
    seen = views(truth)
    places = Apertures(seen).places
    assert [len(at) for at in places] == [round(seen.geometry.box_size**2 / AREA)] * 2
    for at, heights in zip(places, seen.heights[:, 0], strict=True):
        values = heights[at[:, 0], at[:, 1]]
        assert np.all(np.diff(values) <= 0)
        assert values[0] == heights.max()


def test_a_map_that_does_not_wrap_has_whole_discs(lognormal: Callable, views: Callable) -> None:
    seen = views(lognormal(0), of=Geometry(64, 0.5, periodic=False))
    for at in Apertures(seen).places:
        assert at.min() * 0.5 >= max(RADII)
        assert (63 - at.max()) * 0.5 >= max(RADII)


def test_a_channel_without_mass_at_the_peaks_has_no_ratio(lognormal: Callable, views: Callable) -> None:
    truth = lognormal(0)
    keep = disc_free(truth, views)
    truth[:, 1] *= keep
    found = Apertures(views(truth)).measure(views(truth))
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[0, 1, 1:], 1)


def disc_free(truth: NDArray, views: Callable) -> NDArray:
    """0 near the peaks of the total, 1 elsewhere."""
    keep = np.ones((len(truth), 64, 64))
    line = np.arange(64)
    for one, at in zip(keep, Apertures(views(truth)).places, strict=True):
        for i, j in at:
            down, right = ((np.abs(line - x) + 32) % 64 - 32 for x in (i, j))
            one[np.hypot(down[:, None], right[None]) <= 5] = 0
    assert keep.any()
    return keep


def test_pixels_too_coarse_for_any_disc_are_refused() -> None:
    assert usable(Geometry(64, 0.6)) == (1.0, 2.0)
    with pytest.raises(ValueError, match="64 pixels of 3 Mpc/h"):
        usable(Geometry(64, 3.0))
