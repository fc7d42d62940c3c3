"""Sets of halo counts: same bytes twice, honest resume, splits by simulation, foreign folders refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_boxes import BOX, SHARD_DAMAGES, damaged_shard, simulation

from configs import Counts, FoundHalos
from sim import count_sets, count_shards, shards
from sim.splits import split

NAMES = ["box_0000", "box_0001", "box_0002", "box_0003"]


def config(boxes: Path, out: Path, **changes: Any) -> Counts:
    values: dict[str, Any] = {
        "cell_size": 2.5,
        "log10_mass_edges": (12.5, 13.5, 15.0),
        "split": (0.5, 0.25, 0.25),
        "source": FoundHalos(kind="own", simulations=boxes),
    }
    return Counts(product="counts", out=out, **(values | changes))


@pytest.fixture(scope="module")
def made(boxes: Path, tmp_path_factory: pytest.TempPathFactory) -> Counts:
    """A finished set: read it, never write it."""
    done = config(boxes, tmp_path_factory.mktemp("counts"))
    assert [record.simulation for record in count_sets.produce(done)] == NAMES
    return done


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_shard_is_read_as_it_was_written(made: Counts) -> None:
    shard = count_sets.read_shard(made.out / "box_0001.hdf5")
    assert (shard.simulation, shard.cell_size) == ("box_0001", 2.5)
    assert shard.channels == ("halos_12.5_13.5", "halos_13.5_15")
    assert (shard.grids.density.dtype, shard.grids.counts.dtype) == (np.float32, np.uint16)
    assert shard.grids.counts.sum() >= 1
    assert shard.grids.params == (BOX.cosmology.omega_m, BOX.cosmology.sigma8, 0.0)


def test_the_manifest_describes_the_set_and_parts_it_by_simulation(made: Counts) -> None:
    manifest = count_sets.verify(made.out)
    assert manifest.target_channels == made.channels
    assert (manifest.cell_size, manifest.n_cells, manifest.box_size) == (2.5, 5, 12.5)
    assert (manifest.unit, manifest.target_unit) == ("mean density", "halos a cell")
    assert manifest.split == split(NAMES, (0.5, 0.25, 0.25), 0)
    assert [shard.n_halos for shard in manifest.shards] == [
        int(count_sets.read_shard(made.out / f"{name}.hdf5").grids.counts.sum()) for name in NAMES
    ]


def test_a_shard_made_twice_has_the_same_bytes_and_names_no_folder(made: Counts, boxes: Path, tmp_path: Path) -> None:
    again = config(boxes, tmp_path)
    assert count_sets.produce_one(NAMES[1], again) == count_sets.completed(NAMES[1], made)
    assert (tmp_path / "box_0001.hdf5").read_bytes() == (made.out / "box_0001.hdf5").read_bytes()
    for data in content(made.out).values():
        assert str(made.out).encode() not in data
        assert str(boxes).encode() not in data


@pytest.mark.parametrize("damage", SHARD_DAMAGES)
def test_what_is_damaged_is_made_again_and_nothing_else(made: Counts, boxes: Path, tmp_path: Path, damage: str) -> None:
    copy = config(boxes, tmp_path)
    for name, data in content(made.out).items():
        (tmp_path / name).write_bytes(data)
    damaged_shard(tmp_path, damage)
    kept = (tmp_path / "box_0001.hdf5").stat().st_mtime_ns
    assert [name for name in NAMES if count_sets.completed(name, copy) is None] == ["box_0002"]
    assert len(list(count_sets.produce(copy))) == 4
    assert content(tmp_path) == content(made.out)
    assert (tmp_path / "box_0001.hdf5").stat().st_mtime_ns == kept


@pytest.mark.parametrize("change", [{"cell_size": 1.25}, {"log10_mass_edges": (12.5, 15.0)}])
def test_another_configuration_is_not_complete(made: Counts, change: dict[str, Any]) -> None:
    assert count_sets.completed(NAMES[0], made.model_copy(update=change)) is None
    assert count_sets.completed(NAMES[0], made.model_copy(update={"n_retries": 7})) is not None


def test_another_simulation_is_not_complete(made: Counts, tmp_path: Path) -> None:
    simulation(tmp_path / NAMES[0], seed=9)
    other = made.model_copy(update={"source": made.source.model_copy(update={"simulations": tmp_path})})
    assert count_sets.completed(NAMES[0], other) is None


def test_sets_of_another_product_are_refused(made: Counts, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"manifest.json: expected a manifest"):
        shards.read_manifest(made.out)
    tree = json.loads((made.out / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(tree | {"product": "maps"}))
    with pytest.raises(ValueError, match=r"manifest.json: expected counts, format 1, got maps, 1"):
        count_shards.read_manifest(tmp_path)
    (tmp_path / "box_0000.hdf5").write_bytes(b"no hdf5")
    with pytest.raises(ValueError, match="expected a whole shard"):
        count_shards.read_shard(tmp_path / "box_0000.hdf5")
