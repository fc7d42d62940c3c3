"""A judgement of fields as lines of a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from learn.fields.scores import SCORES
from learn.table import WIDTH


def show(metrics: Mapping[str, Any]) -> None:
    """Print the main scores, the goals, where the page is and, as the last line, one JSON object."""
    console = Console(width=max(Console().width, WIDTH))
    console.print(table(metrics))
    for goal in metrics["goals"]:
        answer = {True: "reached", False: "missed", None: "cannot tell"}[goal["is_reached"]]
        console.print(f"{goal['text']}: {goal['found']}, {answer}", highlight=False)
    console.print(f"evaluate: the page is {metrics['config']['out']}/fields.html", soft_wrap=True, highlight=False)
    print(json.dumps({"benchmark": "evaluate", "commit": metrics["commit"], "rows": metrics["rows"]}))


def table(metrics: Mapping[str, Any]) -> Table:
    """A row a method."""
    chosen = [score for score in SCORES if score.printed]
    title = f"{metrics['n_fields']} fields of {len(metrics['simulations'])} {metrics['split']} simulations"
    made = Table("method", *(score.heading for score in chosen), title=title)
    for row in metrics["rows"]:
        made.add_row(row["method"], *(score.shown(row) for score in chosen))
    return made
