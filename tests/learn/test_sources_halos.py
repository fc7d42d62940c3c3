"""Halo cutouts as maps: our own sets and the files of VDM-BIND agree, masses keep their unit, wrong files are named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from camels_like import PARAMETERS, draw
from pydantic import ValidationError

from configs import HaloCutouts, VdmBind
from learn.data import Batch
from learn.sources.halos import HaloSource
from learn.sources.vdm_bind import VdmBindSource
from sim.parameter_table import own_name
from sim.samples import read_manifest, read_shard
from sim.units import RHO_CRITICAL

NAMES = tuple(map(own_name, PARAMETERS))
INPUTS = ("dmo", "dmo_12.5", "dmo_25", "dmo_50")


def halos(folder: Path, **changes: Any) -> HaloCutouts:
    return HaloCutouts(**({"kind": "halos", "folder": folder} | changes))


def vdm(folder: Path, **changes: Any) -> VdmBind:
    return VdmBind(**({"kind": "vdm_bind", "folder": folder} | changes))


def of_simulation(source: HaloSource | VdmBindSource, name: str) -> Batch:
    return source.read(source.simulations[name])


def test_channels_and_pixels_are_those_of_the_windows(halo_set: Path) -> None:
    about = HaloSource(halos(halo_set, constants={"redshift": 0.5}), "train").about
    assert (about.input_channels, about.target_channels) == (INPUTS, ("total", "gas", "stars"))
    assert (about.box_size, about.pixel_size, about.depth) == (6.25, 6.25 / 16, 50.0)
    assert (about.unit, about.periodic) == ("Msun/h / (Mpc/h)^2", False)
    assert about.param_names == (*NAMES, "log10_halo_mass", "redshift")
    assert about.data_sha256 == read_manifest(halo_set).hash


def test_the_widest_window_holds_the_mass_of_the_universe(halo_set: Path) -> None:
    for split in ("train", "validation", "test"):
        source = HaloSource(halos(halo_set), split)
        for name in source.simulations:
            omega_m = draw(0, int(name.removeprefix("SB35_")))["Omega0"]
            mean = of_simulation(source, name).inputs[:, 3].double().mean((1, 2))
            np.testing.assert_allclose(mean, omega_m * RHO_CRITICAL * 50, rtol=1e-5)


def test_what_was_written_comes_back_in_the_unit_of_maps(halo_set: Path) -> None:
    source = HaloSource(halos(halo_set), "train")
    area = (6.25 / 16) ** 2
    for name in source.simulations:
        stored = [read_shard(path).samples for path in sorted(halo_set.glob(f"{name}.*.hdf5"))]
        batch = of_simulation(source, name)
        condition, target, wide = (
            np.concatenate([getattr(one, key) for one in stored]) for key in ("condition", "target", "large_scale")
        )
        np.testing.assert_allclose(batch.inputs[:, 0] * area, condition, rtol=1e-6)
        np.testing.assert_allclose(batch.inputs[:, 1:] * area, wide, rtol=1e-6)
        np.testing.assert_allclose(batch.targets[:, 0] * area, target.sum(1), rtol=1e-6)
        np.testing.assert_allclose(batch.targets[:, 1:] * area, target[:, 1:], rtol=1e-6)
        mass = np.concatenate([one.halo_mass for one in stored])
        np.testing.assert_allclose(batch.params[:, -1], np.log10(mass), rtol=1e-6)
        assert float(batch.params[0, NAMES.index("omega_m")]) == pytest.approx(float(stored[0].params[0, 0]))


def test_files_of_vdm_bind_are_the_set_they_were_written_from(halo_set: Path, vdm_folder: Path) -> None:
    for split in ("train", "validation", "test"):
        ours, theirs = HaloSource(halos(halo_set), split), VdmBindSource(vdm(vdm_folder, param_names=NAMES), split)
        assert len(ours.simulations) == len(theirs.simulations)
        for name in ours.simulations:
            a, b = of_simulation(ours, name), of_simulation(theirs, f"sim_{name.removeprefix('SB35_')}")
            np.testing.assert_array_equal(a.inputs, b.inputs)
            np.testing.assert_array_equal(a.targets, b.targets)
            np.testing.assert_allclose(a.params, b.params, rtol=1e-6)
        assert ours.about.model_dump(exclude={"data_sha256"}) == theirs.about.model_dump(exclude={"data_sha256"})


def test_parameters_without_names_get_those_of_the_configuration(vdm_folder: Path) -> None:
    assert VdmBindSource(vdm(vdm_folder), "test").about.param_names[:2] == ("p0", "p1")
    with pytest.raises(ValueError, match=r"param_names of its 35 parameters, got 2"):
        VdmBindSource(vdm(vdm_folder, param_names=("omega_m", "omega_b")), "test")
    with pytest.raises(ValueError, match="omega_b twice"):
        VdmBindSource(vdm(vdm_folder, param_names=NAMES, constants={"omega_b": 0.049}), "test")
    source = VdmBindSource(vdm(vdm_folder, constants={"omega_b": 0.049}), "test")
    assert source.about.param_names[-2:] == ("log10_halo_mass", "omega_b")
    assert float(source.read([0]).params[0, -1]) == pytest.approx(0.049)


def test_windows_must_be_those_of_the_files(vdm_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"\.npz: expected large_scale .*shape \(1, 16, 16\)"):
        VdmBindSource(vdm(vdm_folder, scales=(6.25, 50.0)), "train")
    with pytest.raises(ValidationError, match="scales: rising"):
        vdm(vdm_folder, scales=(12.5, 6.25))


def test_folders_without_a_split_are_parted_by_simulation(vdm_folder: Path, tmp_path: Path) -> None:
    for path in vdm_folder.rglob("sim_*.npz"):
        shutil.copy(path, tmp_path / path.name)
    sources = [
        VdmBindSource(vdm(tmp_path, split=(0.5, 0.25, 0.25)), split) for split in ("train", "validation", "test")
    ]
    assert [len(source.simulations) for source in sources] == [2, 1, 1]
    assert sum(map(len, sources)) == len(list(tmp_path.iterdir()))


def test_a_simulation_in_two_folders_is_refused(vdm_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(vdm_folder, tmp_path, dirs_exist_ok=True)
    shutil.copytree(next((tmp_path / "test").iterdir()), tmp_path / "train" / "again")
    with pytest.raises(ValueError, match="each simulation in one split"):
        VdmBindSource(vdm(tmp_path), "train")


@pytest.mark.parametrize("damage", ["pixels", "negative", "pickle"])
def test_a_sample_that_is_unlike_the_others_is_named_when_it_is_read(
    vdm_folder: Path, tmp_path: Path, damage: str
) -> None:
    shutil.copytree(vdm_folder, tmp_path, dirs_exist_ok=True)
    path = sorted((tmp_path / "train").rglob("*.npz"))[-1]
    with np.load(path) as data:
        content: dict[str, Any] = dict(data)
    if damage == "pixels":
        content |= {key: content[key][..., :8, :8] for key in ("condition", "target", "large_scale")}
    if damage == "negative":
        content["target"][1, 3, 3] = -1
    if damage == "pickle":
        content["params"] = np.array([{}])
    np.savez(path, **content)
    source = VdmBindSource(vdm(tmp_path), "train")
    with pytest.raises(ValueError, match=path.name):
        source.read(range(len(source)))


def altered(folder: Path, out: Path, **changes: Any) -> Path:
    """The set with a manifest that says something else."""
    shutil.copytree(folder, out, dirs_exist_ok=True)
    manifest = read_manifest(folder).model_copy(update=changes)
    signed = manifest.model_copy(update={"hash": manifest.content_hash()})
    (out / "manifest.json").write_text(signed.model_dump_json())
    return out


def test_cubes_are_refused(halo_set: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected maps of halos, got cubes"):
        HaloSource(halos(altered(halo_set, tmp_path, n_dims=3)), "train")


def test_a_manifest_that_has_a_simulation_twice_is_refused(halo_set: Path, tmp_path: Path) -> None:
    manifest = read_manifest(halo_set)
    split = manifest.split | {"test": manifest.split["train"][:1]}
    with pytest.raises(ValueError, match="each simulation in one split"):
        HaloSource(halos(altered(halo_set, tmp_path, split=split)), "train")


def test_an_altered_manifest_is_refused(halo_set: Path, tmp_path: Path) -> None:
    shutil.copytree(halo_set, tmp_path, dirs_exist_ok=True)
    tree = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(tree | {"depth": 7.0}))
    with pytest.raises(ValueError, match="expected content of hash"):
        HaloSource(halos(tmp_path), "train")


@pytest.mark.parametrize("damage", ["missing", "truncated", "other product", "short"])
def test_a_damaged_shard_is_named_when_it_is_read(halo_set: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(halo_set, tmp_path, dirs_exist_ok=True)
    name = read_manifest(halo_set).split["train"][0]
    path = sorted(tmp_path.glob(f"{name}.*.hdf5"))[0]
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        with h5py.File(path, "a") as file:
            file.attrs["product"] = "maps" if damage == "other product" else file.attrs["product"]
            if damage == "short":
                short = file["condition"][:1]
                del file["condition"]
                file["condition"] = short
    source = HaloSource(halos(tmp_path), "train")
    with pytest.raises(ValueError, match=rf"{path.name}: expected"):
        source.read(range(len(source)))
