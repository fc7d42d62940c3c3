"""Pair shards: same bytes twice, honest resume, splits by simulation, units, refusals by name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from own_boxes import BOX, COSMOLOGY, SHARD_DAMAGES, damaged_shard, simulation

from configs import Baryons, Ensemble, Pairs
from sim import cosmology, ensemble, pairs, sides
from sim.splits import split

NAMES = ["box_0000", "box_0001", "box_0002", "box_0003"]


def config(boxes: Path, out: Path, **changes: Any) -> Pairs:
    values: dict[str, Any] = {
        "n_pixels": 16,
        "vary": {"mu": (0.4, 0.8), "theta_ej": (3.0, 5.0)},
        "split": (0.5, 0.25, 0.25),
    }
    return Pairs(simulations=boxes, out=out, **(values | changes))


@pytest.fixture(scope="module")
def made(boxes: Path, tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """A finished set of pairs: read it, never write it."""
    done = config(boxes, tmp_path_factory.mktemp("pairs"))
    assert [record.simulation for record in pairs.produce(done)] == NAMES
    return done


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_total_is_dark_matter_and_gas_and_stars_and_has_the_mass_of_the_box(made: Pairs) -> None:
    shard = pairs.read_shard(made.out, NAMES[0])
    assert shard.inputs.shape == (3, 1, 16, 16)
    assert shard.targets.shape == (3, 3, 16, 16)
    assert (shard.unit, shard.pixel_size, shard.depth) == ("Msun/h / (Mpc/h)^2", 12.5 / 16, 12.5)
    mass = cosmology.mean_density(COSMOLOGY) * 12.5**3
    area = shard.pixel_size**2
    np.testing.assert_allclose(shard.inputs.sum(axis=(1, 2, 3), dtype=float) * area, mass, rtol=1e-5)
    np.testing.assert_allclose(shard.targets[:, 0].sum(axis=(1, 2), dtype=float) * area, mass, rtol=1e-5)
    gas, stars = shard.targets[:, 1], shard.targets[:, 2]
    baryons = (gas + stars).sum(axis=(1, 2), dtype=float) * area
    np.testing.assert_allclose(baryons, mass * COSMOLOGY.baryon_fraction, rtol=1e-5)
    assert np.all(shard.targets[:, 0] >= gas + stars)
    assert 0 < (stars > 0).mean() < 0.9


def test_slabs_share_the_depth_and_the_mass(boxes: Path, tmp_path: Path) -> None:
    thick = config(boxes, tmp_path / "thick", axes=(2,))
    thin = config(boxes, tmp_path / "thin", axes=(2,), n_slabs=2)
    pairs.produce_one(NAMES[0], thick)
    record = pairs.produce_one(NAMES[0], thin)
    whole, halves = (pairs.read_shard(one.out, NAMES[0]) for one in (thick, thin))
    assert (record.n_maps, halves.depth, halves.slab.tolist()) == (2, 6.25, [0, 1])
    np.testing.assert_allclose(halves.inputs.sum(axis=0), whole.inputs[0], rtol=1e-5)
    np.testing.assert_allclose(halves.targets.sum(axis=0), whole.targets[0], rtol=1e-5)


def test_a_shard_made_twice_has_the_same_bytes_and_names_no_folder(made: Pairs, boxes: Path, tmp_path: Path) -> None:
    again = config(boxes, tmp_path / "elsewhere")
    assert pairs.produce_one(NAMES[1], again) == pairs.completed(NAMES[1], made)
    assert (again.out / "box_0001.hdf5").read_bytes() == (made.out / "box_0001.hdf5").read_bytes()
    for data in content(made.out).values():
        assert str(made.out).encode() not in data
        assert str(boxes).encode() not in data


def test_a_second_run_makes_nothing(made: Pairs) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.out.glob("box*")}
    manifest = (made.out / "manifest.json").read_bytes()
    assert len(list(pairs.produce(made))) == 4
    assert {path: path.stat().st_mtime_ns for path in made.out.glob("box*")} == before
    assert (made.out / "manifest.json").read_bytes() == manifest


@pytest.mark.parametrize("damage", SHARD_DAMAGES)
def test_a_shard_without_a_record_that_agrees_is_made_again(
    made: Pairs, boxes: Path, tmp_path: Path, damage: str
) -> None:
    copy = config(boxes, tmp_path)
    for name, data in content(made.out).items():
        (tmp_path / name).write_bytes(data)
    damaged_shard(tmp_path, damage)
    assert [name for name in NAMES if pairs.completed(name, copy) is None] == ["box_0002"]
    assert len(list(pairs.produce(copy))) == 4
    assert content(tmp_path) == content(made.out)
    pairs.verify(tmp_path)


def test_another_configuration_or_simulation_makes_shards_again(made: Pairs, boxes: Path, tmp_path: Path) -> None:
    assert pairs.completed(NAMES[0], made.model_copy(update={"seed": 5})) is None
    assert pairs.completed(NAMES[0], made.model_copy(update={"baryons": Baryons(mu=0.6)})) is None
    assert pairs.completed(NAMES[0], made.model_copy(update={"split": (0.6, 0.2, 0.2), "n_retries": 0})) is not None
    for path in (boxes / NAMES[0]).iterdir():
        (tmp_path / NAMES[0]).mkdir(exist_ok=True)
        os.link(path, tmp_path / NAMES[0] / path.name)
    (tmp_path / NAMES[0] / "box.json").unlink()
    (tmp_path / NAMES[0] / "box.json").write_text((boxes / NAMES[1] / "box.json").read_text())
    assert pairs.completed(NAMES[0], made.model_copy(update={"simulations": tmp_path})) is None


def test_verify_names_the_damaged_shard(made: Pairs, tmp_path: Path) -> None:
    for name, data in content(made.out).items():
        (tmp_path / name).write_bytes(data)
    assert pairs.verify(tmp_path) == pairs.read_manifest(made.out)
    (tmp_path / "box_0003.hdf5").write_bytes(b"\x89HDF")
    with pytest.raises(ValueError, match=r"box_0003\.hdf5: expected sha256"):
        pairs.verify(tmp_path)
    with pytest.raises(ValueError, match=r"box_0003\.hdf5: expected a whole shard"):
        pairs.read_shard(tmp_path, "box_0003")


def test_the_manifest_is_that_of_the_records_in_any_order(made: Pairs, tmp_path: Path) -> None:
    records = [record for name in NAMES if (record := pairs.completed(name, made)) is not None]
    path = pairs.write_manifest(made.model_copy(update={"out": tmp_path}), records[::-1])
    assert path.read_bytes() == (made.out / "manifest.json").read_bytes()
    manifest = pairs.read_manifest(made.out)
    assert [shard.simulation for shard in manifest.shards] == NAMES
    assert manifest.pixel_size == 12.5 / 16
    assert manifest.config["split"] == [0.5, 0.25, 0.25]


@pytest.mark.parametrize(
    ("n", "shares"), [(3, (0.75, 0.125, 0.125)), (24, (0.75, 0.125, 0.125)), (5, (0.4, 0.3, 0.3)), (7, (1.0, 0.0, 0.0))]
)
def test_no_simulation_is_in_two_splits_and_none_is_lost(n: int, shares: tuple[float, float, float]) -> None:
    names = [f"box_{i:04d}" for i in range(n)]
    parts = split(names, shares, seed=3)
    assert sorted(sum(parts.values(), ())) == names
    assert [len(part) > 0 for part in parts.values()] == [share > 0 for share in shares]
    assert split(names[::-1], shares, seed=3) == parts
    assert n < 8 or split(names, shares, seed=4) != parts


def test_too_few_simulations_to_split_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 simulations"):
        split(["box_0000", "box_0001"], (0.75, 0.125, 0.125), seed=0)


def test_baryons_of_a_simulation_are_a_point_of_the_design_that_no_other_changes(made: Pairs) -> None:
    drawn = [sides.drawn(f"box_{i:04d}", made) for i in range(16)]
    mu = np.array([one.mu for one in drawn])
    np.testing.assert_array_equal(np.sort(((mu - 0.4) / 0.4 * 16).astype(int)), np.arange(16))
    assert all(3 <= one.theta_ej <= 5 and one.n_star == Baryons().n_star for one in drawn)
    assert sides.drawn("box_0011", made) == drawn[11]
    assert sides.drawn("box_0011", made.model_copy(update={"seed": 1})) != drawn[11]
    with pytest.raises(ValueError, match="ends in its number"):
        sides.drawn("fiducial", made)


def test_baryons_are_not_tied_to_the_cosmology_that_was_drawn_with_the_same_seed(made: Pairs) -> None:
    drawn = ensemble.members(
        Ensemble(box=BOX, n_boxes=64, seed=0, vary={"omega_m": (0.2, 0.4), "sigma8": (0.6, 1.0)}, out=made.out)
    )
    for cosmological in ("omega_m", "sigma8"):
        first = np.array([getattr(member.box.cosmology, cosmological) for member in drawn])
        for name in ("mu", "theta_ej"):
            second = np.array([getattr(sides.drawn(member.id, made), name) for member in drawn])
            counts = np.histogram2d(first > np.median(first), second > np.median(second), bins=2)[0]
            np.testing.assert_allclose(counts, 16, atol=4, err_msg=f"{cosmological} {name}")


def test_parameters_are_named_in_order(made: Pairs) -> None:
    shard = pairs.read_shard(made.out, NAMES[3])
    values = dict(zip(shard.param_names, shard.params[0].tolist(), strict=True))
    expected = {**COSMOLOGY.model_dump(), **sides.drawn(NAMES[3], made).model_dump(), "redshift": 0.0}
    assert list(values) == list(expected) == list(pairs.PARAM_NAMES)
    np.testing.assert_allclose(list(values.values()), list(expected.values()), rtol=1e-6)
    np.testing.assert_array_equal(shard.params[0], shard.params[2])


def test_the_redshift_asked_for_is_the_one_that_is_read(boxes: Path, tmp_path: Path) -> None:
    early = config(boxes, tmp_path, redshift=1.0)
    pairs.produce_one(NAMES[0], early)
    pairs.produce_one(NAMES[0], config(boxes, tmp_path / "late"))
    then, now = pairs.read_shard(tmp_path, NAMES[0]), pairs.read_shard(tmp_path / "late", NAMES[0])
    assert (then.redshift, now.redshift, then.params[0, -1]) == (1.0, 0.0, 1.0)
    # the same particles in a denser universe: R200c, and with it the mass in stars, is another
    assert then.targets[0, 2].sum() > 1.01 * now.targets[0, 2].sum()
    with pytest.raises(ValueError, match=r"box_0000: expected an output at redshift 0\.5"):
        pairs.produce_one(NAMES[0], config(boxes, tmp_path, redshift=0.5))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"box_size": 25.0}, r"snap_001\.hdf5: expected a box of 12\.5 Mpc/h, got 25 Mpc/h"),
        ({"n_particles": 14}, r"snap_001\.hdf5: expected 16\^3 dark-matter particles, got 2744"),
    ],
)
def test_a_snapshot_of_another_box_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    simulation(tmp_path / "boxes" / "box_0000", seed=0, box=BOX.model_copy(update=changes))
    with pytest.raises(ValueError, match=complaint):
        pairs.produce_one("box_0000", config(tmp_path / "boxes", tmp_path / "out"))


def test_a_snapshot_of_another_redshift_or_none_is_refused_by_name(tmp_path: Path) -> None:
    simulation(tmp_path / "boxes" / "box_0000", seed=0, redshifts=(1.0, 0.2))
    wanted = config(tmp_path / "boxes", tmp_path / "out")
    with pytest.raises(ValueError, match=r"snap_001\.hdf5: expected redshift 0, got 0\.2"):
        pairs.produce_one("box_0000", wanted)
    (tmp_path / "boxes" / "box_0000" / "snap_001.hdf5").unlink()
    with pytest.raises(FileNotFoundError, match=r"snap_001\.hdf5"):
        pairs.produce_one("box_0000", wanted)
    assert not (tmp_path / "out").exists()
    with pytest.raises(FileNotFoundError, match=r"box\.json"):
        sides.simulations(config(tmp_path / "nothing", tmp_path / "out"))


def test_a_foreign_format_is_refused(made: Pairs, tmp_path: Path) -> None:
    (tmp_path / "box_0000.hdf5").write_bytes((made.out / "box_0000.hdf5").read_bytes())
    with h5py.File(tmp_path / "box_0000.hdf5", "a") as file:
        file.attrs["format"] = 99
    with pytest.raises(ValueError, match=r"box_0000\.hdf5: expected a shard of format 1, got 99"):
        pairs.read_shard(tmp_path, "box_0000")
    (tmp_path / "manifest.json").write_text('{"format": 1}')
    with pytest.raises(ValueError, match=r"manifest\.json: expected a manifest"):
        pairs.read_manifest(tmp_path)
