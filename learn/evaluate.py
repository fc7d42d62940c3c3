"""Judgement of a painter on simulations it never saw, always beside baselines that learn next to nothing.

Knows shards, checkpoints and the files an evaluation leaves: metrics.json, curves.npz and four figures.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from configs import Evaluate, provenance
from configs.files import replacing
from learn import baselines, figures, metrics
from learn.curves import PAINTER, Curves, curves, save
from learn.metrics import Comparison, Estimate
from learn.predict import Predictor
from sim.shards import TARGET_CHANNELS, Manifest, Shard, read_manifest, read_shard
from sim.spectra import log_edges

SEED = 0
"""Of the bootstrap: the same maps give the same error bars."""

LABELS = {
    "power_error_k1": "P\u00a0error\u00a0k<1",
    "power_error_k5": "P\u00a0error\u00a0k<5",
    "power_error_half_nyquist": "P\u00a0error\u00a0k<kN/2",
    "correlation": "r\u00a0k<kN/2",
    "suppression_error": "S\u00a0error\u00a0k<kN/2",
    "mass_error": "mass\u00a0error",
}
SCORES = tuple(LABELS)
HIGHER_IS_BETTER = ("correlation",)
DIGITS = 6
"""Scores that agree to this many decimals are equal: maps are float32."""

DPI = 130
TABLE_WIDTH = 94
"""Columns of the printed table; a log, which knows of no width, would get less and lose digits."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Judgement:
    """What an evaluation found: `metrics` for metrics.json, the curves, and one map to look at."""

    metrics: dict[str, Any]
    curves: Curves
    shard: Shard
    painted: NDArray[np.float32]  # (3, P, P): the first map of `shard`


def evaluate(config: Evaluate) -> dict[str, Any]:
    """Judge `config.checkpoint`, write everything to `config.out` and return what metrics.json holds.

    ValueError if the split is empty or the checkpoint was trained on other parameters or pixels.
    """
    judgement = judge(config)
    config.out.mkdir(parents=True, exist_ok=True)
    save(config.out / "curves.npz", judgement.curves)
    for name, figure in drawn(judgement).items():
        with replacing(config.out / name) as temporary:
            figure.savefig(temporary, dpi=DPI, format="png")
    content = json.dumps(judgement.metrics, indent=1) + "\n"
    with replacing(config.out / "metrics.json") as temporary:
        temporary.write_text(content)
    return judgement.metrics


def judge(config: Evaluate) -> Judgement:
    """`evaluate` without the files."""
    manifest = read_manifest(config.data)
    names = _members(manifest, config.split, config.data)
    painter = Predictor.load(config.checkpoint)
    _check_fit(painter, manifest, config)
    training = (read_shard(config.data, name) for name in _members(manifest, "train", config.data))
    others = baselines.fit(training, manifest.param_names)
    comparisons = _compared(painter, others, config, names)
    first = read_shard(config.data, names[0])
    return Judgement(
        metrics=_metrics(config, painter, manifest, names, comparisons),
        curves=curves(comparisons, TARGET_CHANNELS, names, seed=SEED),
        shard=first,
        painted=_painted(painter, first)[0],
    )


def drawn(judgement: Judgement) -> dict[str, Figure]:
    """The figures by file name."""
    shard, found = judgement.shard, judgement.curves
    title = f"{shard.simulation}, its first map; maps that are compared share a scale"
    maps = (shard.inputs[0, 0], judgement.painted, shard.targets[0])
    power, correlation = "Power of painted over true maps", "Correlation of painted with true maps"
    return {
        "power.png": figures.spectra_figure(figures.draw_ratio, found, title=power),
        "correlation.png": figures.spectra_figure(figures.draw_correlation, found, title=correlation),
        "suppression.png": figures.suppression_figure(found),
        "maps.png": figures.maps_figure(*maps, shard.box_size, channels=TARGET_CHANNELS, title=title),
    }


def show(result: Mapping[str, Any], file: TextIO = sys.stdout) -> None:
    """Print the table, where baselines win, and last one line of JSON."""
    console = Console(file=file, width=max(Console(file=file).width, TABLE_WIDTH))
    console.print(_table(result))
    for sentence in verdicts(result["rows"]):
        console.print(sentence, highlight=False)
    line = {"benchmark": "evaluate", "commit": result["commit"], "rows": result["rows"]}
    print(json.dumps(line), file=file)


def verdicts(rows: Sequence[Row]) -> list[str]:
    """One sentence a channel: on which scores nobody beats the painter, and who beats it on the others."""
    return [_verdict(channel, [row for row in rows if row["channel"] == channel]) for channel in TARGET_CHANNELS]


def best(rows: Sequence[Row], score: str) -> Row | None:
    """The row of one channel with the best `score`, the first of equals; None where nobody has it."""
    scored = [row for row in rows if row[score] is not None]
    sign = -1 if score in HIGHER_IS_BETTER else 1
    return min(scored, key=lambda row: round(sign * row[score]["value"], DIGITS), default=None)


def _members(manifest: Manifest, split: str, folder: Path) -> list[str]:
    names = list(manifest.split[split])
    if not names:
        raise ValueError(f"{folder / 'manifest.json'}: expected simulations in the {split} split, found none")
    return names


def _check_fit(painter: Predictor, manifest: Manifest, config: Evaluate) -> None:
    """ValueError if the maps are not of the kind the painter was trained on."""
    for name in ("param_names", "pixel_size", "depth"):
        trained, given = getattr(painter.meta, name), getattr(manifest, name)
        same = trained == given if name == "param_names" else bool(np.isclose(trained, given, rtol=1e-3))
        if not same:
            raise ValueError(f"{config.data}: expected {name} {trained} as in {config.checkpoint}, got {given}")


def _compared(
    painter: Predictor, others: Sequence[baselines.Baseline], config: Evaluate, names: Sequence[str]
) -> dict[str, Comparison]:
    """Every method on every simulation, one simulation in memory at a time."""
    found: dict[str, list[Comparison]] = {name: [] for name in (PAINTER, *(other.name for other in others))}
    for shard in (read_shard(config.data, name) for name in names):
        dmo, edges = shard.inputs[:, 0], log_edges(shard.box_size, shard.inputs.shape[-1], config.n_bins)
        painted = {PAINTER: _painted(painter, shard)} | {other.name: other(dmo, shard.params) for other in others}
        for name, maps in painted.items():
            one = metrics.compare(maps, shard.targets, dmo, box_size=shard.box_size, edges=edges)
            found[name].append(one)
    return {name: metrics.join(comparisons) for name, comparisons in found.items()}


def _painted(painter: Predictor, shard: Shard) -> NDArray[np.float32]:
    return painter(shard.inputs[:, 0], shard.params, pixel_size=shard.pixel_size)


def _metrics(
    config: Evaluate, painter: Predictor, manifest: Manifest, names: list[str], comparisons: Mapping[str, Comparison]
) -> dict[str, Any]:
    half_nyquist = np.pi / manifest.pixel_size / 2
    rows = [
        _row(channel, method, comparison, half_nyquist)
        for channel in TARGET_CHANNELS
        for method, comparison in comparisons.items()
    ]
    return {
        **provenance(),
        "config": json.loads(config.model_dump_json()),
        "checkpoint": {"step": painter.meta.step, "commit": painter.meta.commit},
        "manifest": {"commit": manifest.commit, "pixel_size": manifest.pixel_size, "box_size": manifest.box_size},
        "split": config.split,
        "simulations": names,
        "half_nyquist": half_nyquist,
        "rows": rows,
    }


def _row(channel: str, method: str, comparison: Comparison, half_nyquist: float) -> Row:
    """The scores of one method for one channel; S(k) is a score of the total alone."""
    i = TARGET_CHANNELS.index(channel)
    suppression = metrics.suppression_error(comparison, k_max=half_nyquist, seed=SEED) if channel == "total" else None
    found: dict[str, Estimate | None] = {
        "power_error_k1": metrics.power_error(comparison, i, k_max=1.0, seed=SEED),
        "power_error_k5": metrics.power_error(comparison, i, k_max=5.0, seed=SEED),
        "power_error_half_nyquist": metrics.power_error(comparison, i, k_max=half_nyquist, seed=SEED),
        "correlation": metrics.mean_correlation(comparison, i, k_max=half_nyquist, seed=SEED),
        "suppression_error": suppression,
        "mass_error": metrics.mass_error(comparison, i, seed=SEED),
    }
    scores = {score: None if estimate is None else asdict(estimate) for score, estimate in found.items()}
    return {"name": f"{method} {channel}", "channel": channel, "method": method, **scores}


def _verdict(channel: str, rows: Sequence[Row]) -> str:
    held: dict[str, list[str]] = {}
    for score in SCORES:
        winner = best(rows, score)
        if winner is not None:
            held.setdefault(winner["method"], []).append(LABELS[score])
    own = held.pop(PAINTER, [])
    won = f"no baseline beats the painter in {', '.join(own)}" if own else "a baseline beats the painter in everything"
    lost = [f"the {method} is best in {', '.join(labels)}" for method, labels in held.items()]
    return f"{channel}: {'; '.join([won, *lost])}."


def _table(result: Mapping[str, Any]) -> Table:
    n, step = len(result["simulations"]), result["checkpoint"]["step"]
    title = f"{n} {result['split']} simulations, checkpoint of step {step}, kN/2 = {result['half_nyquist']:.2f} h/Mpc"
    caption = "0.018(4) is 0.018 ± 0.004, bootstrap standard error over simulations; * best of its channel"
    table = Table(title=title, caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for label in LABELS.values():
        table.add_column(label.replace("\u00a0k", "\nk"), justify="right")
    for channel in TARGET_CHANNELS:
        rows = [row for row in result["rows"] if row["channel"] == channel]
        table.add_row(f"[bold]{channel}[/bold]")
        for row in rows:
            cells = [_cell(row, score, best(rows, score) is row) for score in SCORES]
            table.add_row(row["method"], *cells, end_section=row is rows[-1])
    return table


def _cell(row: Row, score: str, is_best: bool) -> str:
    if row[score] is None:
        return "- "
    value, error = row[score]["value"], row[score]["standard_error"]
    digits = 4 if score == "correlation" else 3 if value < 1 and error < 0.1 else 2
    text = f"{value:.{digits}f}({round(error * 10**digits)})"
    return f"[bold]{text}*[/bold]" if is_best else f"{text} "
