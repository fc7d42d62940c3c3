from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from configs import PairShards
from learn.data import Batch, InOrder, Shuffled, Split, moved_at_random, position
from learn.sources.shards import ShardSource
from sim.shards import read_manifest, read_shard

NAMES = ("inputs", "targets", "params", "seeds")


def joined(parts: list[Batch]) -> Batch:
    return Batch(*(torch.cat([getattr(part, name) for part in parts]) for name in NAMES))


def assert_same(a: Batch, b: Batch) -> None:
    for name in NAMES:
        assert torch.equal(getattr(a, name), getattr(b, name))


def test_no_simulation_is_in_two_splits(toy_pairs: Path) -> None:
    seen = [ShardSource(PairShards(folder=toy_pairs), split).read(range(3)).inputs for split in get_args(Split)]
    for i, maps in enumerate(seen):
        assert all(not torch.equal(maps, other) for other in seen[i + 1 :])
    members = [set(read_manifest(toy_pairs).split[split]) for split in get_args(Split)]
    assert sum(map(len, members)) == len(set.union(*members)) == 5


def test_a_split_holds_every_map_of_its_simulations_and_no_other(toy_pairs: Path) -> None:
    dataset = ShardSource(PairShards(folder=toy_pairs), "train")
    expected = [read_shard(toy_pairs, name) for name in read_manifest(toy_pairs).split["train"]]
    found = joined(list(InOrder(dataset, 2)))
    np.testing.assert_array_equal(found.inputs, np.concatenate([shard.inputs for shard in expected]))
    np.testing.assert_array_equal(found.targets, np.concatenate([shard.targets for shard in expected]))
    np.testing.assert_array_equal(found.params, np.concatenate([shard.params for shard in expected]))


def test_a_data_set_travels_to_another_process_without_its_open_files(toy_pairs: Path) -> None:
    dataset = ShardSource(PairShards(folder=toy_pairs), "train")
    before = dataset.read([4])
    assert_same(pickle.loads(pickle.dumps(dataset)).read([4]), before)
    dataset.close()
    assert_same(dataset.read([4]), before)


def test_a_split_without_maps_is_refused_by_name(toy_pairs_with: Callable[..., Path]) -> None:
    folder = toy_pairs_with(split={"train": ("box_0000",), "validation": (), "test": ()})
    with pytest.raises(ValueError, match="maps in the validation split, found none"):
        ShardSource(PairShards(folder=folder), "validation")


@pytest.mark.parametrize("size", [2, 3, 4, 8])
def test_many_workers_read_what_one_reads(toy_pairs: Path, size: int) -> None:
    dataset = ShardSource(PairShards(folder=toy_pairs), "train")
    for step in (0, 1, 7):
        whole = Shuffled(dataset, 8, seed=5).at(step)
        shares = [Shuffled(dataset, 8, seed=5, rank=rank, size=size).at(step) for rank in range(size)]
        assert_same(joined(shares), whole)


def test_ranks_share_what_is_read_in_order(toy_pairs: Path) -> None:
    dataset = ShardSource(PairShards(folder=toy_pairs), "train")
    shares = [joined(list(InOrder(dataset, 2, rank, 2))) for rank in range(2)]
    assert [len(share) for share in shares] == [5, 4]
    assert torch.equal(shares[1].inputs, dataset.read(range(1, 9, 2)).inputs)


@pytest.mark.parametrize(
    ("n_processes", "n_together"), [(0, 1), (0, 2), (0, 7), pytest.param(2, 2, marks=pytest.mark.slow)]
)
def test_a_stream_started_late_is_the_stream(toy_pairs: Path, n_processes: int, n_together: int) -> None:
    stream = Shuffled(ShardSource(PairShards(folder=toy_pairs), "train"), 4, seed=5)
    late = stream.loader(range(2, 5), n_processes, n_together=n_together, pin=False)
    for step, batch in enumerate(late, start=2):
        assert_same(batch, stream.at(step))
    assert step == 4


def test_what_is_drawn_for_a_map_differs_from_step_to_step_and_from_map_to_map(toy_pairs: Path) -> None:
    stream = Shuffled(ShardSource(PairShards(folder=toy_pairs), "train"), 6, seed=5)
    seeds = torch.cat([stream.at(step).seeds for step in range(10)])
    assert len(set(seeds.tolist())) == 60


@pytest.mark.parametrize("n", [1, 2, 4, 6, 9])
def test_parts_of_a_batch_are_the_batch(toy_pairs: Path, n: int) -> None:
    batch = ShardSource(PairShards(folder=toy_pairs), "train").read(range(6))
    parts = list(batch.parts(n))
    assert len(parts) == min(n, 6)
    assert_same(joined(parts), batch)


def test_folders_of_the_same_simulations_are_one_data_set(toy_pairs: Path, toy_pairs_with: Callable[..., Path]) -> None:
    other = toy_pairs_with(commit="other")
    both = ShardSource(PairShards(folder=toy_pairs, more=(other,)), "train")
    alone = ShardSource(PairShards(folder=toy_pairs), "train")
    assert len(both) == 2 * len(alone)
    assert both.about.data_sha256 != alone.about.data_sha256
    for name, mine in both.simulations.items():
        twice = both.read(mine).inputs
        assert torch.equal(twice, alone.read(alone.simulations[name]).inputs.repeat(2, 1, 1, 1))


def test_folders_that_are_parted_differently_are_refused(toy_pairs: Path, toy_pairs_with: Callable[..., Path]) -> None:
    swapped = {"train": ("box_0002",), "validation": ("box_0003",), "test": ("box_0000", "box_0001", "box_0004")}
    other = toy_pairs_with(split=swapped)
    with pytest.raises(ValueError, match=f"{other}: expected split .* as in {toy_pairs}"):
        ShardSource(PairShards(folder=toy_pairs, more=(other,)), "train")


def test_every_epoch_shows_every_map_once_in_its_own_order() -> None:
    first, second = ([position(1, start + i, 9) for i in range(9)] for start in (0, 9))
    assert sorted(first) == sorted(second) == list(range(9))
    assert first != second
    assert first != [position(2, i, 9) for i in range(9)]


def test_augmentation_moves_all_channels_alike_and_keeps_every_pixel(toy_pairs: Path) -> None:
    dataset = ShardSource(PairShards(folder=toy_pairs), "train")
    batch = Shuffled(dataset, 9, seed=0).at(0)
    stored = dataset.read([position(0, i, 9) for i in range(9)])
    assert not torch.equal(batch.inputs, stored.inputs)
    assert torch.equal(batch.params, stored.params)
    for moved, kept in zip(batch.targets, stored.targets, strict=True):
        assert torch.equal(moved.flatten(1).sort().values, kept.flatten(1).sort().values)
    dark = batch.targets[:, :1] - batch.targets[:, 1:2] - batch.targets[:, 2:]
    np.testing.assert_allclose(dark, 0.84 * batch.inputs, rtol=1e-4)


def test_augmentation_reaches_all_eight_symmetries_and_every_roll_only_if_periodic() -> None:
    maps = torch.arange(16.0).reshape(1, 4, 4)
    images = {tuple(moved_at_random(maps, np.random.default_rng(i), False).flatten().tolist()) for i in range(200)}
    assert len(images) == 8
    images = {tuple(moved_at_random(maps, np.random.default_rng(i), True).flatten().tolist()) for i in range(3000)}
    assert len(images) == 8 * 16


def test_a_cube_is_moved_to_all_its_symmetries_and_every_roll_only_if_periodic() -> None:
    cube = torch.arange(8).reshape(1, 2, 2, 2)  # of two cells a side the 48 symmetries are 48 images
    images = {tuple(moved_at_random(cube, np.random.default_rng(i), False).flatten().tolist()) for i in range(1000)}
    assert len(images) == 48
    wide = torch.arange(2 * 64).reshape(2, 4, 4, 4)
    for periodic in (True, False):
        first, second = moved_at_random(wide, np.random.default_rng(5), periodic)
        assert torch.equal(second, first + 64)
        assert torch.equal(first.flatten().sort().values, wide[0].flatten())
    places = {int(moved_at_random(wide, np.random.default_rng(i), True)[0].argmin()) for i in range(2000)}
    assert len(places) == 64
    assert {int(moved_at_random(wide, np.random.default_rng(i), False)[0].argmin()) for i in range(2000)} == {
        0, 3, 12, 15, 48, 51, 60, 63,
    }  # fmt: skip
