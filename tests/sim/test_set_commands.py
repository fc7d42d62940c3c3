"""The commands on sets: serial and MPI ranks make one hash, wider windows are as if made at once, files of VDM-BIND."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from camels_like import write_suite
from typer.testing import CliRunner

from sim import samples, shares
from sim.__main__ import app
from sim.camels import Suite
from sim.samples import read_manifest, read_shard

CONFIG = """
product: cutouts
source: {{kind: camels, dmo: {0.dmo}, hydro: {0.hydro}, catalogs: {0.catalogs}, parameters: {0.parameters}}}
out: {1}
n_pixels: 16
n_rotations: 3
samples_per_shard: 5
split: [0.34, 0.33, 0.33]
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return write_suite(tmp_path_factory.mktemp("suite"), n_sims=3)


def written(suite: Suite, folder: Path, name: str = "set") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(CONFIG.format(suite, folder / name))
    return str(path)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def made(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished set: read it, never write it."""
    folder = tmp_path_factory.mktemp("made")
    code, output = run("cutouts", written(suite, folder))
    manifest = read_manifest(folder / "set")
    assert code == 0
    assert f"36 samples of 12 halos in 3 simulations, 9 shards, hash {manifest.hash[:16]}" in output
    return folder / "set"


def test_ranks_make_the_set_of_one_process(suite: Suite, made: Path, tmp_path: Path, repository: Path) -> None:
    """Four for three simulations: two share one."""
    mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent))
    if mpiexec is None:
        pytest.skip("mpiexec is not beside this Python (pip install mpich)")
    command = [mpiexec, "-n", "4", sys.executable, "-m", "sim", "cutouts", written(suite, tmp_path)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert samples.verify(tmp_path / "set").hash == read_manifest(made).hash


def killed(command: list[str], folder: Path, n_shards: int, repository: Path) -> int:
    """Run a command in a session of its own until `n_shards` are there, then SIGKILL all of it; its exit code."""
    running = subprocess.Popen(command, cwd=repository, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(folder.glob("*.hdf5"))) < n_shards and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    return running.wait()


def test_killed_twice_the_same_command_goes_on_to_the_same_hash(suite: Suite, tmp_path: Path, repository: Path) -> None:
    more = "n_rotations=100"
    assert run("cutouts", written(suite, tmp_path, "whole"), more)[0] == 0
    expected = samples.verify(tmp_path / "whole")
    command = [sys.executable, "-m", "sim", "cutouts", written(suite, tmp_path, "broken"), more]
    for n_shards in (3, len(expected.shards) // 2):
        assert killed(command, tmp_path / "broken", n_shards, repository) == -signal.SIGKILL
        assert n_shards <= len(list((tmp_path / "broken").glob("*.hdf5"))) < len(expected.shards)
        assert not (tmp_path / "broken" / "manifest.json").exists()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "broken").glob("SB35_0.*.json")}
    assert before
    assert run("cutouts", command[4], more)[0] == 0
    assert samples.verify(tmp_path / "broken").hash == expected.hash
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_shares_cover_every_shard_once(size: int) -> None:
    names = ["a", "b", "c"]
    held = [share for rank in range(size) for share in shares.shares(names, rank, size)]
    parts = [(share.name, i) for share in held for i in range(12) if i % share.of == share.first]
    assert sorted(parts) == [(name, i) for name in names for i in range(12)]


def test_a_rank_names_what_failed_and_the_others_go_on(tmp_path: Path) -> None:
    broken = write_suite(tmp_path / "suite", n_sims=3)
    path = next((broken.hydro / "SB35_1").rglob("*.0.hdf5"))
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    code, output = run("cutouts", written(broken, tmp_path))
    assert code == 1
    assert f"cutouts: SB35_1 failed: {path}" in output
    assert sorted(one.name for one in (tmp_path / "set").glob("SB35_?.json")) == ["SB35_0.json", "SB35_2.json"]
    assert not (tmp_path / "set" / "manifest.json").exists()
    path.write_bytes(whole)
    assert run("cutouts", written(broken, tmp_path))[0] == 0


def test_wider_windows_added_are_those_made_at_once(suite: Suite, made: Path, tmp_path: Path) -> None:
    assert run("cutouts", written(suite, tmp_path, "narrow"), "scales=[6.25, 12.5]")[0] == 0
    code, output = run("add-context", str(tmp_path / "narrow"), written(suite, tmp_path, "wide"))
    assert code == 0, output
    assert samples.verify(tmp_path / "wide").hash == read_manifest(made).hash
    code, output = run("add-context", str(tmp_path / "narrow"), written(suite, tmp_path, "wide"), "seed=5")
    assert (code, "expected the seed of the finished set, 0, got 5" in output) == (2, True)
    code, output = run("add-context", str(made), written(suite, tmp_path, "wide"))
    assert (code, "and wider ones after them" in output) == (2, True)


def test_exported_files_are_those_of_vdm_bind_and_come_back(made: Path, tmp_path: Path) -> None:
    assert run("export", str(made), "--out", str(tmp_path / "npz"))[0] == 0
    manifest = read_manifest(made)
    files = sorted((tmp_path / "npz").glob("*/sim_*/sim_*_halo_*_rot_*.npz"))
    assert len(files) == 36
    name = manifest.split["train"][0]
    number = name.removeprefix("SB35_")
    path = tmp_path / "npz" / "train" / f"sim_{number}" / f"sim_{number}_halo_2_rot_1.npz"
    with np.load(path, allow_pickle=False) as data:
        found = {key: (data[key].shape, data[key].dtype.str) for key in data.files}
        condition = data["condition"]
    assert found == {
        "condition": ((16, 16), "<f4"),
        "target": ((3, 16, 16), "<f4"),
        "large_scale": ((3, 16, 16), "<f4"),
        "params": ((35,), "<f8"),
        "halo_mass": ((), "<f4"),
        "halo_center": ((3,), "<f4"),
    }
    shard = read_shard(made / f"{name}.0001.hdf5").samples
    np.testing.assert_array_equal(condition, shard.condition[2 * 3 + 1 - 5])
    with np.load(tmp_path / "npz" / "stellar_normalization_stats.npz", allow_pickle=False) as data:
        assert float(data["star_mag_mean"]) == manifest.moments["target/stars"].mean
        assert float(data["star_mag_std"]) == manifest.moments["target/stars"].std
    assert run("import", str(tmp_path / "npz"), "--out", str(tmp_path / "back"))[0] == 0
    assert run("export", str(tmp_path / "back"), "--out", str(tmp_path / "again"))[0] == 0
    for path in files:
        again = tmp_path / "again" / path.relative_to(tmp_path / "npz")
        with np.load(path) as first, np.load(again) as second:
            assert {key: first[key].tobytes() for key in first.files} == {key: second[key].tobytes() for key in second}
    held = read_manifest(tmp_path / "back")
    assert {part: len(names) for part, names in held.split.items()} == {"train": 1, "validation": 1, "test": 1}
    assert held.moments["target/gas"].mean == pytest.approx(manifest.moments["target/gas"].mean, rel=1e-12)


@pytest.mark.parametrize("damage", ["pickle", "missing key", "shape", "no archive", "other shape"])
def test_files_that_are_no_samples_are_refused_by_name(made: Path, tmp_path: Path, damage: str) -> None:
    run("export", str(made), "--out", str(tmp_path / "npz"))
    path = next((tmp_path / "npz").rglob("sim_1_halo_0_rot_1.npz"))
    with np.load(path) as data:
        content = {key: data[key] for key in data.files}
    if damage == "pickle":
        content["params"] = np.array([{}], dtype=object)
    elif damage == "missing key":
        del content["target"]
    elif damage == "shape":
        content["target"] = content["target"][:2]
    elif damage == "other shape":
        content = {key: value[..., :8, :8] if value.ndim > 1 else value for key, value in content.items()}
    np.savez(path, **content)
    if damage == "no archive":
        path.write_bytes(b"nothing")
    code, output = run("import", str(tmp_path / "npz"), "--out", str(tmp_path / "back"))
    assert code == 2
    assert path.name in "".join(output.split())
    assert not (tmp_path / "back" / "manifest.json").exists()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    code, output = run("import", str(tmp_path), "--out", str(tmp_path / "back"))
    assert (code, "expected files named sim_0_halo_0_rot_0.npz" in output) == (2, True)
    code, output = run("export", str(tmp_path), "--out", str(tmp_path / "back"))
    assert (code, "manifest of a finished set of cutouts" in output) == (2, True)
