"""Judgement of a painter on simulations it never saw, always beside baselines that learn next to nothing.

Knows data sets, subjects and the files an evaluation leaves: evaluation.html, metrics.json, curves.npz and figures.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import Evaluate, HaloCutouts, HaloPainting, Painting, Rim, provenance
from configs.files import replacing
from learn import baselines, page, portfolio
from learn.checkpoint import load_meta
from learn.curves import SHAPES, Curves, curves, save
from learn.data import About, Batch, Source
from learn.ledger import Ledger, Standard
from learn.names import PAINTER, PAINTER_MEAN
from learn.predictions import PredictionWriter
from learn.scores.coverage import Calibration
from learn.scores.geometry import Geometry
from learn.scores.shells import Shells
from learn.sources import open_source
from learn.subjects import Subject, open_subject
from sim.spectra import log_edges

Array = NDArray[np.float64]
Maps = NDArray[np.float32]

TIES = 1
"""Stream of the random order of equal values among draws."""


@dataclass(frozen=True)
class Judgement:
    """What an evaluation found: `metrics` for metrics.json, the curves, and one map to look at."""

    metrics: dict[str, Any]
    curves: Curves
    sample: Sample


@dataclass(frozen=True)
class Sample:
    """The first map of the first simulation: input (P, P), painted and true (C, P, P)."""

    simulation: str
    dmo: Maps
    painted: Maps
    truth: Maps


@dataclass(frozen=True)
class Painted:
    """One simulation by the subject: one answer a map and the mean of all, (n, C, P, P); places of the truth."""

    one: Maps
    mean: Maps | None
    places: Array | None  # (quantities, C, D + 1)


@dataclass
class Books:
    """Ledgers by method, and what was measured of the truth of each simulation."""

    ledgers: dict[str, Ledger] = field(default_factory=dict)
    truths: dict[str, list[Array]] = field(default_factory=lambda: {name: [] for name in SHAPES})
    axes: dict[str, Array] = field(default_factory=dict)
    sample: Sample | None = None


def evaluate(config: Evaluate) -> dict[str, Any]:
    """Judge what `config` names, write everything to `config.out` and return what metrics.json holds.

    A line is printed a simulation, as long as it takes. ValueError if the split is empty or the painter is one of
    other maps; FileNotFoundError or ValueError names what a folder of predictions lacks.
    """
    judgement = judge(config)
    write(judgement, config.out)
    return judgement.metrics


def of_checkpoint(folder: Path) -> dict[str, Any]:
    """The judgement of the checkpoint `folder` on the data it was trained on, as the tree of its configuration."""
    config = load_meta(folder).config
    data = json.loads(config.data.model_dump_json())
    if isinstance(config.method, HaloPainting):
        data |= {"patch": None}
        return {"kind": "counts", "checkpoint": str(folder), "data": data, "out": "out/evaluation"}
    if isinstance(config.method, Rim):
        return {"kind": "lenses", "checkpoint": str(folder), "data": data, "out": "out/evaluation"}
    generated = "halos" if isinstance(config.data, HaloCutouts) else "fields"
    kind = "painter" if isinstance(config.method, Painting) else generated
    return {"kind": kind, "checkpoint": str(folder), "data": data, "out": "out/evaluation"}


def write(judgement: Judgement, folder: Path) -> None:
    """The files of an evaluation; a picture that an earlier one left and this one has not is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / "curves.npz", judgement.curves)
    sample = judgement.sample
    maps, box_size = (sample.dmo, sample.painted, sample.truth), judgement.metrics["data"]["box_size"]
    pictures = portfolio.pictures(judgement.curves, maps, box_size, simulation=sample.simulation)
    html = page.page(judgement.metrics, caption=judgement.curves.caption, pictures=pictures)
    metrics = json.dumps(judgement.metrics, indent=1, allow_nan=False) + "\n"
    contents = {f"{name}.png": png for name, png in pictures.items()}
    contents |= {"evaluation.html": html.encode(), "metrics.json": metrics.encode()}
    for name, content in contents.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content)
    for name in portfolio.TITLES.keys() - pictures.keys():
        (folder / f"{name}.png").unlink(missing_ok=True)


def judge(config: Evaluate) -> Judgement:
    """`evaluate` without the files, but for the predictions if they are to be kept."""
    source = open_source(config.data, config.split)
    refuse_without_total(source.about)
    subject = open_subject(config, source)
    books = measured(config, source, subject, fitted(config, source.about))
    about, names = source.about, list(source.simulations)
    source.close()
    assert books.sample is not None
    found = curves(books.ledgers, books.truths, books.axes, channels=about.target_channels, simulations=names)
    return Judgement(metrics(config, subject, about, names, books.ledgers), found, books.sample)


def refuse_without_total(about: About) -> None:
    """ValueError unless the first channel is the total matter, whose S(k) and peaks are looked at."""
    if about.target_channels[0] != "total":
        raise ValueError(f"data: expected total as the first of the channels, got {', '.join(about.target_channels)}")


def fitted(config: Evaluate, judged: About) -> list[baselines.Baseline]:
    """The baselines of the training split; ValueError where it is of other maps than those `judged`."""
    training = open_source(config.baselines or config.data, "train")
    about = training.about
    for name in ("param_names", "pixel_size", "depth", "input_channels", "target_channels", "unit"):
        if (expected := getattr(judged, name)) != (got := getattr(about, name)):
            raise ValueError(f"baselines: expected maps of {name} {expected} as those of data, got {got}")
    found = baselines.fit(simulations(training), about.param_names, about.target_channels)
    training.close()
    return found


def simulations(source: Source) -> Iterator[Batch]:
    """The maps of each simulation, one in memory at a time."""
    return (source.read(indices) for indices in source.simulations.values())


def measured(config: Evaluate, source: Source, subject: Subject, others: Sequence[baselines.Baseline]) -> Books:
    """Every method on every simulation, one simulation and one method in memory at a time."""
    about, books, start = source.about, Books(), time.monotonic()
    geometry = Geometry(about.n_pixels, about.pixel_size, about.periodic)
    shells = Shells(geometry, tuple(log_edges(about.box_size, about.n_pixels, config.n_bins)))
    shape = (len(about.target_channels), about.n_pixels, about.n_pixels)
    writer = config.save_predictions and PredictionWriter(config.save_predictions, shape, n_draws=subject.n_draws)
    for i, (name, batch) in enumerate(zip(source.simulations, simulations(source), strict=True), start=1):
        standard = Standard(
            batch.targets.numpy(), batch.inputs[:, 0].numpy(), geometry, shells, smoothing=config.smoothing
        )
        with writer.simulation(name, len(batch)) if writer else nullcontext() as kept:
            painted = paint(subject, name, batch, standard, kept)
        enter(books, name, batch, standard, painted, others)
        pace = (time.monotonic() - start) / i
        left = f"{pace:.1f} s each  {pace * (len(source.simulations) - i):.0f} s left"
        print(f"evaluate: {i}/{len(source.simulations)} simulations  {name}  {left}", flush=True)
    return books


def paint(subject: Subject, name: str, batch: Batch, standard: Standard, kept: Maps | None) -> Painted:
    """The answers of `subject` to one simulation, map by map; all of them go to `kept` (D, n, C, P, P) if it is there.

    ValueError for an answer of another shape or with a pixel that is not finite.
    """
    truth, apertures = standard.truth.maps, standard.apertures
    calibration = Calibration(standard.truth.geometry, standard.shells)
    one, mean = np.empty_like(truth), np.empty_like(truth)
    places = []
    for i in range(len(batch)):
        draws = subject.draws(name, batch, i)
        expected = (subject.n_draws, *truth.shape[1:])
        if draws.shape != expected or not np.isfinite(draws).all():
            got = "pixels that are not" if draws.shape == expected else str(draws.shape)
            raise ValueError(f"painted map {i} of {name}: expected finite pixels of shape {expected}, got {got}")
        one[i], mean[i] = draws[0], draws.mean(axis=0, dtype=np.float64)
        if kept is not None:
            kept[:, i] = draws
        if subject.n_draws > 1:
            rng = np.random.default_rng([TIES, int(batch.seeds[i])])
            places.append(calibration.places(draws, truth[i], apertures.places[i], rng))
    if not places:
        return Painted(one, None, None)
    return Painted(one, mean, np.sum(places, axis=0))


def enter(
    books: Books,
    name: str,
    batch: Batch,
    standard: Standard,
    painted: Painted,
    others: Sequence[baselines.Baseline],
) -> None:
    """Add one simulation to `books`."""
    if books.sample is None:
        first = (standard.dmo[0], painted.one[0], standard.truth.maps[0])
        books.sample = Sample(name, *(maps.copy() for maps in first))
    for statistic in standard.statistics:
        if statistic.name in SHAPES:
            books.truths[statistic.name].append(standard.measured[statistic.name])
            books.axes[statistic.name] = statistic.axis
    for method, maps in paintings(batch, painted, others):
        ledger = books.ledgers.setdefault(method, Ledger())
        ledger.entries.append(standard.entry(maps))
        if method == PAINTER and painted.places is not None:
            ledger.places.append(painted.places)


def paintings(batch: Batch, painted: Painted, others: Sequence[baselines.Baseline]) -> Iterator[tuple[str, NDArray]]:
    """Every method by name and its maps, made when it is its turn."""
    yield PAINTER, painted.one
    if painted.mean is not None:
        yield PAINTER_MEAN, painted.mean
    dmo, params = batch.inputs[:, 0].numpy(), batch.params.numpy()
    for other in others:
        yield other.name, other(dmo, params)


def metrics(
    config: Evaluate, subject: Subject, about: About, names: list[str], ledgers: Mapping[str, Ledger]
) -> dict[str, Any]:
    """What metrics.json holds: a row a channel and method."""
    half_nyquist = np.pi / about.pixel_size / 2
    rows = []
    for i, channel in enumerate(about.target_channels):
        for method, ledger in ledgers.items():
            scores = ledger.row(i, is_total=channel == "total", half_nyquist=half_nyquist)
            rows.append({"name": f"{method} {channel}", "channel": channel, "method": method, **scores})
    return {
        **provenance(),
        "config": json.loads(config.model_dump_json()),
        "subject": {**subject.record(), "n_draws": subject.n_draws},
        "data": about.model_dump(mode="json"),
        "split": config.split,
        "channels": list(about.target_channels),
        "simulations": names,
        "half_nyquist": half_nyquist,
        "rows": rows,
    }
