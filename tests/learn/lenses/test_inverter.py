"""One machine and several as functions of images: what they answer, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lens_families import toy_machine, toy_systems

from learn.lenses.ensemble import Ensemble, pooled
from learn.lenses.gallery import given
from learn.lenses.inverter import LENGTHS, Effort, Floats, Inverter, arcsec, in_frames
from learn.lenses.latent import NAMES
from learn.sources.lenses import LensSource

Told = tuple[Floats, Floats, Floats, Floats]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("machine")
    return toy_machine(folder, toy_systems(folder))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    source = LensSource(toy_systems(tmp_path_factory.mktemp("systems")), "test")
    return *given(source.read([0, 1]), 9), np.array([0.08, 0.04], np.float32)


def test_the_course_is_that_of_one_run(checkpoint: Path, told: Told) -> None:
    inverter = Inverter.load(checkpoint)
    course = inverter.course(*told, (1, 3))
    assert list(course) == [1, 3]
    for n, found in course.items():
        alone = inverter(*told, Effort(n_iterations=n, n_draws=0))
        np.testing.assert_array_equal(found.source, alone.source)
        np.testing.assert_array_equal(found.lens, alone.lens)
        assert np.isnan(found.source_error).all()
        assert found.draws.shape == (0, 2, 12)


def test_a_fit_has_finer_pixels_of_the_same_field(checkpoint: Path, told: Told) -> None:
    inverter = Inverter.load(checkpoint)
    own, fitted = inverter(*told, Effort(n_draws=2)), inverter(*told, Effort(n_refine=1, n_draws=2))
    side = own.source.shape[-1]
    assert fitted.source.shape == fitted.source_error.shape == (2, 2 * side, 2 * side)
    np.testing.assert_allclose(fitted.source_pixel, own.source_pixel / 2, rtol=1e-6)
    assert (own.n_fitted == 0).all()
    assert (fitted.n_fitted > 0).all()


def test_lengths_scale_with_pixels_and_nothing_else_does(checkpoint: Path, told: Told) -> None:
    inverter, lengths = Inverter.load(checkpoint), [NAMES.index(name) for name in LENGTHS]
    one, other = inverter(*told, seed=1), inverter(*told[:3], 3 * told[3], seed=1)
    for a, b in ((one.lens, other.lens), (one.draws, other.draws), (one.lens_error, other.lens_error)):
        np.testing.assert_allclose(np.delete(b, lengths, axis=-1), np.delete(a, lengths, axis=-1), rtol=1e-6)
        np.testing.assert_allclose(b[..., lengths], 3 * a[..., lengths], rtol=1e-5)
    np.testing.assert_array_equal(one.source, other.source)
    frame = np.array([2.0, 0.5], np.float32)
    np.testing.assert_allclose(arcsec(in_frames(one.lens, frame), frame), one.lens, rtol=1e-6)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"n_iterations": 0}, "n_iterations: at least 1"),
        ({"n_draws": 1}, "n_draws: 0 or at least 2"),
        ({"n_refine": -1}, "n_refine: at least 0"),
    ],
)
def test_efforts_that_are_none_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Effort(**changed)


def test_sizes_that_are_none_are_refused(checkpoint: Path, told: Told) -> None:
    inverter = Inverter.load(checkpoint)
    for sizes in (np.ones(3), np.array([0.1, 0.0]), np.array([0.1, np.nan])):
        with pytest.raises(ValueError, match="pixel_size: 2 finite numbers above 0"):
            inverter(*told[:3], sizes.astype(np.float32))


def test_an_ensemble_of_one_is_that_one(checkpoint: Path, told: Told) -> None:
    alone, found = Inverter.load(checkpoint)(*told), Ensemble.load([checkpoint])(*told)
    for name, expected in vars(alone).items():
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-4, err_msg=name)


def test_members_that_differ_are_less_certain_together(checkpoint: Path, told: Told) -> None:
    """Sources two standard deviations apart scatter by one more."""
    one = Inverter.load(checkpoint)(*told)
    found = pooled([one, replace(one, source=one.source + 2 * one.source_error)])
    np.testing.assert_allclose(found.source, one.source + one.source_error, rtol=1e-5)
    np.testing.assert_allclose(found.source_error, np.sqrt(2) * one.source_error, rtol=1e-3)
    np.testing.assert_allclose(found.chi2, one.chi2, rtol=1e-5)
    assert found.draws.shape == (64, 2, 12)


def test_members_for_other_sources_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    other = toy_machine(tmp_path, toy_systems(tmp_path, n_source_pixels=16))
    with pytest.raises(ValueError, match="expected a machine with n_source 24 as the first, got 16"):
        Ensemble.load([checkpoint, other])
