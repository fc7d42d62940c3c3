"""The page of an evaluation: one HTML file with every score, figure and definition in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from learn.names import OURS
from learn.portfolio import TITLES
from learn.scores.score import GROUPS, SCORES, Score, best
from learn.table import subject
from learn.verdicts import outcomes, verdicts

WEB = Path(__file__).parent / "web"


def page(metrics: Mapping[str, Any], *, caption: str, pictures: Mapping[str, bytes]) -> str:
    """The page; every name from outside is escaped. caption: what curves are; pictures: PNG files by name."""
    return rendered(
        "evaluation",
        metrics=metrics,
        subject=subject(metrics["subject"]),
        caption=caption,
        verdicts=verdicts(metrics["rows"]),
        outcomes=outcomes(metrics["rows"]),
        tables=[table(metrics, group) for group in GROUPS],
        pictures=[(name, TITLES[name], embedded(pictures[name])) for name in TITLES if name in pictures],
        ours=OURS,
    )


def rendered(name: str, **values: Any) -> str:
    """The page that the template `name` makes of `values`; every name from outside is escaped."""
    environment = Environment(
        loader=FileSystemLoader(WEB), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["pretty"] = pretty
    return environment.get_template(f"{name}.html").render(values)


def table(metrics: Mapping[str, Any], group: str) -> dict[str, Any]:
    """One group of scores: headings, and for each channel its rows of (text, is the best of the channel)."""
    scores = [score for score in SCORES if score.group == group and has_any(metrics["rows"], score)]
    channels = {}
    for channel in metrics["channels"]:
        rows = [row for row in metrics["rows"] if row["channel"] == channel]
        winners = {score.name: best(rows, score) for score in scores}
        channels[channel] = [
            (row["method"], [(score.shown(row), winners[score.name] is row) for score in scores]) for row in rows
        ]
    return {"group": group, "scores": scores, "channels": channels if scores else {}}


def has_any(rows: list[dict[str, Any]], score: Score) -> bool:
    """Whether any method has the score."""
    return any(row[score.name] is not None for row in rows)


def embedded(png: bytes) -> str:
    """A picture as the address of itself."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def pretty(content: Any) -> str:
    """A configuration as indented JSON."""
    return json.dumps(content, indent=2, ensure_ascii=False)
