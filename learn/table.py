"""The main scores of an evaluation as a table on a terminal, then one line of JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from learn.scores.coverage import NOMINAL, QUANTITIES
from learn.scores.score import PRINTED, Row, Score, best
from learn.verdicts import Outcome, outcomes, verdicts

WIDTH = 120
"""Columns of the printed table; a log, which knows of no width, would get less and lose digits."""


def show(result: Mapping[str, Any], file: TextIO = sys.stdout) -> None:
    """Print the table, where baselines win, what the draws cover, which goals are reached, and one line of JSON."""
    console = Console(file=file, width=max(Console(file=file).width, WIDTH), highlight=False)
    console.print(table(result))
    for sentence in verdicts(result["rows"]):
        console.print(sentence)
    for covered in coverages(result["rows"]):
        console.print(covered)
    console.print(goals(outcomes(result["rows"])))
    console.print(f"every score, figure and definition: {result['config']['out']}/evaluation.html", soft_wrap=True)
    line = {"benchmark": "evaluate", "commit": result["commit"], "rows": result["rows"]}
    print(json.dumps(line), file=file)


def table(result: Mapping[str, Any]) -> Table:
    """The main scores of every method, channel by channel; * at the best."""
    title = f"{len(result['simulations'])} {result['split']} simulations, {subject(result['subject'])}"
    caption = "1.8(4) is 1.8 ± 0.4 %; r and PDF as they are; bootstrap error over simulations; * best of its channel"
    drawn = Table(title=title, caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    drawn.add_column("", no_wrap=True)
    for score in PRINTED:
        drawn.add_column(score.heading.replace(" k<", "\nk<"), justify="right", no_wrap=True)
    for channel in result["channels"]:
        rows = [row for row in result["rows"] if row["channel"] == channel]
        drawn.add_row(f"[bold]{channel}[/bold]")
        for row in rows:
            drawn.add_row(row["method"], *cells(row, rows), end_section=row is rows[-1])
    return drawn


def cells(row: Row, rows: Sequence[Row]) -> list[str]:
    """The printed scores of a row of a channel."""
    return [cell(row, score, is_best=best(rows, score) is row) for score in PRINTED]


def cell(row: Row, score: Score, *, is_best: bool) -> str:
    """1.83(40) with the star of the best; a dash where there is none."""
    if row[score.name] is None:
        return "- "
    factor = 100 if score.unit == "percent" else 1
    value, error = (factor * row[score.name][key] for key in ("value", "standard_error"))
    few, many = (0, 2) if score.unit == "percent" else (3, 4)
    digits = many if abs(value) < 10 and error < (1 if score.unit == "percent" else 0.01) else few
    text = f"{value:.{digits}f}({round(error * 10**digits)})".replace("-0(", "0(")
    return f"[bold]{text}*[/bold]" if is_best else f"{text} "


def coverages(rows: Sequence[Row]) -> list[str]:
    """A line a channel of a painter that draws: the shares of truths inside its intervals, of each quantity."""
    own = [row for row in rows if row.get(f"coverage_68_{QUANTITIES[0]}") is not None]
    nominal = " / ".join(f"{100 * share:.0f}" for share in NOMINAL)
    return [f"{row['channel']}: in intervals of {nominal} %: {', '.join(_covered(row))}" for row in own]


def _covered(row: Row) -> Iterator[str]:
    for quantity in QUANTITIES:
        shares = (row[f"coverage_{100 * share:.0f}_{quantity}"]["value"] for share in NOMINAL)
        yield f"{quantity} {' / '.join(f'{100 * share:.0f}' for share in shares)}"


def goals(found: Sequence[Outcome]) -> str:
    """How many goals are reached, and what was found where one is not."""
    known = [one for one in found if one.is_reached is not None]
    missed = [f"  {one.text}: found {one.found}" for one in known if not one.is_reached]
    head = f"goals: {len(known) - len(missed)} of {len(known)} reached"
    return "\n".join([head + (", not:" if missed else ""), *missed])


def subject(record: Mapping[str, Any]) -> str:
    """What was judged, in words."""
    if record["kind"] == "checkpoint":
        return f"checkpoint of step {record['step']}"
    return f"predictions in {record['where']}"
