"""Point images: found where they are, as bright as they are, gone, and hidden where they may have left something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lens_images import FWHM, HST, PIXEL, Galaxy, observation, rate
from numpy.typing import NDArray
from scipy import ndimage, special

from configs import Prepare
from sim.images import prepared, world
from sim.images.noise import mapped
from sim.images.observation import Observation
from sim.images.points import POINT_ERROR, Point, fitted, pointed, told

N = 61
POINTS = (Point(48.4, 45.4, 300.0), Point(50.8, 42.1, 60.0), Point(7.1, 25.0, 15.0))
SAID = [(one.x + 1.6, one.y + 1.3) for one in POINTS]


def asked(**options: Any) -> Prepare:
    return Prepare.model_validate({"image": Path("a.fits"), **options}, strict=False)


def analytic(points: tuple[Point, ...]) -> NDArray[np.float64]:
    """Gaussian points, integrated over the pixels as the kernel is."""
    edges, width = np.arange(N + 1) - 0.5, FWHM / np.sqrt(8 * np.log(2))
    along = [[np.diff(special.ndtr((edges - at) / width)) for at in (one.y, one.x)] for one in points]
    return np.asarray(sum(one.flux * np.outer(y, x) for one, (y, x) in zip(points, along, strict=True)))


def exposed(truth: NDArray[np.float64], **known: Any) -> Observation:
    """With its noise map."""
    rms = np.sqrt(HST.sky * HST.time + HST.n_reads * HST.read_noise**2) / HST.time
    return mapped(observation(truth, background_rms=float(rms), **known))


@pytest.fixture(scope="module")
def host() -> NDArray[np.float64]:
    return rate(N, Galaxy(), ring=40.0)


@pytest.fixture(scope="module")
def seen(host: NDArray[np.float64]) -> Observation:
    return exposed(host + analytic(POINTS))


def test_points_are_found_beside_a_ring_and_one_another(seen: Observation) -> None:
    found = fitted(seen, SAID)
    for one, truth in zip(found, POINTS, strict=True):
        assert np.hypot(one.x - truth.x, one.y - truth.y) < 0.05
        assert one.flux == pytest.approx(truth.flux, rel=0.01, abs=3.0)


def test_what_is_left_is_the_host_within_the_noise_that_is_told(host: NDArray[np.float64], seen: Observation) -> None:
    done = pointed(seen, asked(points=SAID))
    off = (done.image - host)[done.mask] / done.sigma[done.mask]
    assert abs(off.std() - 1) < 0.1
    assert (done.sigma >= seen.sigma).all()
    error = POINT_ERROR * ndimage.maximum_filter(analytic(POINTS), 3)
    assert not done.mask[error > 1.3 * seen.sigma].any()
    assert done.mask[error < 0.4 * seen.sigma].all()
    assert done.known("points")["NPOINTS"] == 3


def test_where_they_are_is_read_from_the_header_in_its_coordinates(seen: Observation) -> None:
    frame = world.offsets(np.array([[-PIXEL, 0.0], [0.0, PIXEL]]), (1.5, -1.5))
    cards = [
        (f"Q{axis}{i}", float(value), "")
        for i, (x, y) in enumerate(SAID, 1)
        for axis, value in (("X", 1.5 - PIXEL * x), ("Y", -1.5 + PIXEL * y))
    ]
    done = Observation(name="a", image=seen.image, mask=seen.mask, wcs=frame, cards=tuple(cards))
    np.testing.assert_allclose(told(done), SAID, rtol=0, atol=1e-9)
    assert told(seen) == []
    left = pointed(done, asked())
    assert left.image is done.image
    assert left.warnings == ("point images are left: there is no point spread function",)
    assert pointed(seen, asked()) is seen


def test_a_prepared_file_does_not_lose_them_twice(seen: Observation, tmp_path: Path) -> None:
    prepared.write(tmp_path / "a.fits", pointed(seen, asked(points=SAID)))
    back = prepared.read(tmp_path / "a.fits")
    assert pointed(back, asked(points=SAID)) is back


def test_a_point_that_overlaps_the_edge_is_drawn_in_part(seen: Observation) -> None:
    edge = (Point(0.4, 59.7, 100.0),)
    (found,) = fitted(exposed(analytic(edge)), [(1.0, 59.0)])
    assert (found.x, found.y, found.flux) == pytest.approx((0.4, 59.7, 100.0), rel=0.02, abs=0.05)


def test_what_cannot_be_a_point_is_refused(seen: Observation) -> None:
    with pytest.raises(ValueError, match=r"points: expected pixels of a frame 61 x 61, got \(70"):
        pointed(seen, asked(points=[(70.0, 3.0)]))
    bare = exposed(np.ones((N, N)), psf=None)
    with pytest.raises(ValueError, match="points: expected a point spread function, got none"):
        pointed(bare, asked(points=SAID))
