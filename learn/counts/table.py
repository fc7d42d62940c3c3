"""The main scores of a judgement of halos as tables on a terminal, then one line of JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from learn.counts.verdicts import outcomes, verdicts
from learn.scores.halo_scores import PRINTED
from learn.scores.score import Row, best
from learn.table import WIDTH, cell


def show(result: Mapping[str, Any], file: TextIO = sys.stdout) -> None:
    """Print a table a data set, where others win, which goals are reached, and one line of JSON."""
    console = Console(file=file, width=max(Console(file=file).width, WIDTH), highlight=False)
    for name, data in result["data"].items():
        title = f"{name}: {len(data['simulations'])} boxes of {data['box_size']:g} Mpc/h"
        console.print(table(title, [row for row in result["rows"] if row["data"] == name], result["channels"]))
    for sentence in verdicts(result["rows"]):
        console.print(sentence)
    console.print(goals(result["rows"]))
    console.print(f"every score, figure and definition: {result['config']['out']}/evaluation.html", soft_wrap=True)
    print(json.dumps({"benchmark": "evaluate", "commit": result["commit"], "rows": result["rows"]}), file=file)


def table(title: str, rows: Sequence[Row], channels: Sequence[str]) -> Table:
    """The main scores of every method, channel by channel; * at the best."""
    caption = "1.8(4) is 1.8 ± 0.4 %; r as it is; bootstrap error over simulations; * best of its channel"
    drawn = Table(title=title, caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    drawn.add_column("", no_wrap=True)
    for score in PRINTED:
        drawn.add_column(score.heading, justify="right", no_wrap=True)
    for channel in channels:
        own = [row for row in rows if row["channel"] == channel]
        drawn.add_row(f"[bold]{channel}[/bold]")
        for row in own:
            texts = [cell(row, score, is_best=best(own, score) is row) for score in PRINTED]
            drawn.add_row(row["method"], *texts, end_section=row is own[-1])
    return drawn


def goals(rows: Sequence[Row]) -> str:
    """How many goals are reached on each data set, and a line for each that is not or that these boxes cannot tell."""
    found = outcomes(rows)
    lines = []
    for name in dict.fromkeys(one["data"] for one in found):
        own = [one for one in found if one["data"] == name]
        known = [one for one in own if one["is_reached"] is not None]
        lines.append(f"{name}: {sum(one['is_reached'] for one in known)} of {len(known)} goals reached")
        lines += [missed(one) for one in own if not one["is_reached"]]
    return "\n".join(lines)


def missed(one: Mapping[str, Any]) -> str:
    """A goal that is not reached, or of which nobody knows."""
    said = "cannot tell" if one["is_reached"] is None else "not reached"
    return f"  {said}: {one['channel']}, {one['text']}: {one['found']} (without fault {one['by_chance']})"
