"""The report of a demonstration: one HTML file with everything in it.

Knows the folder that the steps leave and what a cosmologist asks of it; nothing of how any of it was computed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from configs import provenance
from configs.files import replacing
from learn import curve_figures, curves, figures
from learn.curves import Curves
from learn.figures import Scale, density_scale, difference_scale
from learn.names import OURS, PAINTER
from learn.page import WEB
from learn.scores.score import BY_NAME, PRINTED, best
from learn.table import subject
from learn.verdicts import verdicts
from serve.render import WIDE_CURVE_SIZE, curve_panel, map_panel, swatch
from sim.shards import TARGET_CHANNELS, UNIT

STEPS = {"simulate": "boxes", "produce": "pairs", "train": "painter", "evaluate": "evaluation", "paint": "painted"}
TEMPLATES = Path(__file__).parent / "web"
HELD_OUT = ("input", "painted", "truth", "local", "simulation", "box_size")
SNAPSHOT = ("input", "painted", "local", "box_size", "name")
HEADLINES = ("power_error_k5", "correlation", "suppression_error")

Arrays = Mapping[str, NDArray]


@dataclass(frozen=True)
class Findings:
    """What the steps left, as read."""

    steps: dict[str, dict[str, Any]]
    metrics: dict[str, Any]
    curves: Curves
    paint: dict[str, Any]
    held_out: Arrays
    snapshot: Arrays | None


@dataclass(frozen=True)
class Panel:
    """A picture and its caption."""

    picture: str
    title: str
    note: str


def write(folder: Path) -> Path:
    """Write `folder`/report.html and return its path. FileNotFoundError names the first missing piece."""
    path = folder / "report.html"
    with replacing(path) as temporary:
        temporary.write_text(page(read(folder)), encoding="utf-8")
    return path


def read(folder: Path) -> Findings:
    """Everything the report shows; FileNotFoundError or ValueError names the file."""
    steps = {step: _json(folder / place / "step.json") for step, place in STEPS.items()}
    paint = _json(folder / "painted" / "paint.json")
    has_snapshot = paint.get("snapshot") is not None
    return Findings(
        steps=steps,
        metrics=_json(folder / "evaluation" / "metrics.json"),
        curves=curves.load(_existing(folder / "evaluation" / "curves.npz")),
        paint=paint,
        held_out=_arrays(folder / "painted" / "held_out.npz", HELD_OUT),
        snapshot=_arrays(folder / "painted" / "snapshot.npz", SNAPSHOT) if has_snapshot else None,
    )


def page(findings: Findings) -> str:
    """The report as HTML; every name from outside is escaped."""
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, WEB]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "duration": duration, "pretty": pretty}
    scales = _scales(findings)
    held_out, real = findings.held_out, findings.snapshot
    return environment.get_template("report.html").render(
        commit=provenance()["commit"],
        unit=UNIT,
        headlines=_headlines(findings.metrics["rows"]),
        total=_total_panels(held_out, scales),
        baryons=_baryon_panels(held_out, scales),
        real=None if real is None else _snapshot_panels(real, scales),
        held_out=findings.paint["held_out"] | {"simulation": str(held_out["simulation"])},
        snapshot=findings.paint["snapshot"],
        endpoint=findings.paint["endpoint"],
        ratio=_curve_panels(curve_figures.draw_ratio, "P(k) ratio", findings.curves),
        correlation=_curve_panels(curve_figures.draw_correlation, "r(k)", findings.curves),
        suppression=_suppression_panel(findings.curves),
        caption=findings.curves.caption,
        legend=_legend(findings.curves),
        table=_table(findings.metrics["rows"]),
        verdicts=verdicts(findings.metrics["rows"]),
        metrics=findings.metrics,
        subject=subject(findings.metrics["subject"]),
        steps=_timed(findings.steps),
    )


def number(value: float) -> str:
    """Three significant digits, in words a reader knows: 0, 0.0123, 1.2e-07, 262 144."""
    if value == 0 or isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f") if value else "0"
    return f"{value:.3g}" if 1e-4 <= abs(value) < 1e5 else f"{value:.1e}"


def duration(seconds: float) -> str:
    """0.41 s, 41.7 s, 3 min 30 s."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def pretty(content: Any) -> str:
    """A configuration as indented JSON."""
    return json.dumps(content, indent=2, ensure_ascii=False)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"report: expected {path}, found no such file")
    return path


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_existing(path).read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: expected JSON, got: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a mapping, got a {type(content).__name__}")
    return content


def _arrays(path: Path, names: tuple[str, ...]) -> Arrays:
    with np.load(_existing(path), allow_pickle=False) as file:
        missing = [name for name in names if name not in file]
        if missing:
            raise ValueError(f"{path}: expected the array {missing[0]!r}, found {', '.join(file)}")
        return {name: file[name] for name in names}


def _scales(findings: Findings) -> dict[str, Scale]:
    """One scale a channel and one a kind of difference, for every panel of the report."""
    every = [findings.held_out, *([findings.snapshot] if findings.snapshot is not None else [])]
    truth = findings.held_out["truth"]
    painted = {channel: [one["painted"][i] for one in every] for i, channel in enumerate(TARGET_CHANNELS)}
    inputs = [one["input"] for one in every]
    scales = {"total": density_scale(*inputs, *painted["total"], truth[0])}
    scales |= {
        name: density_scale(*painted[name], truth[i], channel=name) for i, name in enumerate(TARGET_CHANNELS) if i
    }
    effects = [maps[0] - one for maps, one in zip([one["painted"] for one in every], inputs, strict=True)]
    scales["total difference"] = difference_scale(*effects, truth[0] - findings.held_out["input"])
    errors = findings.held_out["painted"] - truth
    return scales | {f"{name} difference": difference_scale(errors[i]) for i, name in enumerate(TARGET_CHANNELS) if i}


def _panel(density: NDArray, box_size: float, scale: Scale, title: str, note: str, where: str) -> Panel:
    return Panel(map_panel(density, box_size, scale, label=f"{title} of {where}"), title, note)


def _total_panels(maps: Arrays, scales: Mapping[str, Scale]) -> list[Panel]:
    """Input, painted and their difference; truth, its difference, and the painter's error."""
    dmo, painted, truth = maps["input"], maps["painted"][0], maps["truth"][0]
    panel = partial(_panel, box_size=float(maps["box_size"]), where="the held-out map")
    density, difference = partial(panel, scale=scales["total"]), partial(panel, scale=scales["total difference"])
    return [
        density(dmo, title="Input", note="dark matter only"),
        density(painted, title="Painted total", note=f"mass {_change(painted, dmo)} against the input"),
        difference(painted - dmo, title="Painted − input", note="what the painter says baryons do"),
        density(truth, title="True total", note=f"mass {_change(truth, dmo)} against the input"),
        difference(truth - dmo, title="True − input", note="what baryons do"),
        difference(painted - truth, title="Painted − true", note="what the painter gets wrong"),
    ]


def _baryon_panels(maps: Arrays, scales: Mapping[str, Scale]) -> list[Panel]:
    """Painted, true and the painter's error, a row for gas and a row for stars."""
    panels = []
    panel = partial(_panel, box_size=float(maps["box_size"]), where="the held-out map")
    for i, name in enumerate(TARGET_CHANNELS[1:], start=1):
        painted, truth, error = maps["painted"][i], maps["truth"][i], scales[f"{name} difference"]
        note = f"mass {_change(painted, truth)} against the truth"
        panels += [
            panel(painted, scale=scales[name], title=f"Painted {name}", note=note),
            panel(truth, scale=scales[name], title=f"True {name}", note="on the same scale"),
            panel(painted - truth, scale=error, title=f"Painted − true {name}", note="what the painter gets wrong"),
        ]
    return panels


def _snapshot_panels(maps: Arrays, scales: Mapping[str, Scale]) -> list[Panel]:
    """Input, painted total and their difference; gas and stars."""
    dmo, (total, gas, stars) = maps["input"], maps["painted"]
    panel = partial(_panel, box_size=float(maps["box_size"]), where="the real snapshot")
    density, effect = partial(panel, scale=scales["total"]), partial(panel, scale=scales["total difference"])
    return [
        density(dmo, title="Input", note="the particles, projected"),
        density(total, title="Painted total", note=f"mass {_change(total, dmo)} against the input"),
        effect(total - dmo, title="Painted − input", note="what the painter says baryons do"),
        panel(gas, scale=scales["gas"], title="Painted gas", note=f"{_share(gas, dmo)} of the mass of the input"),
        panel(
            stars, scale=scales["stars"], title="Painted stars", note=f"{_share(stars, dmo)} of the mass of the input"
        ),
    ]


def _share(one: NDArray, other: NDArray) -> str:
    return f"{100 * one.sum(dtype=np.float64) / other.sum(dtype=np.float64):.3g} %"


def _change(one: NDArray, other: NDArray) -> str:
    percent = round(100 * (float(one.sum(dtype=np.float64)) / float(other.sum(dtype=np.float64)) - 1), 2)
    return f"{percent:+.2f} %".replace("-", "−") if percent else "unchanged"


def _curve_panels(draw: Any, what: str, drawn: Curves) -> list[Panel]:
    names = [str(name) for name in drawn.channels]
    return [
        Panel(curve_panel(partial(draw, curves=drawn, i_channel=i), label=f"{what} of {name}"), name.capitalize(), "")
        for i, name in enumerate(names)
    ]


def _suppression_panel(drawn: Curves) -> str:
    return curve_panel(
        partial(curve_figures.draw_suppression, curves=drawn), label="S(k) of the total matter", size=WIDE_CURVE_SIZE
    )


def _legend(drawn: Curves) -> dict[str, str]:
    """Name -> line of every method, and of the truth where there is one to draw."""
    lines = {name: swatch(figures.COLORS[name], figures.DASHES[name]) for name in map(str, drawn.methods)}
    return lines | {"truth": swatch("currentColor", "-")}


def _headlines(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The painter's scores for the total matter, each beside the best baseline's."""
    total = [row for row in rows if row["channel"] == "total"]
    own = next(row for row in total if row["method"] == PAINTER)
    others = [row for row in total if row["method"] not in OURS]
    found = []
    for score in (BY_NAME[name] for name in HEADLINES):
        rival = best(others, score)
        if own[score.name] is not None and rival is not None:
            beside = f"{rival['method']}: {score.shown(rival, error=False)}"
            value = score.shown(own, error=False)
            found.append({"value": value, "meaning": f"{score.meaning}, total matter", "beside": beside})
    return found


def _table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Headings and meanings, and for each channel its rows of (text, is the best of the channel)."""
    channels = {}
    for channel in TARGET_CHANNELS:
        own = [row for row in rows if row["channel"] == channel]
        winners = {score.name: best(own, score) for score in PRINTED}
        channels[channel] = [
            (row["method"], [(score.shown(row), winners[score.name] is row) for score in PRINTED]) for row in own
        ]
    return {"scores": PRINTED, "channels": channels}


def _timed(steps: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Each step's record, with its share of the longest one in percent."""
    longest = max(record["seconds"] for record in steps.values())
    return [{"share": 100 * record["seconds"] / longest if longest else 0, **record} for record in steps.values()]
