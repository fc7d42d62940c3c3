from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")

from ray_jobs.demo import find_snapshot, paint_overrides, show

LOG = """\
2026-11-21 06:47:56,354\tINFO cli.py:42 -- Job submission server address: http://127.0.0.1:51185
2026-11-21 06:47:56,356\tINFO packaging.py:385 -- Ignoring upload to cluster for these files
Running entrypoint for job darkglass-train-1: python -m ray_jobs.train configs/train/painter.yaml
\x1b[36m(TrainController pid=20790)\x1b[0m [State Transition] INITIALIZING -> SCHEDULING.
\x1b[36m(RayTrainWorker pid=20925)\x1b[0m Reporting training result 1: TrainingReport(checkpoint=None)
\x1b[36m(RayTrainWorker pid=20925, ip=10.0.0.2)\x1b[0m train: 5/200 steps  train/loss 0.4053
{"benchmark": "evaluate", "rows": []}
2026-11-21 06:51:10,233\tERR cli.py:74 -- Job 'darkglass-train-1' failed
"""

OWN = """\
Running entrypoint for job darkglass-train-1: python -m ray_jobs.train configs/train/painter.yaml
train: 5/200 steps  train/loss 0.4053
2026-11-21 06:51:10,233\tERR cli.py:74 -- Job 'darkglass-train-1' failed
"""


def test_only_the_jobs_own_lines_and_errors_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert not show(LOG.splitlines(keepends=True))
    assert capsys.readouterr().out == OWN


def test_a_failed_jobs_log_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    again = "x INFO cli.py:89 -- Status message: Job entrypoint command failed with exit code 2, last available logs:\n"
    show(["no such file\n", again, "no such file\n"])
    assert capsys.readouterr().out == "no such file\n"


def test_a_cluster_that_is_not_ready_is_recognised() -> None:
    assert show(["RuntimeError: Request failed with status code 500: No available agent to submit job, please try\n"])


def test_a_snapshot_that_is_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"--data: expected a snapshot at .*absent\.hdf5"):
        find_snapshot(tmp_path / "absent.hdf5")


def test_without_real_data_the_demo_paints_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DARKGLASS_DATA", str(tmp_path))
    assert find_snapshot(None) is None
    assert not any("snapshot" in override for override in paint_overrides(None))
    assert "no real snapshot found" in capsys.readouterr().out
