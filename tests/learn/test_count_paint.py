"""Halos painted into boxes: draws by number alone, resumed, of a box, a snapshot or a density; refusals by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_boxes import BOX, simulation
from toy_counts import toy_grids, write_toy_counts
from untrained import write_checkpoint

from configs import CountShards, PaintHalos, Train
from learn.counts import paint
from learn.halo_painter import HaloPainter
from sim.count_grids import density_of
from sim.snapshot import read


@pytest.fixture
def config(count_train: Callable[..., Train], tmp_path: Path) -> PaintHalos:
    np.save(tmp_path / "box.npy", 64 * toy_grids(2).density)
    checkpoint = write_checkpoint(tmp_path / "model", count_train())
    return PaintHalos(checkpoint=checkpoint, source=tmp_path / "box.npy", out=tmp_path / "out", n_draws=3, tile=5)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.npy"))}


def test_draws_are_the_painters_and_kept(config: PaintHalos) -> None:
    paths = list(paint.paint(config))
    assert (config.out / paint.PICTURE).read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in paths] == [f"halos_{i:06d}.npy" for i in range(3)]
    density = np.load(config.out / "density.npy")
    np.testing.assert_allclose(density, toy_grids(2).density, rtol=1e-6)
    painter = HaloPainter.load(config.checkpoint)
    draws = [np.load(path) for path in paths]
    np.testing.assert_array_equal(draws[1], painter(density, seed=paint.seed_of(config, 1), tile=5))
    assert not np.array_equal(draws[0], draws[1])
    about = json.loads((config.out / "paint.json").read_text())
    assert about["made_from"]["cells"] == [12, 12, 12]
    assert about["channels"] == ["halos_12_13", "halos_13_15"]


def test_what_is_there_is_kept_and_what_is_missing_is_made_again(config: PaintHalos) -> None:
    list(paint.paint(config))
    whole = content(config.out)
    (config.out / "halos_000001.npy").unlink()
    before = (config.out / "halos_000000.npy").stat().st_mtime_ns
    list(paint.paint(config))
    assert content(config.out) == whole
    assert (config.out / "halos_000000.npy").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="expected draws of the same model in the same box, got others"):
        list(paint.paint(config.model_copy(update={"params": {"omega_m": 0.2}})))


def test_a_box_and_its_snapshot_are_on_the_cells_of_the_painter(
    count_train: Callable[..., Train], tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write_toy_counts(folder, cell_size=2.5, box_size=30.0)
    data = CountShards(kind="counts", folder=folder, patch=6, margin=2)
    model = write_checkpoint(tmp_path / "model", count_train(data=data))
    simulation(tmp_path / "box_0003", seed=5)
    painter = HaloPainter.load(model)
    of_box = PaintHalos(checkpoint=model, source=tmp_path / "box_0003", out=tmp_path / "out")
    given = paint.given_by(of_box, painter)
    expected = density_of(read(tmp_path / "box_0003/snap_001.hdf5").particles["dark_matter"].pos, 12.5, 5)
    np.testing.assert_array_equal(given.density, expected)
    assert paint.params_of(of_box, painter, given).tolist() == pytest.approx([0.3, BOX.cosmology.sigma8, 0.0])
    of_file = of_box.model_copy(update={"source": tmp_path / "box_0003/snap_001.hdf5", "params": {"sigma8": 0.9}})
    other = paint.given_by(of_file, painter)
    np.testing.assert_array_equal(other.density, expected)
    assert paint.params_of(of_file, painter, other).tolist() == pytest.approx([0.3, 0.9, 0.0])
    assert np.load(next(paint.paint(of_box))).shape == (2, 5, 5, 5)


def test_sources_that_are_none_are_refused(config: PaintHalos, tmp_path: Path) -> None:
    painter = HaloPainter.load(config.checkpoint)
    with pytest.raises(FileNotFoundError, match="expected the folder of a box, a snapshot or a density"):
        paint.given_by(config.model_copy(update={"source": tmp_path / "nowhere"}), painter)
    bad = {"flat": np.ones((3, 3)), "empty": np.zeros((3, 3, 3)), "none": np.full((3, 3, 3), np.nan)}
    for name, values in bad.items():
        np.save(tmp_path / f"{name}.npy", values)
        with pytest.raises(ValueError, match=f"{name}.npy: expected"):
            paint.given_by(config.model_copy(update={"source": tmp_path / f"{name}.npy"}), painter)
    (tmp_path / "words.npy").write_text("words")
    with pytest.raises(ValueError, match=r"words\.npy: expected a whole \.npy file"):
        paint.given_by(config.model_copy(update={"source": tmp_path / "words.npy"}), painter)
