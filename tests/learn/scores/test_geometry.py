from __future__ import annotations

import numpy as np
import pytest

from learn.scores.geometry import Geometry


def test_a_hann_window_has_its_moments_and_is_the_same_from_every_side() -> None:
    window = Geometry(32, 0.5, periodic=False).window()
    for power, moment in ((1, 1 / 4), (2, 9 / 64), (3, 25 / 256)):
        assert (window**power).mean() == pytest.approx(moment)
    for moved in (window.T, window[::-1], window[:, ::-1]):
        np.testing.assert_allclose(moved, window)
    assert window.max() == window[15, 15]
    np.testing.assert_array_equal(Geometry(32, 0.5).window(8), np.ones((8, 8)))


def test_lengths_follow_from_the_pixels() -> None:
    geometry = Geometry(64, 0.5)
    assert (geometry.box_size, geometry.nyquist, geometry.edges) == (32, pytest.approx(2 * np.pi), "wrap")
    assert Geometry(64, 0.5, periodic=False).edges == "reflect"
