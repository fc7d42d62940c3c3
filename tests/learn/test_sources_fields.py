"""Density fields of our own boxes as data: what is read, and what is refused."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from own_boxes import BOX, simulation
from toy_fields import fields

from learn.sources import open_source, stock
from learn.sources.fields import averaged
from learn.sources.stock import Cubes
from sim import cosmology, snapshot
from sim.shards import UNIT

SPLITS = ("train", "validation", "test")


def test_fields_are_the_maps_of_the_runs_with_the_parameters_of_their_cosmologies(toy_boxes: Path) -> None:
    config = fields(toy_boxes, param_names=("sigma8", "omega_m", "redshift"), redshift=1.0)
    seen = {}
    for split in SPLITS:
        source = open_source(config, split)
        assert (source.about.unit, source.about.n_dims, source.about.n_pixels) == (UNIT, 2, 16)
        for name, indices in source.simulations.items():
            assert name not in seen
            read = seen[name] = source.read(indices)
            record = json.loads((toy_boxes / name / "box.json").read_text())["box"]["cosmology"]
            np.testing.assert_allclose(read.params, [[record["sigma8"], record["omega_m"], 1.0]] * 3, rtol=1e-6)
            with h5py.File(toy_boxes / name / "maps_000.hdf5") as file:
                np.testing.assert_allclose(read.targets[:, 0], file["surface_density"][:], rtol=1e-6)
            assert read.inputs.shape == (3, 0, 16, 16)
    assert len(seen) == 10


def test_coarser_fields_are_averages_of_squares(toy_boxes: Path) -> None:
    fine, coarse = (open_source(fields(toy_boxes, n_pixels=n), "test").read([0]).targets[0, 0] for n in (16, 4))
    np.testing.assert_allclose(coarse[1, 2], fine[4:8, 8:12].mean(), rtol=1e-6)
    np.testing.assert_allclose(coarse.mean(), fine.mean(), rtol=1e-6)
    cube = np.arange(4**3, dtype=np.float32).reshape(4, 4, 4)
    np.testing.assert_allclose(averaged(cube, 2, where="x")[1, 0, 1], cube[2:, :2, 2:].mean())


def test_a_source_travels_without_its_fields_and_is_known_by_what_it_is(toy_boxes: Path, tmp_path: Path) -> None:
    source = open_source(fields(toy_boxes), "train")
    again = pickle.loads(pickle.dumps(source))
    assert torch.equal(again.read([4]).targets, source.read([4]).targets)
    elsewhere = shutil.copytree(toy_boxes, tmp_path / "boxes")
    assert open_source(fields(elsewhere), "test").about == source.about
    others = [fields(elsewhere, seed=1), fields(elsewhere, redshift=1.0), fields(elsewhere, param_names=("sigma8",))]
    assert len({open_source(other, "train").about.data_sha256 for other in (*others, fields(toy_boxes))}) == 4


def test_cubes_hold_the_mass_of_the_particles(tmp_path: Path) -> None:
    for i in range(3):
        simulation(tmp_path / f"box_{i}", seed=i)
        (tmp_path / f"box_{i}" / "snap_000.hdf5").unlink()  # of another redshift
    source = open_source(fields(tmp_path, n_dims=3, n_pixels=8, split=(0.34, 0.33, 0.33)), "train")
    assert source.about.n_dims == 3
    assert source.about.unit == "Msun/h / (Mpc/h)^3"
    (cube,) = source.read([0]).targets
    assert cube.shape == (1, 8, 8, 8)
    expected = BOX.n_particles**3 * cosmology.particle_mass(BOX) / BOX.box_size**3
    np.testing.assert_allclose(cube.mean(), expected, rtol=1e-5)
    assert cube.max() > 20 * cube.mean()  # the clump
    (name,) = source.simulations
    pos = snapshot.read(tmp_path / name / "snap_001.hdf5").particles["dark_matter"].pos
    nearest, _ = np.histogramdd((pos + 0.5 * source.about.pixel_size) % BOX.box_size, 8, [(0, BOX.box_size)] * 3)
    assert cube.argmax() == nearest.argmax()


def test_a_snapshot_is_read_once_for_a_cube_while_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        simulation(tmp_path / f"box_{i}", seed=i)
    read: list[str] = []
    painted = Cubes._painted
    monkeypatch.setattr(Cubes, "_painted", lambda self, name: (read.append(name), painted(self, name))[1])
    for kept, times in ((stock.KEPT, 1), (8**3 * 4, 3)):
        monkeypatch.setattr(stock, "KEPT", kept)
        source = open_source(fields(tmp_path, n_dims=3, n_pixels=8, split=(1.0, 0.0, 0.0)), "train")
        first = source.read([0, 1, 2]).targets
        source.close()
        for _ in range(2):
            assert torch.equal(source.read([2, 1, 0]).targets.flip(0), first)
        assert sorted(read.count(name) for name in set(read)) == [1, times, times]
        read.clear()


def test_the_dark_matter_of_pair_shards_is_a_field(toy_pairs: Path) -> None:
    source = open_source(fields(toy_pairs, n_pixels=8, param_names=("omega_m", "h"), redshift=1.0), "train")
    read = source.read(range(len(source)))
    assert read.targets.shape == (9, 1, 8, 8)
    np.testing.assert_allclose(read.params, [[0.3, 0.7]] * 9, rtol=1e-6)
    source.close()
    assert torch.equal(source.read([3]).targets[0], read.targets[3])


def test_what_cannot_be_read_is_refused_by_name(toy_boxes: Path, toy_pairs: Path, tmp_path: Path) -> None:
    for config, words in (
        (fields(toy_boxes, param_names=("omega_m", "mass")), "param_names: some of omega_m, .*redshift, got mass"),
        (fields(toy_boxes, redshift=0.5), "expected an output at redshift 0.5, got"),
        (fields(toy_boxes, n_pixels=12), r"multiples of 12 pixels, got \(16, 16\)"),
        (fields(toy_pairs), "expected redshift 0, got 1"),
        (fields(toy_pairs, n_dims=3), "expected simulations for n_dims=3, got shards"),
    ):
        with pytest.raises(ValueError, match=words):
            open_source(config, "train").read([0])
    with pytest.raises(FileNotFoundError, match=r"expected simulations with a box.json, found none"):
        open_source(fields(tmp_path), "train")
    with pytest.raises(ValueError, match=r"param_names: each once"):
        fields(toy_boxes, param_names=("h", "h"))
    damaged = shutil.copytree(toy_boxes, tmp_path / "boxes")
    for path in damaged.glob("*/maps_001.hdf5"):
        path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(ValueError, match=r"maps_001.hdf5: expected whole maps"):
        open_source(fields(damaged), "train").read([0])
    with pytest.raises(ValueError, match=r"expected densities >= 0"):
        averaged(np.full((4, 4), -1.0, np.float32), 2, where="x")
