from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed")

from ray_jobs.actors import shared  # noqa: E402
from ray_jobs.tasks import Progress, exit_if_any_failed, spread  # noqa: E402

# Workers cannot import test modules by name: other packages install a `tests` too.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_local")]

both_ways = pytest.mark.parametrize("dealt", [spread, shared])
"""A task an item, or actors that stay."""


class Square:
    """Squares; notes each attempt in a folder; fails or dies where told."""

    def __init__(self, folder: Path, fails: int | None = None, dies_once: int | None = None) -> None:
        self.folder, self.fails, self.dies_once = folder, fails, dies_once

    def __call__(self, item: int) -> int:
        attempts = len(list(self.folder.glob(f"{item}_*")))
        (self.folder / f"{item}_{attempts}").touch()
        if item == self.fails:
            raise RuntimeError(f"cannot square {item}")
        if item == self.dies_once and attempts == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return item * item


class Counting:
    """Says which process it is in, and which of its items this is."""

    n = 0

    def __call__(self, item: int) -> tuple[int, int, int]:
        self.n += 1
        return item, os.getpid(), self.n


@both_ways
def test_every_item_is_worked_on_once(dealt: Any, tmp_path: Path) -> None:
    outcomes = list(dealt(Square(tmp_path), range(9), n_retries=0))
    assert {done.item: done.result for done in outcomes} == {item: item * item for item in range(9)}
    assert len(list(tmp_path.iterdir())) == 9


@both_ways
def test_a_failing_item_is_tried_a_bounded_number_of_times_and_named(dealt: Any, tmp_path: Path) -> None:
    outcomes = {done.item: done for done in dealt(Square(tmp_path, fails=2), range(4), n_retries=2)}
    assert len(list(tmp_path.glob("2_*"))) == 3
    assert outcomes[2].result is None
    assert "cannot square 2" in str(outcomes[2].error)
    assert [outcomes[item].result for item in (0, 1, 3)] == [0, 1, 9]


@both_ways
def test_a_killed_worker_changes_nothing_in_the_result(dealt: Any, tmp_path: Path) -> None:
    outcomes = list(dealt(Square(tmp_path, dies_once=1), range(4), n_retries=2))
    assert {done.item: done.result for done in outcomes} == {0: 0, 1: 1, 2: 4, 3: 9}
    assert len(list(tmp_path.glob("1_*"))) == 2


def test_an_actor_stays_for_item_after_item() -> None:
    calls = [done.result for done in shared(Counting(), range(12), n_retries=0)]
    by_process = {pid: [n for _, other, n in calls if other == pid] for _, pid, _ in calls}
    assert len(by_process) <= 4
    assert all(sorted(counts) == list(range(1, len(counts) + 1)) for counts in by_process.values())


def test_progress_says_how_many_how_fast_and_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("simulate", "box", 4, n_done=2)
    progress.advance("box_0002")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "simulate: 2 of 4 boxes are there already"
    assert lines[1].startswith("simulate: 3/4 boxes  box_0002  ")
    assert lines[1].endswith(" s left")


def test_failures_are_named_and_the_exit_code_is_not_zero(capsys: pytest.CaptureFixture[str]) -> None:
    exit_if_any_failed("simulate", [])
    with pytest.raises(SystemExit) as caught:
        exit_if_any_failed("simulate", [("box_0007", "out of disk")])
    assert caught.value.code == 1
    assert "box_0007 failed: out of disk" in capsys.readouterr().err
