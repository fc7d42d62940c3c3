"""Sets of halo cutouts: one function for training and inference, completeness, resume, hashes, refusals by name."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from camels_like import write_suite
from own_boxes import BOX, simulation

from configs import Camels, Cutouts, OwnBoxes
from sim import halosets, paired, rotations, samples, snapshot
from sim.blocks import Blocks
from sim.camels import Suite
from sim.cutouts import cutouts
from sim.moments import Moments

NAMES = ["SB35_0", "SB35_1", "SB35_2", "SB35_3"]
SHAPE: dict[str, Any] = {
    "scales": (6.25, 12.5, 25.0, 50.0),
    "n_pixels": 16,
    "n_rotations": 3,
    "samples_per_shard": 5,
    "split": (0.5, 0.25, 0.25),
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return write_suite(tmp_path_factory.mktemp("suite"), n_sims=4)


def source(suite: Suite, **changes: Any) -> Camels:
    roots: dict[str, Any] = {
        "dmo": suite.dmo,
        "hydro": suite.hydro,
        "catalogs": suite.catalogs,
        "parameters": suite.parameters,
    }
    return Camels(kind="camels", **(roots | changes))


def config(suite: Suite, out: Path, **changes: Any) -> Cutouts:
    return Cutouts(**({"product": "cutouts", "source": source(suite), "out": out} | SHAPE | changes))


@pytest.fixture(scope="module")
def made(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Cutouts:
    """A finished set: read it, never write it."""
    done = config(suite, tmp_path_factory.mktemp("set"))
    assert [record.simulation for record in halosets.produce(done)] == NAMES
    return done


def copied(made: Cutouts, folder: Path) -> Cutouts:
    shutil.copytree(made.out, folder, dirs_exist_ok=True)
    return made.model_copy(update={"out": folder})


def shards(made: Cutouts, name: str) -> list[samples.Shard]:
    return [samples.read_shard(path) for path in sorted(made.out.glob(f"{name}.*.hdf5"))]


def test_every_halo_of_the_catalogue_is_there_in_every_rotation(suite: Suite, made: Cutouts) -> None:
    manifest = samples.verify(made.out)
    for name in NAMES:
        with h5py.File(suite.pair(name).catalog) as file:
            mass = file["Group/Group_M_Crit200"][:] * 1e10
        above = np.flatnonzero(mass > 1e13)
        assert manifest.halos[name] == len(above) > 0
        parts = shards(made, name)
        halo = np.concatenate([one.samples.halo for one in parts])
        number = np.concatenate([one.samples.rotation_number for one in parts])
        np.testing.assert_array_equal(halo, np.repeat(above, 3))
        np.testing.assert_array_equal(number, np.tile(np.arange(3), len(above)))
        masses = np.concatenate([one.samples.halo_mass for one in parts])
        np.testing.assert_allclose(masses, np.repeat(mass[above], 3), rtol=1e-6)
        assert max(len(one.samples) for one in parts) == 5


def test_shapes_units_and_parameters(suite: Suite, made: Cutouts) -> None:
    shard = shards(made, "SB35_1")[0]
    assert shard.samples.condition.shape == (5, 16, 16)
    assert shard.samples.target.shape == (5, 3, 16, 16)
    assert shard.samples.large_scale.shape == (5, 3, 16, 16)
    np.testing.assert_array_equal(shard.samples.params[0], suite.pair("SB35_1").params)
    assert shard.param_names == suite.pair("SB35_1").param_names
    assert (shard.simulation, shard.box_size, shard.depth) == ("SB35_1", 50, 50)
    with h5py.File(made.out / "SB35_1.0000.hdf5") as file:
        assert file["target"].attrs["unit"] == "Msun/h a fine pixel"


def test_the_widest_window_weighs_about_the_box_and_the_halo_sits_in_the_middle(suite: Suite, made: Cutouts) -> None:
    box = snapshot.read_tracers(suite.pair("SB35_0").dmo)["dark_matter"].total_mass
    for shard in shards(made, "SB35_0"):
        assert shard.samples.large_scale[:, -1].sum(axis=(1, 2)) * 64 == pytest.approx(box, rel=0.35)
        middle = shard.samples.condition[:, 6:10, 6:10].sum(axis=(1, 2))
        assert (middle > 0.5 * shard.samples.halo_mass).all()


def test_training_and_inference_cut_the_same_bits(suite: Suite, made: Cutouts) -> None:
    """Inference has a snapshot, a halo and a rotation, and calls `cutouts`: as the set did."""
    shard = shards(made, "SB35_2")[1].samples
    matter = snapshot.read_tracers(suite.pair("SB35_2").dmo, ("dark_matter",))["dark_matter"]
    blocks = Blocks.of(matter.pos, matter.mass, 50.0)
    for i in range(len(shard)):
        got = cutouts(blocks, shard.halo_center[i], shard.rotation[i], halosets.windows(made, 50.0))[0]
        np.testing.assert_array_equal(got[0], shard.condition[i])
        np.testing.assert_array_equal(got[1:], shard.large_scale[i])


def test_rotations_are_named_by_simulation_halo_and_number(made: Cutouts) -> None:
    turns = [one.samples.rotation for name in NAMES for one in shards(made, name)]
    first = shards(made, "SB35_0")[0].samples
    np.testing.assert_array_equal(first.rotation[1], rotations.named(0, "SB35_0", int(first.halo[1]), 1))
    assert len(np.unique(np.concatenate(turns).round(9), axis=0)) == sum(len(turn) for turn in turns)


def test_made_in_any_order_and_place_the_bytes_and_the_hash_are_the_same(
    made: Cutouts, suite: Suite, tmp_path: Path
) -> None:
    again = config(suite, tmp_path / "elsewhere", split=(0.5, 0.25, 0.25))
    records = [halosets.produce_one(name, again) for name in reversed(NAMES)]
    manifest = halosets.write_manifest(again, records)
    assert manifest.hash == samples.read_manifest(made.out).hash
    assert set(manifest.seconds) >= {"read", "blocks", "cut", "write"}
    for path in made.out.glob("*.hdf5"):
        assert (again.out / path.name).read_bytes() == path.read_bytes()


def test_a_second_run_makes_nothing_and_knows_it(made: Cutouts) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.out.glob("SB35*")}
    assert len(list(halosets.produce(made))) == 4
    assert {path: path.stat().st_mtime_ns for path in made.out.glob("SB35*")} == before


@pytest.mark.parametrize("damage", ["truncated", "altered", "no shard", "no record", "other record", "fewer parts"])
def test_what_is_not_whole_is_made_again_and_nothing_else(made: Cutouts, tmp_path: Path, damage: str) -> None:
    copy = copied(made, tmp_path)
    shard, record = copy.out / "SB35_2.0001.hdf5", copy.out / "SB35_2.0001.json"
    whole = shard.read_bytes()
    if damage == "truncated":
        shard.write_bytes(whole[:-100])
    elif damage == "altered":
        shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif damage == "no shard":
        shard.unlink()
    elif damage == "no record":
        record.unlink()
    elif damage == "other record":
        record.write_bytes((copy.out / "SB35_2.0000.json").read_bytes())
    else:
        path = copy.out / "SB35_2.json"
        content = json.loads(path.read_text())
        content["parts"] = content["parts"][:-1]
        content["n_samples"] = sum(part["n_samples"] for part in content["parts"])
        path.write_text(json.dumps(content))
    assert [name for name in NAMES if halosets.completed(name, copy) is None] == ["SB35_2"]
    untouched = {path: path.stat().st_mtime_ns for path in copy.out.glob("*.hdf5") if path != shard}
    list(halosets.produce(copy))
    assert {path: path.stat().st_mtime_ns for path in untouched} == untouched
    assert samples.verify(copy.out).hash == samples.read_manifest(made.out).hash


def test_another_configuration_or_catalogue_is_another_set(made: Cutouts, suite: Suite, tmp_path: Path) -> None:
    for changes in ({"seed": 1}, {"min_mass": 2e13}, {"n_pixels": 8}, {"depth": 20.0}):
        assert halosets.completed("SB35_0", made.model_copy(update=changes)) is None
    assert halosets.completed("SB35_0", made.model_copy(update={"split": (1.0, 0.0, 0.0), "n_retries": 0})) is not None
    moved = shutil.copytree(suite.dmo.parent, tmp_path / "suite")
    fewer = copied(made, tmp_path / "set").model_copy(
        update={"source": source(suite, catalogs=moved / "FOF"), "out": tmp_path / "set"}
    )
    assert halosets.completed("SB35_0", fewer) is not None
    with h5py.File(moved / "FOF" / "SB35_0" / "fof_subhalo_tab_090.hdf5", "a") as file:
        file["Group/Group_M_Crit200"][0] = 0
        file["Group/Group_R_Crit200"][0] = 0
    assert halosets.completed("SB35_0", fewer) is None


def test_a_missing_or_corrupt_snapshot_is_named_and_can_be_left_out(suite: Suite, tmp_path: Path) -> None:
    shutil.copytree(suite.dmo.parent, tmp_path / "suite")
    broken = write_suite(tmp_path / "suite", n_sims=4)
    path = next((broken.hydro / "SB35_1").rglob("*.0.hdf5"))
    path.write_bytes(path.read_bytes()[:5000])
    shutil.rmtree(broken.dmo / "SB35_2")
    asked = config(broken, tmp_path / "set")
    with pytest.raises(ValueError, match=r"SB35_1.*snap_090\.0\.hdf5"):
        halosets.produce_one("SB35_1", asked)
    with pytest.raises(FileNotFoundError, match="SB35_2: no DMO snapshot"):
        halosets.produce_one("SB35_2", asked)
    rest = config(broken, tmp_path / "set", exclude=("SB35_1", "SB35_2"), split=(0.5, 0.5, 0.0))
    assert len(list(halosets.produce(rest))) == 2
    with pytest.raises(ValueError, match="exclude: expected simulations of the source, got SB35_9"):
        paired.names(config(broken, tmp_path / "set", exclude=("SB35_9",)))


def test_moments_are_of_the_training_split_alone_and_those_of_one_pass_over_it(made: Cutouts) -> None:
    manifest = samples.read_manifest(made.out)
    train = [one.samples for name in manifest.split["train"] for one in shards(made, name)]
    assert not set(manifest.split["train"]) & (set(manifest.split["validation"]) | set(manifest.split["test"]))
    for i, name in enumerate(samples.TARGET_CHANNELS):
        values = np.log10(1 + np.concatenate([one.target[:, i] for one in train]).astype(float))
        got = manifest.moments[f"target/{name}"]
        assert got.n == values.size
        assert got.mean == pytest.approx(values.mean(), rel=1e-12)
        assert got.std == pytest.approx(values.std(), rel=1e-12)


def test_moments_merge_to_those_of_the_whole() -> None:
    values = np.random.default_rng(1).normal(1e6, 1, 10_001)
    merged = (
        Moments.of(values[:17]).merged(Moments()).merged(Moments.of(values[17:5000])).merged(Moments.of(values[5000:]))
    )
    assert (merged.n, merged.mean) == (len(values), pytest.approx(values.mean(), rel=1e-14))
    assert merged.std == pytest.approx(values.std(), rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "shapes"),
    [
        ({"orientation": "none"}, {"condition": (1, 16, 16)}),
        ({"orientation": "axes"}, {"condition": (3, 16, 16)}),
        ({"n_target_scales": 4}, {"large_scale_target": (3, 3, 3, 16, 16)}),
        ({"scales": (5.0, 10.0), "n_pixels": 10}, {"large_scale": (3, 1, 10, 10)}),
        ({"scales": (6.25,)}, {"large_scale": (3, 0, 16, 16)}),
        ({"n_dims": 3, "scales": (12.5, 25.0), "n_pixels": 8}, {"target": (3, 3, 8, 8, 8)}),
    ],
)
def test_options(suite: Suite, tmp_path: Path, changes: dict[str, Any], shapes: dict[str, Any]) -> None:
    asked = config(suite, tmp_path, **({"samples_per_shard": 100} | changes))
    halosets.produce_one("SB35_0", asked)
    shard = samples.read_shard(tmp_path / "SB35_0.0000.hdf5").samples
    n = asked.n_orientations
    for key, shape in shapes.items():
        got = getattr(shard, key)
        assert got.shape == (len(shard), *shape[1:])
        assert shape[0] == n
    np.testing.assert_allclose(shard.target.sum(axis=1).sum(), shard.condition.sum(), rtol=0.5)


def test_matched_centers_are_those_of_the_other_side(suite: Suite, tmp_path: Path) -> None:
    moved = shutil.copytree(suite.catalogs, tmp_path / "hydro_catalogs")
    with h5py.File(moved / "SB35_0" / "fof_subhalo_tab_090.hdf5", "a") as file:
        file["Group/GroupPos"][...] = np.mod(file["Group/GroupPos"][...] + 50.0, 50_000)
        file["Group/Group_M_Crit200"][1] *= 5
        file["Group/Group_R_Crit200"][1] *= 5 ** (1 / 3)
    asked = config(suite, tmp_path / "set", centers="matched", source=source(suite, hydro_catalogs=moved))
    simulation, all_of_them = paired.load("SB35_0", asked), paired.load("SB35_0", config(suite, tmp_path / "set"))
    assert 1 not in simulation.halos.number
    assert len(simulation.halos) == len(all_of_them.halos) - 1
    offset = simulation.target_center - simulation.halos.center
    np.testing.assert_allclose(offset - 50 * np.rint(offset / 50), 0.05, atol=1e-6)


def test_our_own_boxes_have_both_sides_and_a_catalogue_that_others_read(tmp_path: Path) -> None:
    for i in range(3):
        simulation(tmp_path / "boxes" / f"box_{i:04d}", seed=i)
    own = OwnBoxes(kind="own", simulations=tmp_path / "boxes")
    asked = Cutouts(
        product="cutouts",
        source=own,
        out=tmp_path / "set",
        scales=(3.125, 12.5),
        n_pixels=16,
        n_rotations=2,
        min_mass=1e13,
        split=(0.34, 0.33, 0.33),
    )
    records = list(halosets.produce(asked))
    assert [record.n_halos for record in records] == [1, 1, 1]
    assert halosets.completed("box_0000", asked) == records[0]
    shard = samples.read_shard(asked.out / "box_0000.0000.hdf5").samples
    total = shard.target.sum(axis=(1, 2, 3), dtype=float)
    np.testing.assert_allclose(total, shard.condition.sum(axis=(1, 2), dtype=float), rtol=0.2)
    with h5py.File(asked.out / "catalogs" / "box_0000.hdf5") as file:
        assert file["Header"].attrs["BoxSize"] == BOX.box_size * 1000
        assert file["Group/GroupPos"].shape[1] == 3
    os.remove(asked.out / "catalogs" / "box_0000.hdf5")
    assert halosets.completed("box_0000", asked) is None
