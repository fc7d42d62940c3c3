from __future__ import annotations

from pathlib import Path

import pytest

from configs import ConfigError, Evaluate, load

LINES = "data: pairs\nout: evaluation\n"


def test_a_checkpoint_or_predictions_are_judged(tmp_path: Path) -> None:
    path = tmp_path / "judge.yaml"
    path.write_text(LINES + "checkpoint: painter/final\n")
    assert load(Evaluate, path).predictions is None
    other = load(Evaluate, path, ["checkpoint=null", "predictions=maps"])
    assert other.checkpoint is None
    assert other.predictions is not None
    assert other.predictions.name == "maps"


@pytest.mark.parametrize(
    ("lines", "overrides", "message"),
    [
        ("", [], "a checkpoint or predictions, got neither"),
        ("checkpoint: a\n", ["predictions=b"], "got both .checkpoint=null leaves it out"),
        ("predictions: b\n", ["save_predictions=b"], "save_predictions: another folder than predictions"),
    ],
)
def test_neither_both_and_a_folder_onto_itself_are_refused(
    lines: str, overrides: list[str], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "judge.yaml"
    path.write_text(LINES + lines)
    with pytest.raises(ConfigError, match=message):
        load(Evaluate, path, overrides)
