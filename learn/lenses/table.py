"""A judgement of inference machines as lines of a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from configs.lens_evaluation import TRUTH
from learn.lenses.page import shares, theirs
from learn.lenses.rows import ALL, FITTED, SCORES
from learn.scores.score import best
from learn.table import WIDTH, cell

MARKS = {True: "reached", False: "missed", None: "cannot tell"}


def show(metrics: Mapping[str, Any]) -> None:
    """Print the main scores, the goals, the coverage, where the page is and, as the last line, one JSON object."""
    console = Console(width=max(Console().width, WIDTH))
    for name in (ALL, FITTED):
        if name in metrics["sets"]:
            console.print(table(metrics, name))
    for line in (*goals(metrics), *coverages(metrics)):
        console.print(line, highlight=False)
    console.print(f"evaluate: the page is {metrics['config']['out']}/lenses.html", soft_wrap=True, highlight=False)
    print(json.dumps({"benchmark": "evaluate_lenses", "commit": metrics["commit"], "rows": metrics["rows"]}))


def table(metrics: Mapping[str, Any], data: str) -> Table:
    """A row a method, and what the predecessor reports."""
    printed = [i for i, score in enumerate(SCORES) if score.printed]
    title = f"{metrics['sets'][data]} {metrics['split']} systems of {len(metrics['simulations'])} families: {data}"
    caption = "0.018(4) is 0.018 ± 0.004; θE and good χ² in %; bootstrap error over systems; * best of what is made"
    made = Table(title=title, caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("", *(SCORES[i].heading for i in printed)):
        made.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    rows = [row for row in metrics["rows"] if row["data"] == data]
    for row in rows:
        others = [one for one in rows if one["method"] != TRUTH]
        made.add_row(row["method"], *(cell(row, SCORES[i], is_best=best(others, SCORES[i]) is row) for i in printed))
    made.add_row("predecessor", *(theirs(metrics["predecessor"])[i] for i in printed), style="dim")
    return made


def goals(metrics: Mapping[str, Any]) -> Iterator[str]:
    """A line a goal and method on all systems."""
    for one in metrics["goals"]:
        if one["data"] == ALL:
            yield f"{MARKS[one['is_reached']]}: {one['method']}: {one['text']}: {one['found']}"


def coverages(metrics: Mapping[str, Any]) -> Iterator[str]:
    """A line a kind of draws: truths in the central 68 and 95 %."""
    for kind, every in metrics["coverage"].items():
        told = (f"{one['of']} {' and '.join(shares(one))}" for one in every)
        yield f"in 68 and 95 % of the {kind}: {'; '.join(told)}"
