"""Cutouts on actors: the hash of a serial run, also with a killed actor; what is broken is named and stops no other."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")

from camels_like import write_suite

from configs import Camels, Cutouts
from ray_jobs import cutouts
from ray_jobs.tasks import FAILED
from sim import halosets, samples
from sim.camels import Suite

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("ray_local")]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return write_suite(tmp_path_factory.mktemp("suite"), n_sims=3)


def config(suite: Suite, out: Path, n_rotations: int = 4) -> Cutouts:
    source = Camels(
        kind="camels", dmo=suite.dmo, hydro=suite.hydro, catalogs=suite.catalogs, parameters=suite.parameters
    )
    return Cutouts(
        product="cutouts",
        source=source,
        out=out,
        n_pixels=16,
        n_rotations=n_rotations,
        samples_per_shard=3,
        split=(0.34, 0.33, 0.33),
    )


def serial(asked: Cutouts, out: Path) -> str:
    alone = asked.model_copy(update={"out": out})
    list(halosets.produce(alone))
    return samples.read_manifest(out).hash


def test_actors_make_what_one_process_makes_and_make_it_once(
    suite: Suite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = config(suite, tmp_path / "actors")
    cutouts.produce(asked)
    assert samples.verify(asked.out).hash == serial(asked, tmp_path / "serial")
    before = {path: path.stat().st_mtime_ns for path in asked.out.glob("SB35*")}
    cutouts.produce(asked)
    assert {path: path.stat().st_mtime_ns for path in asked.out.glob("SB35*")} == before
    output = capsys.readouterr().out
    assert "3/3 simulations" in output
    assert "3 of 3 simulations are there already" in output


def kill_a_holder(out: Path, killed: list[int]) -> None:
    """SIGKILL one actor of this cluster as soon as a shard is there."""
    while not list(out.glob("*.hdf5")):
        time.sleep(0.005)
    while not killed:
        for entry in Path("/proc").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                is_ours = entry.name.isdigit() and os.getsid(int(entry.name)) == os.getsid(0)
                if is_ours and (entry / "cmdline").read_bytes().startswith(b"ray::Holder"):
                    os.kill(int(entry.name), signal.SIGKILL)
                    killed.append(int(entry.name))
                    return


def test_an_actor_killed_in_the_middle_changes_nothing(
    suite: Suite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, killed = config(suite, tmp_path / "actors", n_rotations=40), list[int]()
    killer = threading.Thread(target=kill_a_holder, args=(asked.out, killed), daemon=True)
    killer.start()
    cutouts.produce(asked)
    killer.join(timeout=10)
    assert killed
    assert "once more" in capsys.readouterr().out
    assert samples.verify(asked.out).hash == serial(asked, tmp_path / "serial")


def test_what_is_broken_is_named_and_the_others_are_made(
    suite: Suite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = write_suite(tmp_path / "suite", n_sims=3)
    path = next((broken.hydro / "SB35_1").rglob("*.0.hdf5"))
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    asked = config(broken, tmp_path / "set")
    with pytest.raises(SystemExit) as ended:
        cutouts.produce(asked)
    assert ended.value.code == FAILED
    assert f"SB35_1 failed: {path}" in capsys.readouterr().err
    assert not (asked.out / "manifest.json").exists()
    assert [halosets.completed(f"SB35_{i}", asked) is not None for i in (0, 2)] == [True, True]
    path.write_bytes(whole)
    cutouts.produce(asked)
    shutil.rmtree(broken.hydro / "SB35_2")
    assert samples.verify(asked.out).hash == serial(config(suite, tmp_path / "x"), tmp_path / "serial")


def test_a_simulation_that_no_node_holds_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="expected at most a node's"):
        cutouts.refuse_too_large(10**15)
