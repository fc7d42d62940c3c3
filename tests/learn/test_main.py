from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from configs import Train
from learn.__main__ import main
from learn.checkpoint import latest_step
from learn.track import METRICS
from learn.train import fit


def run(config: Train, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> int:
    """Exit code of `python -m learn train`."""
    path = config.out.with_suffix(".yaml")
    path.write_text(OmegaConf.to_yaml(config.model_dump(mode="json")))
    monkeypatch.setattr(sys, "argv", ["learn", "train", str(path), *overrides])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_train_resumes_says_so_and_stops_when_there_is_nothing_to_do(
    toy_train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for progress in fit(toy_train):
        if progress.step == 4:
            break
    assert run(toy_train, monkeypatch) == 0
    printed = capsys.readouterr().out
    assert "resumes at step 4 of 6" in printed
    assert "step 6: loss" in printed
    assert latest_step(toy_train.out) == 6
    assert [json.loads(line)["step"] for line in (toy_train.out / METRICS).read_text().splitlines()] == [5, 6]
    assert run(toy_train, monkeypatch) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_what_the_user_got_wrong_is_one_line(
    toy_train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(toy_train, monkeypatch, f"data={tmp_path / 'nowhere'}") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere/manifest.json: expected a manifest" in line


def test_a_checkpoint_is_judged_by_the_name_of_its_folder(
    toy_train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    list(fit(toy_train))
    monkeypatch.setenv("DARKGLASS_HOME", str(tmp_path))
    for folder, code in ((toy_train.out / "final", 0), (tmp_path, 2)):
        monkeypatch.setattr(sys, "argv", ["learn", "evaluate", str(folder), "n_bins=6"])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert int(stopped.value.code or 0) == code
    kept = json.loads((tmp_path / "out" / "evaluation" / "metrics.json").read_text())
    assert kept["config"]["n_bins"] == 6
    assert kept["subject"]["where"] == str(toy_train.out / "final")
    assert "expected a checkpoint, found no meta.json" in capsys.readouterr().err
