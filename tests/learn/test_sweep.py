"""The results of a sweep: ranked, written, drawn."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from configs import Train, load
from configs.space import Distribution
from learn import sweep
from learn.sweep import Trial
from learn.sweep_figure import height, metric_scale, sweep_figure, ticks

DISTRIBUTIONS = {
    "optimizer.lr": Distribution("loguniform", (1e-4, 1e-2)),
    "net.width": Distribution("choice", (4, 8, 16)),
    "seed": Distribution("randint", (0, 9)),
}


def trial(name: str, metric: float | None, **changes: object) -> Trial:
    values = {"optimizer.lr": 1e-3, "net.width": 8, "seed": 4}
    content = {"values": values, "steps": 10, "seconds": 2.5, "status": "finished", "folder": f"trials/{name}"}
    return Trial(name=name, metric=metric, **(content | changes))


TRIALS = [
    trial("b", 0.5),
    trial("c", None, status="failed", steps=0),
    trial("a", 0.2),
    trial("d", 0.9, status="stopped"),
]


def test_the_best_is_first_and_what_was_never_judged_last() -> None:
    assert [t.name for t in sweep.ranked(TRIALS, "min")] == ["a", "b", "d", "c"]
    assert [t.name for t in sweep.ranked(TRIALS, "max")] == ["d", "b", "a", "c"]


def test_results_are_a_table_that_a_csv_reader_reads(tmp_path: Path) -> None:
    context = trial("e", 0.1, values={"context": [0.5, 2.0], "kind": "asha"})
    sweep.write_results(tmp_path, [context, trial("c", None, values=context.values, status="failed")], "val/loss")
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["context"] == "[0.5, 2.0]"
    assert (rows[0]["val/loss"], rows[1]["val/loss"]) == ("0.1", "")
    assert sweep.statuses(tmp_path) == ["finished", "failed"]
    assert sweep.statuses(tmp_path / "nowhere") == []


def test_the_best_training_is_a_file_that_loads_as_what_it_was(tmp_path: Path, toy_train: Train) -> None:
    path = sweep.write_best(tmp_path, toy_train, trial("a", 0.123456789), "val/loss", "a note")
    assert load(Train, path) == toy_train.model_copy(update={"out": tmp_path / "best"})
    first, note, code = path.read_text().splitlines()[:3]
    assert first.startswith("# val/loss 0.123457 after 10 steps: trial a of ")
    assert note == "# a note"
    assert code.startswith("# darkglass ")


def test_the_table_shows_every_trial() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(sweep.table(sweep.ranked(TRIALS, "min"), "val/loss"))
    lines = console.export_text().splitlines()
    assert [line.split()[0] for line in lines] == ["trial", "a", "b", "d", "c"]
    assert lines[4].split()[-4:] == ["–", "0", "2", "failed"]


def test_a_value_lies_where_its_distribution_puts_it() -> None:
    assert [height(DISTRIBUTIONS["optimizer.lr"], x) for x in (1e-4, 1e-3, 1e-2)] == pytest.approx([0, 0.5, 1])
    assert [height(DISTRIBUTIONS["net.width"], x) for x in (4, 8, 16)] == [0, 0.5, 1]
    assert height(Distribution("choice", ([0.5],)), [0.5]) == 0.5
    assert height(DISTRIBUTIONS["seed"], 9) == 1
    assert list(ticks(DISTRIBUTIONS["optimizer.lr"]).values()) == ["0.0001", "0.001", "0.01"]
    assert list(ticks(DISTRIBUTIONS["net.width"]).values()) == ["4", "8", "16"]


def test_one_bad_trial_does_not_squeeze_the_others() -> None:
    scores = np.array([0.10, 0.11, 0.12, 0.13, 50.0])
    norm = metric_scale(scores)
    assert norm(0.13) - norm(0.10) > 0.3
    assert norm(50.0) == 1
    assert norm(0.10) == 0
    assert metric_scale(np.array([0.3])).vmin == 0.3


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_best_line_is_the_thick_one_and_ends_on_top(mode: str) -> None:
    ordered = sweep.ranked(TRIALS, mode)
    figure = sweep_figure(ordered, DISTRIBUTIONS, {"net.width": 0.7, "seed": 0.3}, metric="val/loss", mode=mode)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 4]
    assert len(lines) == 3
    best = max(lines, key=lambda line: line.get_linewidth())
    if mode == "min":
        assert best.get_ydata()[-1] == 1
    assert max(line.get_ydata()[-1] for line in lines) == 1
    assert [bar.get_width() for bar in figure.axes[1].patches] == [0.0, 0.3, 0.7]


def test_a_sweep_without_a_metric_has_no_figure_and_few_trials_no_importance() -> None:
    with pytest.raises(ValueError, match="expected a trial with a metric"):
        sweep_figure([trial("a", None)], DISTRIBUTIONS, {}, metric="val/loss", mode="min")
    figure = sweep_figure([trial("a", 1.0)], DISTRIBUTIONS, {}, metric="val/loss", mode="min")
    assert "too few" in figure.axes[1].texts[0].get_text()
