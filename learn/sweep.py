"""What became of the trials of a sweep, as they are kept on disk and shown. Knows nothing of who ran them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from rich.table import Table

from configs import Train, provenance
from configs.files import replacing

Status = Literal["finished", "stopped", "unfinished", "failed"]
RESULTS, BEST = "results.csv", "best.yaml"
LAST_COLUMNS = ("steps", "seconds", "status", "folder")


@dataclass(frozen=True)
class Trial:
    """A training of a sweep: `stopped` is by the scheduler; `values` by dotted key; no metric before a validation."""

    name: str
    values: Mapping[str, Any]
    metric: float | None
    steps: int
    seconds: float
    status: Status
    folder: str
    error: str = ""


def ranked(trials: Sequence[Trial], mode: Literal["min", "max"]) -> list[Trial]:
    """The best first; those without a metric last, by name."""
    sign = 1 if mode == "min" else -1
    return sorted(trials, key=lambda t: (t.metric is None, 0.0 if t.metric is None else sign * t.metric, t.name))


def write_results(out: Path, trials: Sequence[Trial], metric: str) -> None:
    """Write `out`/results.csv, a row a trial in the given order; values that are not numbers as JSON."""
    keys = list(trials[0].values)
    with replacing(out / RESULTS) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", *keys, metric, *LAST_COLUMNS])
        for t in trials:
            values = [written(t.values[key]) for key in keys]
            writer.writerow([t.name, *values, t.metric, t.steps, round(t.seconds, 3), t.status, t.folder])


def written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def statuses(out: Path) -> list[str]:
    """What became of each trial that `out`/results.csv lists; none without the file."""
    path = out / RESULTS
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [row["status"] for row in csv.DictReader(file)]


def write_best(out: Path, config: Train, best: Trial, metric: str, note: str = "") -> Path:
    """Write `out`/best.yaml: the training of the best trial, in full, with its own folder."""
    made = provenance()
    lines = [
        f"# {metric} {best.metric:.6g} after {best.steps} steps: trial {best.name} of {out.name}, {best.status}.",
        *([f"# {note}"] if note else []),
        f"# {made['project']} {made['commit']}",
    ]
    tree = config.model_copy(update={"out": out / "best"}).model_dump(mode="json")
    with replacing(out / BEST) as temporary:
        temporary.write_text("\n".join(lines) + "\n" + yaml.safe_dump(tree, sort_keys=False))
    return out / BEST


def table(trials: Sequence[Trial], metric: str) -> Table:
    """A row a trial, in the given order, the first in bold."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    keys = list(trials[0].values)
    shown.add_column("trial")
    for name in (*keys, metric, "steps", "seconds"):
        shown.add_column(name, justify="right")
    shown.add_column("status")
    for i, t in enumerate(trials):
        numbers = (short(t.metric), str(t.steps), f"{t.seconds:.0f}")
        style = "bold" if i == 0 and t.metric is not None else None
        shown.add_row(t.name, *(short(t.values[key]) for key in keys), *numbers, t.status, style=style)
    return shown


def short(value: Any) -> str:
    """Four digits of a number."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else written(value)
