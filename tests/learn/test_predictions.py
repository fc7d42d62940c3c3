from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from learn.predictions import Predictions, PredictionWriter

N_MAPS = {"box_0001": 2, "box_0002": 3}
SHAPE = (3, 8, 8)


def maps(name: str, *, n_draws: int | None = None, seed: int = 0) -> NDArray[np.float32]:
    shape = (N_MAPS[name], *SHAPE) if n_draws is None else (n_draws, N_MAPS[name], *SHAPE)
    return np.random.default_rng([seed, N_MAPS[name]]).random(shape, dtype=np.float32)


def write(folder: Path, *, n_draws: int | None = None) -> Path:
    for name in N_MAPS:
        np.save(folder / f"{name}.npy", maps(name, n_draws=n_draws))
    return folder


def test_maps_are_read_as_they_were_saved(tmp_path: Path) -> None:
    found = Predictions(write(tmp_path), N_MAPS, SHAPE)
    assert found.n_draws == 1
    np.testing.assert_array_equal(found.draws("box_0002", 2), maps("box_0002")[None, 2])


def test_draws_come_together_for_each_map(tmp_path: Path) -> None:
    found = Predictions(write(tmp_path, n_draws=5), N_MAPS, SHAPE)
    assert found.n_draws == 5
    np.testing.assert_array_equal(found.draws("box_0001", 1), maps("box_0001", n_draws=5)[:, 1])


@pytest.mark.parametrize("n_draws", [1, 4])
def test_what_is_written_is_read(n_draws: int, tmp_path: Path) -> None:
    writer = PredictionWriter(tmp_path / "new", SHAPE, n_draws=n_draws)
    for name, n in N_MAPS.items():
        with writer.simulation(name, n) as kept:
            kept[:] = maps(name, n_draws=n_draws)
    found = Predictions(tmp_path / "new", N_MAPS, SHAPE)
    assert found.n_draws == n_draws
    for name in N_MAPS:
        np.testing.assert_array_equal(found.draws(name, 1), maps(name, n_draws=n_draws)[:, 1])
    ndim = np.load(tmp_path / "new" / "box_0001.npy", allow_pickle=False).ndim
    assert ndim == (4 if n_draws == 1 else 5)


def test_a_simulation_that_fails_leaves_no_file(tmp_path: Path) -> None:
    writer = PredictionWriter(tmp_path, SHAPE, n_draws=1)
    with pytest.raises(ValueError, match="broadcast"), writer.simulation("box_0001", 2) as kept:
        kept[:, 0] = np.ones((3, 9, 9))
    assert list(tmp_path.iterdir()) == []


def test_missing_and_unknown_simulations_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Predictions(tmp_path / "nowhere", N_MAPS, SHAPE)
    write(tmp_path)
    np.save(tmp_path / "box_0009.npy", maps("box_0001"))
    with pytest.raises(ValueError, match=r"among box_0001, box_0002, got box_0009\.npy"):
        Predictions(tmp_path, N_MAPS, SHAPE)
    (tmp_path / "box_0009.npy").unlink()
    (tmp_path / "box_0002.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"box_0002\.npy"):
        Predictions(tmp_path, N_MAPS, SHAPE)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (np.zeros((2, *SHAPE)), "float64"),
        (np.zeros((3, *SHAPE), np.float32), r"\(2, 3, 8, 8\)"),
        (np.zeros((2, 2, 8, 8), np.float32), r"got float32 of shape \(2, 2, 8, 8\)"),
        (np.zeros((0, 2, *SHAPE), np.float32), "draws in front"),
        (np.array([{}], dtype=object), "expected an array of float32"),
    ],
)
def test_other_types_and_shapes_are_refused_unread(other: NDArray, message: str, tmp_path: Path) -> None:
    write(tmp_path)
    np.save(tmp_path / "box_0001.npy", other, allow_pickle=True)
    with pytest.raises(ValueError, match=message):
        Predictions(tmp_path, N_MAPS, SHAPE)


def test_simulations_have_the_same_number_of_draws(tmp_path: Path) -> None:
    write(tmp_path, n_draws=4)
    np.save(tmp_path / "box_0002.npy", maps("box_0002", n_draws=3))
    with pytest.raises(ValueError, match=r"4 draws as in box_0001\.npy, got box_0002\.npy with 3"):
        Predictions(tmp_path, N_MAPS, SHAPE)
