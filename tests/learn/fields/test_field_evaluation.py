"""A judgement of a generator from its configuration to its page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import exit_code
from toy_fields import fields

from configs import Evaluate, EvaluateFields, Train, load_one_of
from learn.__main__ import main
from learn.evaluate import of_checkpoint
from learn.fields.evaluation import evaluate
from learn.fields.figures import TITLES
from learn.fields.scores import SCORES
from learn.train import fit

METHODS = ["samples", "Gaussian field", "log-normal field", "training field", "held-out fields"]


@pytest.fixture
def judged(toy_generator: Train, tmp_path: Path) -> EvaluateFields:
    list(fit(toy_generator))
    return EvaluateFields(
        kind="fields",
        checkpoint=toy_generator.out / "final",
        data=toy_generator.data,
        out=tmp_path / "judged",
        n_bins=4,
        smoothing=0.6,
        samplers=("ddim", "heun"),
        evaluations=(3, 5),
        n_traded=3,
        n_neighbours=4,
    )


@pytest.mark.slow
def test_a_judgement_is_whole_and_the_same_again(judged: EvaluateFields, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = evaluate(judged)
    assert "simulations" in capsys.readouterr().out
    assert [row["method"] for row in metrics["rows"]] == METHODS
    assert all(set(row) == {"method", *(score.name for score in SCORES)} for row in metrics["rows"])
    assert metrics["subject"]["n_evaluations"] == 3
    assert [(one["sampler"], one["n_evaluations"]) for one in metrics["trades"]] == [
        ("ddim", 3),
        ("ddim", 5),
        ("heun", 3),
        ("heun", 5),
    ]
    assert metrics["n_fields"] == 6
    on_disk = json.loads((judged.out / "metrics.json").read_text())
    assert on_disk == metrics
    page = (judged.out / "fields.html").read_text()
    assert all(title in page for title in TITLES.values())
    assert page.count("data:image/png;base64,") == len(TITLES)
    curves = np.load(judged.out / "curves.npz")
    assert curves["samples.power"].shape == curves["held-out fields.power"].shape
    again = evaluate(judged.model_copy(update={"out": judged.out / "again"}))
    assert again["rows"] == metrics["rows"]


def test_fields_of_another_kind_are_refused(judged: EvaluateFields) -> None:
    for data, words in (
        (fields(judged.data.folder, param_names=("sigma8",)), "expected param_names"),
        (fields(judged.data.folder, n_pixels=8), "expected pixel_size"),
    ):
        with pytest.raises(ValueError, match=words):
            evaluate(judged.model_copy(update={"data": data}))


def test_the_folder_of_a_generator_stands_for_its_judgement(judged: EvaluateFields) -> None:
    kinds = {"painter": Evaluate, "fields": EvaluateFields}
    found = load_one_of(kinds, "kind", judged.checkpoint, ["n_draws=3"], of_folder=of_checkpoint)
    assert isinstance(found, EvaluateFields)
    assert (found.checkpoint, found.data, found.n_draws) == (judged.checkpoint, judged.data, 3)


def test_the_command_takes_painters_and_fields_by_kind(
    judged: EvaluateFields, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "evaluate.yaml"
    path.write_text(judged.model_dump_json())  # JSON is YAML
    command = ["evaluate", path, "evaluations=[3]", "n_traded=1"]
    assert exit_code(monkeypatch, main, *command) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["rows"][0]["method"] == "samples"
    for change, words in (
        ("kind=boxes", "expected one of painter, fields"),
        ("n_draws=0", "n_draws: expected greater"),
    ):
        assert exit_code(monkeypatch, main, *command, change) == 2
        assert words in capsys.readouterr().err
