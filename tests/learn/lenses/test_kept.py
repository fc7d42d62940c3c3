"""Fits that are kept: each system once, whatever else is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from learn.lenses import kept
from learn.lenses.classical import Classical, Grid
from learn.lenses.inverter import Exposures, Floats
from learn.lenses.kept import fitted, together
from learn.lenses.scores import Answer

GRID = Grid(4, 0.5)


@dataclass(frozen=True)
class Counted(Classical):
    """A fit that answers its image, and counts."""

    def __call__(self, images: Floats, noise: Floats, psf: Floats, pixel_size: Floats, grid: Grid, seed: int) -> Answer:
        assert (len(psf), grid.field) == (1, 0.5)
        calls.append(seed)
        return Answer(images, noise[:, 0], pixel_size, images + seed, 7.0)


calls: list[int] = []
FIT = Counted(4, 1, 1)


def one(value: float) -> Exposures:
    image = np.full((1, 4, 4), value, np.float32)
    return Exposures(image, image + 1, image[:, :3, :3], np.ones(1, np.float32))


def test_a_fit_is_made_once(tmp_path: Path) -> None:
    calls.clear()
    first, was_kept = fitted(tmp_path, FIT, one(2.0), GRID, 5)
    again, is_kept = fitted(tmp_path, FIT, one(2.0), GRID, 5)
    assert (was_kept, is_kept, calls) == (False, True, [5])
    assert again.seconds == first.seconds == 7.0
    for name in ("source", "lens", "einstein_radius", "model"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))


def test_another_image_effort_grid_or_seed_is_another_fit(tmp_path: Path) -> None:
    calls.clear()
    fitted(tmp_path, FIT, one(2.0), GRID, 5)
    for told in (
        (FIT, one(2.5), GRID, 5),
        (replace(FIT, n_swarm=2), one(2.0), GRID, 5),
        (FIT, one(2.0), replace(GRID, n=5), 5),
        (FIT, one(2.0), GRID, 6),
    ):
        assert not fitted(tmp_path, *told)[1]
    assert len(list(tmp_path.iterdir())) == len(calls) == 5


def test_another_model_is_another_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted(tmp_path, FIT, one(2.0), GRID, 5)
    monkeypatch.setattr(kept, "MASSES", ("SIE", "SHEAR"))
    assert not fitted(tmp_path, FIT, one(2.0), GRID, 5)[1]


def test_fits_of_several_systems_are_one_answer(tmp_path: Path) -> None:
    answers = [fitted(tmp_path, FIT, one(value), GRID, 0)[0] for value in (1.0, 2.0)]
    found = together(answers)
    assert found.source is not None
    assert found.source[:, 0, 0].tolist() == [1.0, 2.0]
    assert found.seconds == 7.0
