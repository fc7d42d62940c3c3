"""Painters of halos: tiles are the whole, any side, seeds alone decide, refusals in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_counts import toy_grids
from untrained import write_checkpoint

from configs import Train
from learn.halo_painter import HaloPainter, tiles
from learn.model import MAX_SEED, FarError
from learn.predict import Predictor

Make = Callable[..., Train]


@pytest.fixture(params=["counts", "wgan"])
def painter(request: pytest.FixtureRequest, count_train: Make, tmp_path: Path) -> HaloPainter:
    return HaloPainter.load(write_checkpoint(tmp_path / "model", count_train(request.param)))


def box(seed: int = 2, n: int = 12) -> np.ndarray:
    return toy_grids(seed, n).density


@pytest.mark.parametrize("tile", [1, 5, 12])
def test_tiles_are_the_whole(painter: HaloPainter, tile: int) -> None:
    whole = painter(box(), seed=4, tile=64)
    parts = painter(box(), seed=4, tile=tile)
    assert (whole.dtype, whole.shape) == (np.int32, (2, 12, 12, 12))
    assert whole.min() == 0
    assert whole.max() > 0
    # A rate that rounds otherwise moves the count of a cell whose uniform is as near to a step.
    assert (parts != whole).mean() < 1e-3
    assert np.abs(parts - whole).max() <= 1


def test_tiles_are_the_whole_in_rounds(count_train: Make, tmp_path: Path) -> None:
    method = {"kind": "counts", "likelihood": "occupation", "rounds": 3}
    painter = HaloPainter.load(write_checkpoint(tmp_path / "model", count_train(method)))
    whole, parts = (painter(box(), seed=4, tile=tile) for tile in (64, 5))
    assert whole.max() > 0
    assert (parts != whole).mean() < 1e-3


def test_tiles_have_the_rates_of_the_whole_to_rounding(painter: HaloPainter) -> None:
    method, params = painter._halo_method, torch.tensor(painter.check_params(None, 1))
    wide = method.halos.wrapped(torch.tensor(box())[None, None])
    normals = torch.randn(1, method.halos.n_noise, *wide.shape[-3:])
    (net,) = (net for name, net in painter._nets.items() if name != "critic")
    whole = method.halos.answer(net, wide, params, normals)
    for start, end in tiles((12, 12, 12), 5):
        part = (..., *(slice(a, b + 4) for a, b in zip(start, end, strict=True)))
        found = method.halos.answer(net, wide[part], params, normals[part])
        inside = (..., *(slice(a, b) for a, b in zip(start, end, strict=True)))
        torch.testing.assert_close(found, whole[inside], rtol=1e-5, atol=1e-5)


def test_the_box_of_training_is_what_the_method_predicts(painter: HaloPainter) -> None:
    shown, params = torch.tensor(box())[None, None], torch.tensor(painter.check_params(None, 1))
    expected = painter.answers(shown.numpy(), params.numpy(), torch.tensor([7]))[0]
    assert (painter(box(), seed=7) != expected).mean() < 1e-3


def test_any_side_will_do_and_the_seed_decides(painter: HaloPainter) -> None:
    density = np.abs(np.random.default_rng(0).normal(size=(7, 4, 9))).astype(np.float32)
    halos = painter(density, seed=1)
    assert halos.shape == (2, 7, 4, 9)
    assert np.array_equal(halos, painter(density, seed=1))
    assert not np.array_equal(halos, painter(density, seed=2))
    assert not np.array_equal(halos, painter(density * 3, seed=1))
    params = [painter.params_from({"omega_m": value}) for value in (0.3, 900.0)]
    assert not np.array_equal(painter(density, params[0], seed=1), painter(density, params[1], seed=1))
    assert painter(density, seed=MAX_SEED - 1).shape == halos.shape


@pytest.mark.parametrize(
    ("density", "problem"),
    [
        (np.ones((4, 4)), r"density: 3 axes of at least 2 cells, got shape \(4, 4\)"),
        (np.ones((4, 4, 1)), r"density: 3 axes of at least 2 cells"),
        (-np.ones((4, 4, 4)), "density: finite numbers >= 0 in every cell"),
        (np.full((4, 4, 4), np.nan), "density: finite numbers >= 0 in every cell"),
    ],
)
def test_what_is_no_box_is_refused(painter: HaloPainter, density: np.ndarray, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        painter(density)


def test_other_cells_and_seeds_are_refused(painter: HaloPainter) -> None:
    with pytest.raises(ValueError, match="cell_size: expected 4 Mpc/h within 1%, got 3"):
        painter(box(), cell_size=3.0)
    with pytest.raises(ValueError, match="seed: from 0"):
        painter(box(), seed=-1)
    with pytest.raises(ValueError, match="parameters: any of omega_m, sigma8, redshift; got mass"):
        painter.params_from({"mass": 1.0})
    with pytest.raises(ValueError, match="tile: at least 1 cell"):
        painter(box(), tile=0)


def test_a_model_without_numbers_is_no_box_without_halos(painter: HaloPainter) -> None:
    for net in painter._nets.values():
        for x in net.parameters():
            torch.nn.init.constant_(x, torch.nan)
    with pytest.raises(FarError, match="got cells without a count"):
        painter(box())


def test_a_painter_of_maps_is_none_of_halos(toy_train: Train, count_train: Make, tmp_path: Path) -> None:
    maps = write_checkpoint(tmp_path / "maps", toy_train)
    with pytest.raises(ValueError, match="expected a method of HaloPainting, got regression"):
        HaloPainter.load(maps)
    with pytest.raises(ValueError, match="expected a method of Painting, got counts"):
        Predictor.load(write_checkpoint(tmp_path / "halos", count_train()))


def test_tiles_cover_a_box_once() -> None:
    seen = np.zeros((5, 7, 3), int)
    for start, end in tiles((5, 7, 3), 3):
        seen[tuple(slice(a, b) for a, b in zip(start, end, strict=True))] += 1
    assert (seen == 1).all()
