"""A run that was ended at any moment ends as one that was never interrupted."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from configs import Box, Cosmology, provenance
from sim import checkpoint, ensemble, nbody, snapshot
from sim.checkpoint import Cadence, Timer, latest, save
from sim.ensemble import Member
from sim.nbody import State
from sim.parallel import SERIAL, Comm, ThreadComm, n_threads_of_rank, set_threads

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
BOX = Box(
    cosmology=PLANCK, box_size=32.0, n_particles=10, seed=3, n_steps=6, redshifts=(1.0, 0.0), spectra=True, map_pixels=8
)
MEMBER = Member("box", BOX)
EVERY_STEP = Cadence(minutes=None, steps=1)
NEVER = Cadence(minutes=None, steps=None)


def on_ranks(size: int, function: Callable[[Comm], Any]) -> list[Any]:
    """What `function` returns on each of `size` ranks; one rank is this thread."""
    return [function(SERIAL)] if size == 1 else ThreadComm.run(size, function)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Boxes this small are faster so."""
    before = n_threads_of_rank()
    set_threads(1)
    yield
    set_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, bytes]]:
    """What a run that is never interrupted leaves, by its number of ranks."""
    out = tmp_path_factory.mktemp("whole")
    for size in (1, 2, 3):
        on_ranks(size, lambda comm: ensemble.simulate(MEMBER, out / str(comm.size), comm, NEVER))
    return {size: files(out / str(size) / "box") for size in (1, 2, 3)}


def simulate_until(step: int, out: Path, comm: Comm, cadence: Cadence = EVERY_STEP) -> None:
    """Run to `step`, then stop as if killed between two steps."""
    steps = ensemble.simulate_steps(MEMBER, out, comm, cadence)
    for state in steps:
        if state.step == step:
            break
    steps.close()


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("step", [0, 2, 3, 5])
def test_as_many_ranks_go_on_bit_for_bit(
    whole: dict[int, dict[str, bytes]], tmp_path: Path, size: int, step: int
) -> None:
    on_ranks(size, lambda comm: simulate_until(step, tmp_path, comm))
    steps = on_ranks(size, lambda comm: [s.step for s in ensemble.simulate_steps(MEMBER, tmp_path, comm, EVERY_STEP)])
    assert steps == [list(range(step, 7))] * size
    assert files(tmp_path / "box") == whole[size]
    assert [path.name for path in tmp_path.iterdir()] == ["box"]


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (3, 2), (2, 4)])
def test_other_ranks_go_on_with_the_same_particles(tmp_path: Path, before: int, after: int) -> None:
    on_ranks(before, lambda comm: simulate_until(4, tmp_path, comm))
    on_ranks(after, lambda comm: ensemble.simulate(MEMBER, tmp_path, comm, NEVER))
    ensemble.simulate(MEMBER, tmp_path / "serial")
    for name in ("snap_000.hdf5", "snap_001.hdf5"):
        ours, serial = (by_id(tmp_path / folder / "box" / name) for folder in (".", "serial"))
        np.testing.assert_array_equal(ours[0], serial[0])
        offset = np.abs(ours[1] - serial[1])
        assert np.minimum(offset, 32 - offset).max() < 1e-3
    last = sorted(path.name for path in (tmp_path / "box").glob("snap*"))
    assert last[-1] == ("snapdir_001" if after > 1 else "snap_001.hdf5" if before == 1 else last[-1])
    assert len(last) == 2


def test_what_is_newer_than_the_checkpoint_is_written_anew(whole: dict[int, dict[str, bytes]], tmp_path: Path) -> None:
    """The output after step 3 on two ranks is gone once one rank resumes after step 2; so is what a kill left over."""
    ThreadComm.run(2, lambda comm: simulate_until(3, tmp_path, comm, Cadence(None, 2)))
    partial = tmp_path / ".partial" / "box"
    assert (partial / "snapdir_000").is_dir()
    for name in (".1.snap_001.hdf5", "snapdir_000/.1.snap_000.0.hdf5", "checkpoints/000002/.1.part_0000.hdf5"):
        (partial / name).touch()
    ensemble.simulate(MEMBER, tmp_path)
    assert sorted(files(tmp_path / "box")) == sorted(whole[1])


def test_a_damaged_checkpoint_does_not_outlive_its_successor(tmp_path: Path) -> None:
    simulate_until(4, tmp_path, SERIAL)
    checkpoints = tmp_path / ".partial" / "box" / "checkpoints"
    cut(checkpoints / "000004" / "part_0000.hdf5")
    simulate_until(3, tmp_path, SERIAL)
    assert [path.name for path in checkpoints.iterdir()] == ["000003"]


def by_id(path: Path) -> tuple[np.ndarray, np.ndarray]:
    part = snapshot.read(path).particles["dark_matter"]
    order = np.argsort(part.ids)
    return part.ids[order], part.pos[order]


class Killed(BaseException):
    """What no code catches."""


def killed_at(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Die at the `count`-th time that anything is to be flushed or gets its name."""
    left = [count]

    def counting(real: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            real(*arguments)

        return call

    for name in ("replace", "fsync"):
        monkeypatch.setattr(os, name, counting(getattr(os, name)))


@pytest.mark.parametrize("size", [1, 2])
def test_killed_at_any_write_it_ends_the_same(tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two checkpoints, two snapshots, the record, the name: the first write that may fail, the second, to the last."""
    member = Member("box", Box(cosmology=PLANCK, box_size=32.0, n_particles=8, seed=3, n_steps=3, redshifts=(1.0, 0.0)))

    def simulate(out: Path) -> dict[str, bytes]:
        on_ranks(size, lambda comm: ensemble.simulate(member, out, comm, EVERY_STEP))
        return files(out / "box")

    whole = simulate(tmp_path / "whole")
    for count in range(1, 100):
        out, was_killed = tmp_path / str(count), False
        with monkeypatch.context() as patch:
            killed_at(count, patch)
            try:
                simulate(out)
            except Killed:
                was_killed = True
        assert simulate(out) == whole, f"killed at write {count}"
        assert [path.name for path in out.iterdir()] == ["box"]
        if not was_killed:
            break
    assert count - 1 == {1: 14, 2: 20}[size]


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """The checkpoints of a run on 2 ranks that was ended after step 4."""
    ThreadComm.run(2, lambda comm: simulate_until(4, tmp_path, comm))
    return tmp_path / ".partial" / "box" / "checkpoints"


def test_two_checkpoints_are_kept_each_a_part_a_rank(stopped: Path) -> None:
    assert sorted(path.name for path in stopped.iterdir()) == ["000003", "000004"]
    names = sorted(path.name for path in (stopped / "000004").iterdir())
    assert names == ["checkpoint.json", "part_0000.hdf5", "part_0001.hdf5"]
    with h5py.File(stopped / "000004" / "part_0001.hdf5") as part:
        assert {name: (part[name].dtype.str, part[name].shape[1:]) for name in part} == {
            "pos": ("<f4", (3,)),
            "mom": ("<f4", (3,)),
            "ids": ("<u8", ()),
        }
        assert 0 < len(part["ids"]) < 1000


def flip(path: Path, where: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def misread(path: Path) -> None:
    """Another scale factor, as one flipped bit may make it."""
    path.write_text(re.sub(r'("a": 0\.\d)\d', r"\g<1>0", path.read_text()))


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("part_0000.hdf5", flip, "expected the bytes that were written"),
        ("part_0001.hdf5", flip, "expected the bytes that were written"),
        ("part_0001.hdf5", cut, r"expected \d+ bytes, got \d+"),
        ("part_0001.hdf5", Path.unlink, "expected a part of a checkpoint, found none"),
        ("checkpoint.json", misread, "expected a whole record"),
        ("checkpoint.json", cut, "expected a whole record"),
        ("checkpoint.json", Path.unlink, None),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_damaged_checkpoint_is_passed_over_in_words(
    stopped: Path,
    name: str,
    damage: Callable[[Path], None],
    words: str | None,
    size: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage(stopped / "000004" / name)
    with caplog.at_level(logging.WARNING):
        found = on_ranks(size, lambda comm: latest(BOX, stopped, comm))
    assert [state.step for state in found] == [3] * size
    assert sum(len(state.ids) for state in found) == 1000
    assert len(caplog.records) == (words is not None)
    if words is not None:
        assert caplog.text.rstrip().endswith("; passed over")
        assert re.search(words, caplog.text)


def test_without_a_whole_one_the_run_begins_again(stopped: Path, whole: dict[int, dict[str, bytes]]) -> None:
    for path in stopped.glob("*/part_0000.hdf5"):
        cut(path)
    out = stopped.parents[2]
    ThreadComm.run(2, lambda comm: ensemble.simulate(MEMBER, out, comm, EVERY_STEP))
    assert files(out / "box") == whole[2]


def test_one_of_another_configuration_is_refused_and_kept(stopped: Path) -> None:
    out = stopped.parents[2]
    before = files(out)
    other = Member("box", BOX.model_copy(update={"seed": 4}))
    for size in (1, 2):
        with pytest.raises(ValueError, match=r"checkpoints/000004: expected the output of seed=4, got 3; remove"):
            on_ranks(size, lambda comm: ensemble.simulate(other, out, comm))
    assert files(out) == before


def test_one_of_another_format_is_refused(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    with pytest.raises(ValueError, match="expected a checkpoint of format 2, got 1"):
        latest(BOX, stopped)


def test_particles_come_back_on_the_rank_that_owns_them(tmp_path: Path) -> None:
    def saved(comm: Comm) -> State:
        *_, state = nbody.run(BOX, comm)
        save(state, tmp_path, comm)
        return state

    before = ThreadComm.run(3, saved)
    for state, back in zip(before, ThreadComm.run(3, lambda comm: latest(BOX, tmp_path, comm)), strict=True):
        assert back is not None
        assert (back.a, back.step, back.output) == (state.a, state.step, state.output)
        for name in ("pos", "mom", "ids"):
            np.testing.assert_array_equal(getattr(back, name), getattr(state, name), strict=True)
    for rank, back in enumerate(ThreadComm.run(4, lambda comm: latest(BOX, tmp_path, comm))):
        assert back is not None
        plane = back.pos[:, 0] / 32 * BOX.n_mesh
        assert 20 * rank // 4 <= plane.min()
        assert plane.max() < 20 * (rank + 1) // 4


def test_a_rank_without_particles_is_saved_too(tmp_path: Path) -> None:
    def emptied(comm: Comm) -> int:
        state = nbody.start(BOX, comm)
        if comm.rank == 1:
            state.pos, state.mom, state.ids = state.pos[:0], state.mom[:0], state.ids[:0]
        save(state, tmp_path, comm)
        back = latest(BOX, tmp_path, comm)
        assert back is not None
        return len(back.ids)

    counts = ThreadComm.run(3, emptied)
    assert counts[1] == 0
    back = latest(BOX, tmp_path)
    assert back is not None
    assert len(back.ids) == sum(counts) > 0


def test_the_clock_is_that_of_the_first_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    state = nbody.start(BOX)

    def said(comm: Comm) -> list[bool]:
        timer = Timer(Cadence(minutes=1), comm)
        timer._last -= 50 if comm.rank else 70  # rank 0 is late, the others are not yet
        return [timer.is_due(state), timer.is_due(state)]

    assert ThreadComm.run(3, said) == [[True, False]] * 3
    assert Timer(NEVER, SERIAL).is_due(state) is False


def test_steps_are_counted_from_the_first() -> None:
    state = nbody.start(BOX)
    timer = Timer(Cadence(None, 2), SERIAL)
    found = []
    for state.step in range(6):
        found.append(timer.is_due(state))
    assert found == [False, False, True, False, True, False]


@pytest.mark.parametrize("wrong", [{"minutes": 0.0}, {"minutes": -1.0}, {"steps": 0}])
def test_a_cadence_is_positive(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"checkpoint (minutes|steps): expected more than 0"):
        Cadence(**wrong)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2])
def test_processes_that_are_killed_resume(repository: Path, tmp_path: Path, size: int) -> None:
    """SIGKILL to one rank, twice without a launcher, after another checkpoint; then the same command once more."""
    member = Member("box", BOX.model_copy(update={"n_particles": 16, "n_steps": 60}))
    command = launched(member.box, tmp_path, size)
    environment = {**os.environ, "PYTHONPATH": str(repository), "DARKGLASS_COMMIT": provenance()["commit"]}
    for n_wanted in (5, 20) if size == 1 else (20,):
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True) as run:
            wait_for(lambda n=n_wanted: newest(tmp_path) >= n or run.poll() is not None)  # type: ignore[misc]
            os.kill(one_of(run.pid), signal.SIGKILL)
            assert run.wait(timeout=60) != 0
        assert 0 < newest(tmp_path) < 60
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=200).stdout
    assert int(re.search(r"resumes after step (\d+) of 60", output)[1]) >= 20  # type: ignore[index]
    on_ranks(size, lambda comm: ensemble.simulate(member, tmp_path / "whole", comm))
    assert files(tmp_path / "out" / "box") == files(tmp_path / "whole" / "box")


def launched(box: Box, folder: Path, size: int) -> list[str]:
    """A command that runs `box` on `size` ranks, with a checkpoint a step."""
    (folder / "box.yaml").write_text(box.model_dump_json())
    command = [sys.executable, "-m", "sim", "box", str(folder / "box.yaml"), "--out", str(folder / "out" / "box")]
    command += ["--checkpoint-steps", "1", "--threads", "1"]
    if size == 1:
        return command
    mpiexec = shutil.which("mpiexec", path=Path(sys.executable).parent)
    if mpiexec is None:
        pytest.skip("no mpiexec beside python")
    return [mpiexec, "-n", str(size), *command]


def newest(folder: Path) -> int:
    """The step of the last checkpoint that counts, -1 without one."""
    found = (folder / "out" / ".partial" / "box" / "checkpoints").glob("*/checkpoint.json")
    return max((int(path.parent.name) for path in found), default=-1)


def one_of(launcher: int) -> int:
    """A rank: the last of the descendants of a process, or itself."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return one_of(int(children[-1])) if children else launcher


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)
