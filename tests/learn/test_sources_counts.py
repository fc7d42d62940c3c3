"""Cubes of halos as sources: patches cover a box once with what is around them, grids of others, refusals by name."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from toy_counts import BOX_SIZE, CHANNELS, N_CELLS, toy_grids, write_toy_counts

from configs import CountGrids, CountShards
from learn.data import Batch, Shuffled, augmented
from learn.methods.noise import draw_uniform
from learn.normalize import Normalizer
from learn.sources import open_source


def shards(folder: Path, **changes: object) -> CountShards:
    return CountShards(kind="counts", folder=folder, **changes)


def grids_folder(folder: Path, n: int = 4) -> Path:
    for i in range(n):
        grids = toy_grids(i)
        np.save(folder / f"sim{i}_particle_counts.npy", np.rint(64 * grids.density).astype(np.int32))
        np.save(folder / f"sim{i}_halo_counts.npy", grids.counts.sum(axis=0).astype(np.int16))
    return folder


def others(folder: Path, **changes: object) -> CountGrids:
    told = {"kind": "count_grids", "folder": folder, "box_size": BOX_SIZE, "omega_m": 0.31, "sigma8": 0.8}
    return CountGrids.model_validate(told | {"split": (0.5, 0.25, 0.25)} | changes)


def test_a_whole_box_is_what_is_stored(toy_counts: Path) -> None:
    source = open_source(shards(toy_counts), "train")
    assert len(source) == 3
    assert source.simulations == {"box_0000": range(1), "box_0001": range(1, 2), "box_0004": range(2, 3)}
    about = source.about
    assert (about.n_dims, about.n_pixels, about.periodic) == (3, N_CELLS, True)
    assert (about.input_channels, about.target_channels) == (("density",), CHANNELS)
    assert (about.unit, about.target_unit) == ("mean density", "halos a cell")
    batch, expected = source.read([2]), toy_grids(4)
    np.testing.assert_array_equal(batch.inputs[0, 0], expected.density)
    np.testing.assert_array_equal(batch.targets[0], expected.counts)
    np.testing.assert_allclose(batch.params[0], [0.34, 0.8, 0.0], rtol=1e-6)


@pytest.mark.parametrize(("patch", "spacing"), [(6, None), (4, 4), (3, 6)])
def test_patches_show_their_cells_and_those_around_them(toy_counts: Path, patch: int, spacing: int | None) -> None:
    source = open_source(shards(toy_counts, patch=patch, spacing=spacing, margin=2), "validation")
    per_side = N_CELLS // (spacing or patch)
    assert len(source) == per_side**3
    assert (source.about.n_pixels, source.about.box_size, source.about.periodic) == (patch, 4.0 * patch, False)
    box, batch = toy_grids(3), source.read(range(len(source)))
    assert batch.inputs.shape[1:] == (1, patch + 4, patch + 4, patch + 4)
    np.testing.assert_array_equal(batch.inputs[..., 2:-2, 2:-2, 2:-2].mean((1, 2, 3, 4)) > 0, True)
    first = np.roll(box.density, (2, 2, 2), (0, 1, 2))[: patch + 4, : patch + 4, : patch + 4]
    np.testing.assert_array_equal(batch.inputs[0, 0], first)
    if (spacing or patch) == patch:
        assert batch.targets.sum() == box.counts.sum()


def test_patches_that_do_not_fill_a_box_go_on_at_its_other_side(toy_counts: Path) -> None:
    source = open_source(shards(toy_counts, patch=5, margin=0), "validation")
    assert len(source) == 3**3
    last, counts = source.read([len(source) - 1]).targets[0], toy_grids(3).counts
    np.testing.assert_array_equal(last[:, 0, 0, :], counts[:, 10, 10, [10, 11, 0, 1, 2]])


def test_wide_inputs_are_turned_with_their_targets_and_never_rolled() -> None:
    inputs = torch.rand(300, 1, 8, 8, 8)
    batch = Batch(inputs, inputs[..., 2:-2, 2:-2, 2:-2].clone(), torch.zeros(300, 1), torch.zeros(300))
    moved = augmented(batch, [np.random.default_rng(i) for i in range(300)], periodic=False)
    np.testing.assert_array_equal(moved.inputs[..., 2:-2, 2:-2, 2:-2], moved.targets)
    same = [bool((a == b).all()) for a, b in zip(moved.inputs, inputs, strict=True)]
    assert 0 < sum(same) < 20  # one in 48
    assert torch.equal(moved.inputs.flatten(1).sort().values, inputs.flatten(1).sort().values)


def test_a_stream_of_patches_does_not_depend_on_the_workers(toy_counts: Path) -> None:
    source = open_source(shards(toy_counts, patch=6, margin=2), "train")
    whole = Shuffled(source, 4, seed=1).at(3)
    halves = [Shuffled(source, 4, seed=1, rank=rank, size=2).at(3) for rank in range(2)]
    for name in ("inputs", "targets", "seeds"):
        assert torch.equal(torch.cat([getattr(one, name) for one in halves]), getattr(whole, name))


def test_a_source_travels_without_the_cubes_it_holds(toy_counts: Path) -> None:
    source = open_source(shards(toy_counts, patch=6, margin=2), "train")
    before = source.read([5])
    assert len(pickle.dumps(source)) < 20_000
    assert torch.equal(pickle.loads(pickle.dumps(source)).read([5]).inputs, before.inputs)


def test_cubes_make_room_for_others(toy_counts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learn.sources.patches.MAX_BYTES", 30_000)
    source = open_source(shards(toy_counts), "train")
    kept = [source.read([i]).inputs.clone() for i in range(3)]
    assert list(source._held) == [1, 2]
    assert all(torch.equal(source.read([i]).inputs, kept[i]) for i in range(3))


def test_another_redshift_of_the_same_boxes_is_more_of_them(toy_counts: Path, tmp_path: Path) -> None:
    write_toy_counts(tmp_path, omega_m=0.35)
    source = open_source(shards(toy_counts, more=(tmp_path,)), "train")
    assert [len(span) for span in source.simulations.values()] == [2, 2, 2]
    assert source.about.data_sha256 != open_source(shards(toy_counts), "train").about.data_sha256
    write_toy_counts(tmp_path, cell_size=2.0)
    with pytest.raises(ValueError, match=r"expected cell_size 4.0 as in .*, got 2.0"):
        open_source(shards(toy_counts, more=(tmp_path,)), "train")


def test_density_is_normalised_by_its_logarithm_even_where_it_is_zero_or_huge(toy_counts: Path) -> None:
    source = open_source(shards(toy_counts), "train")
    scale = Normalizer.fit([source.read([i]) for i in range(3)]).inputs
    assert scale.x0 == pytest.approx((1.0,), rel=1e-5)
    seen = scale.forward(torch.tensor([0.0, 1.0, 1e4]).reshape(1, 1, 3, 1, 1)).flatten()
    assert torch.isfinite(seen).all()
    assert seen[0] < seen[1] < seen[2] < 40
    # Of the logarithm of 1 + delta: a factor of ten more density is a step of one scale.
    ten = scale.forward(torch.tensor([1e3, 1e4]).reshape(1, 1, 2, 1, 1)).flatten().diff()
    assert ten.item() == pytest.approx(1 / scale.std[0], rel=1e-3)


def test_what_is_missing_or_foreign_is_refused_by_name(toy_counts: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"manifest.json"):
        open_source(shards(tmp_path), "train")
    with pytest.raises(ValueError, match=r"data\.patch: expected at most the 12 cells of a box, got 13"):
        open_source(shards(toy_counts, patch=13), "train")
    write_toy_counts(tmp_path, split={"train": ("box_0000",), "validation": (), "test": ()})
    with pytest.raises(ValueError, match="simulations in the validation split, found none"):
        open_source(shards(tmp_path), "validation")
    tree = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(tree | {"n_cells": 10, "box_size": 40.0}))
    with pytest.raises(ValueError, match=r"expected 10 cells along each side, got \(12, 12, 12\)"):
        open_source(shards(tmp_path), "train").read([0])


def test_grids_of_others_are_read_as_they_are(tmp_path: Path) -> None:
    folder = grids_folder(tmp_path)
    source = open_source(others(folder), "train")
    assert len(source) == 2
    assert source.about.pixel_size == BOX_SIZE / N_CELLS
    assert source.about.target_channels == ("halos",)
    name = next(iter(source.simulations))
    batch, expected = source.read([0]), toy_grids(int(name[3:]))
    particles = np.rint(64 * expected.density)
    np.testing.assert_allclose(batch.inputs[0, 0], particles / particles.mean(), rtol=1e-6)
    np.testing.assert_array_equal(batch.targets[0, 0], expected.counts.sum(axis=0))
    np.testing.assert_allclose(batch.params[0], [0.31, 0.8, 0.0], rtol=1e-6)
    parts = [set(open_source(others(folder), part).simulations) for part in ("train", "validation", "test")]
    assert set.union(*parts) == {f"sim{i}" for i in range(4)}
    assert sum(map(len, parts)) == 4


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("sim0_halo_counts.npy", -np.ones((12, 12, 12)), "expected counts >= 0 in every cell"),
        ("sim0_halo_counts.npy", np.full((12, 12, 12), 0.5), "expected whole numbers of halos"),
        ("sim0_halo_counts.npy", np.ones((2, 12, 12, 12)), r"expected 1 bins of halos \(channels\), got 2"),
        ("sim0_halo_counts.npy", np.ones((12, 12)), r"expected numbers \(N, N, N\)"),
        ("sim0_particle_counts.npy", np.zeros((12, 12, 12)), "expected particles, found none"),
        ("sim0_particle_counts.npy", np.full((12, 12, 12), np.nan), "expected counts >= 0"),
        ("sim0_particle_counts.npy", np.array([{"a": 1}], dtype=object), "expected numbers"),
    ],
)
def test_grids_that_are_none_are_refused_by_name(tmp_path: Path, name: str, content: NDArray, problem: str) -> None:
    grids_folder(tmp_path, 1)
    np.save(tmp_path / name, content, allow_pickle=True)
    with pytest.raises(ValueError, match=f"{name}: {problem}"):
        open_source(others(tmp_path, split=(1.0, 0.0, 0.0)), "train").read([0])


def test_grids_without_their_halos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"NAME_particle_counts.npy"):
        open_source(others(tmp_path), "train")
    grids_folder(tmp_path, 1)
    (tmp_path / "sim0_halo_counts.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"sim0_halo_counts.npy: expected the halos of"):
        open_source(others(tmp_path), "train")


def test_uniforms_depend_on_their_seed_alone() -> None:
    both, one = draw_uniform((5,), torch.tensor([3, 9])), draw_uniform((5,), torch.tensor([9]))
    assert torch.equal(both[1], one[0])
    assert not torch.equal(both[0], both[1])
    many = draw_uniform((100_000,), torch.tensor([1]))
    assert 0 <= many.min() < many.max() < 1
    assert abs(float(many.mean()) - 0.5) < 0.005
