from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from learn import curves
from learn.ledger import Entry, Ledger
from learn.scores import spectra
from learn.scores.score import SCORES
from serve import report
from serve.__main__ import app
from sim.shards import TARGET_CHANNELS

N = 16
HOSTILE = "<script>alert('box')</script>"
METHODS = ("painter", "identity", "blank", "amplitude filter", "pixel lookup")
SECTIONS = (
    "about",
    "held-out",
    "baryons",
    "snapshot",
    "power",
    "suppression",
    "evaluation",
    "endpoint",
    "throughput",
    "configuration",
)
PIECES = (
    *(f"{place}/step.json" for place in report.STEPS.values()),
    "evaluation/metrics.json",
    "evaluation/curves.npz",
    "painted/paint.json",
    "painted/held_out.npz",
    "painted/snapshot.npz",
)


def ledger(rng: np.random.Generator) -> Ledger:
    """Two simulations of one method."""
    return Ledger([entry(rng) for _ in range(2)])


def entry(rng: np.random.Generator) -> Entry:
    k = np.geomspace(0.3, 6, 5)
    powers = [rng.uniform(0.5, 1, size=(1, 3, 5)) for _ in range(3)]
    masses = [rng.uniform(0.9, 1.1, size=(1, 3)) for _ in range(3)]
    compared = spectra.Comparison(k, *powers, rng.uniform(0.5, 1, size=(1, 5)), *masses)
    return Entry(compared, {name: rng.random((3, 4)) for name in curves.SHAPES}, {})


def scores(method: str, channel: str) -> dict[str, Any]:
    away = 0.01 + 0.1 * METHODS.index(method) + 0.01 * TARGET_CHANNELS.index(channel)
    values = {score.name: (score.ideal or 0) + away for score in SCORES}
    values["correlation_k5"] = 1.5 - values["correlation_k5"] / 2  # 0.995 of the painter, less of the others
    if method == "pixel lookup":
        values["correlation_k5"] = 0.999
    found: dict[str, Any] = {name: {"value": value, "standard_error": 0.002} for name, value in values.items()}
    if channel != "total":
        found["suppression_error"] = None
    return {"name": f"{method} {channel}", "channel": channel, "method": method, **found}


def answer(name: str) -> dict[str, Any]:
    differences = {"max_abs_difference": 12345.0, "max_relative_difference": 1.5e-7, "seconds": 0.25}
    return {name: HOSTILE, "box_size": 4.0, "pixel_size": 0.25, "parameters": {"omega_m": 0.3}, **differences}


def write_evaluation(folder: Path) -> None:
    rng = np.random.default_rng(1)
    ledgers = {method: ledger(rng) for method in METHODS}
    truths = {name: [rng.random((3, 4)) for _ in range(2)] for name in curves.SHAPES}
    axes = {name: np.arange(4.0) for name in curves.SHAPES}
    simulations = ["box_0001", HOSTILE]
    made = curves.curves(ledgers, truths, axes, channels=TARGET_CHANNELS, simulations=simulations)
    curves.save(folder / "curves.npz", made)
    rows = [scores(method, channel) for channel in TARGET_CHANNELS for method in METHODS]
    content = {"rows": rows, "split": "test", "simulations": ["box_0001", HOSTILE], "half_nyquist": 6.28}
    (folder / "metrics.json").write_text(
        json.dumps(content | {"subject": {"kind": "checkpoint", "where": HOSTILE, "step": 7}})
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the steps leave, with hostile names wherever a name can be."""
    folder = tmp_path_factory.mktemp("demo")
    for step, place in report.STEPS.items():
        (folder / place).mkdir()
        record = {"step": step, "seconds": 12.5, "n_items": 24, "item": "box", "rate": 1.92, "commit": "abc"}
        (folder / place / "step.json").write_text(json.dumps(record | {"config": {"out": HOSTILE}}))
    write_evaluation(folder / "evaluation")
    rng = np.random.default_rng(0)
    dmo, maps = rng.lognormal(28, 1, size=(N, N)), rng.lognormal(27, 1, size=(3, N, N))
    held_out = {"input": dmo, "painted": maps, "truth": 1.1 * maps, "local": maps, "box_size": 4.0}
    np.savez(folder / "painted" / "held_out.npz", **held_out, simulation=HOSTILE)
    np.savez(folder / "painted" / "snapshot.npz", input=dmo, painted=maps, local=maps, box_size=4.0, name=HOSTILE)
    snapshot = answer("name") | {"n_particles": 262144, "provenance": f"from {HOSTILE}"}
    paint = {"endpoint": "http://127.0.0.1:8000/v1/paint", "held_out": answer("simulation"), "snapshot": snapshot}
    (folder / "painted" / "paint.json").write_text(json.dumps(paint))
    return folder


@pytest.fixture(scope="module")
def html(made: Path) -> str:
    """The report as `python -m serve report` writes it."""
    result = CliRunner().invoke(app, ["report", str(made)])
    assert result.exit_code == 0, result.output
    assert str(made / "report.html") in result.output.replace("\n", "")
    return (made / "report.html").read_text()


class Elements(HTMLParser):
    """Names and attributes of every element, and which were left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "path", "use", "image", "line", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "use", "image", "line"):
            assert self.open.pop() == tag


def test_every_section_is_there_and_every_element_closed(html: str) -> None:
    elements = Elements(html)
    assert tuple(attrs["id"] for tag, attrs in elements.seen if tag == "section") == SECTIONS
    assert elements.open == []
    assert sum(tag == "figure" for tag, _ in elements.seen) == 6 + 6 + 5 + 3 + 3 + 1


def test_names_from_outside_are_escaped(html: str) -> None:
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 8


def test_one_file_loads_nothing_from_elsewhere(html: str) -> None:
    for tag, attrs in Elements(html).seen:
        assert tag not in ("script", "link", "iframe")
        for key in ("src", "href", "xlink:href"):
            assert (attrs.get(key) or "#").startswith(("#", "data:"))
    assert not re.search(r"url\((?!#)", html)
    assert len(html) < 1_000_000


def test_the_numbers_are_those_of_the_steps(html: str) -> None:
    for text in ("1.00 ± 0.20 %", "1.5e-07", "12.5 s", "24 × box", "1.92 /s", "262\u202f144 of dark matter", "abc"):
        assert text in html


def test_the_best_of_a_channel_is_marked_whoever_it_is(html: str) -> None:
    table = html[html.index('id="evaluation"') : html.index('id="endpoint"')]
    rows = re.findall(r"<tr[^>]*><td>([^<]+)</td>(.*?)</tr>", table)
    marked = {method for method, cells in rows if 'class="best"' in cells}
    assert marked == {"painter", "pixel lookup"}  # the lookup was given the highest r
    assert "the pixel lookup is best in r k&lt;5" in table


def test_the_command_says_in_one_line_what_is_missing(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "boxes/step.json" in result.stderr


def test_without_a_snapshot_it_says_so(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "demo")
    paint = json.loads((folder / "painted" / "paint.json").read_text())
    (folder / "painted" / "paint.json").write_text(json.dumps(paint | {"snapshot": None}))
    (folder / "painted" / "snapshot.npz").unlink()
    html = report.page(report.read(folder))
    assert "No snapshot was given" in html
    assert sum(tag == "figure" for tag, _ in Elements(html).seen) == 6 + 6 + 3 + 3 + 1


@pytest.mark.parametrize("piece", PIECES)
def test_a_missing_piece_is_named(piece: str, made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "demo")
    (folder / piece).unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(piece)):
        report.read(folder)


def test_a_missing_array_and_broken_json_are_named(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "demo")
    np.savez(folder / "painted" / "held_out.npz", input=np.ones((4, 4)))
    with pytest.raises(ValueError, match=r"held_out\.npz: expected the array 'painted'"):
        report.read(folder)
    (folder / "painted" / "paint.json").write_text("{")
    with pytest.raises(ValueError, match=r"paint\.json: expected JSON"):
        report.read(folder)


@pytest.mark.parametrize(("seconds", "text"), [(0.41, "0.41 s"), (99.0, "99 s"), (210.4, "3 min 30 s")])
def test_durations_are_in_words(seconds: float, text: str) -> None:
    assert report.duration(seconds) == text
