"""Judgement of models that count halos, on held-out boxes and on boxes of other kinds, beside what knows no network.

Knows data sets, painters and the files that a judgement leaves: evaluation.html, metrics.json, curves.npz and figures.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import EvaluateCounts, MapData, provenance
from configs.count_evaluation import HELD_OUT, LOCAL_BIAS, MEAN_RATE, PAINTER
from configs.files import replacing
from learn.counts import page
from learn.counts.boxes_figure import boxes_figure
from learn.counts.curves import Curves, curves, save
from learn.counts.figures import mass_function_figure, shapes_figure, spectra_figure
from learn.counts.local_bias import Cells, LocalBias, MeanRate, drawn
from learn.data import About, Batch, Source, Split
from learn.halo_painter import HaloPainter
from learn.portfolio import png
from learn.scores.halo_chance import by_chance
from learn.scores.halo_scores import scores
from learn.scores.halo_statistics import ALL, Bench, Measured, mean_of, stacked, with_all
from learn.sources import open_source

SAME = ("target_channels", "param_names", "unit", "target_unit")

Counter = Callable[[NDArray[np.float32], NDArray[np.float32], int], NDArray]
"""Density (N, N, N), parameters (p,) and a seed -> halos (C, N, N, N)."""
Sample = tuple[NDArray, NDArray, NDArray]
"""Density (N, N, N), painted and true halos (C, N, N, N)."""


@dataclass(frozen=True)
class Judged:
    """One data set: rows of scores, curves, and its first box with the painter's halos in it."""

    name: str
    about: About
    simulations: tuple[str, ...]
    rows: list[dict[str, Any]]
    curves: Curves
    sample: Sample


def evaluate(config: EvaluateCounts) -> dict[str, Any]:
    """Judge what `config` names, write everything to `config.out` and return what metrics.json holds.

    A line is printed a simulation. ValueError if a data set has other bins or cells than the painter.
    """
    painters = opened(config)
    wanted = list(data_sets(config, painters))
    methods: dict[str, Counter] = {name: counter_of(painter) for name, painter in painters.items()}
    methods |= baselines(config)
    judged = [judge(name, sources, methods, config) for name, sources in wanted]
    result = metrics(config, painters, judged)
    write(result, judged, config)
    return result


def opened(config: EvaluateCounts) -> dict[str, HaloPainter]:
    """The painters by name, that of `checkpoint` first."""
    folders = {PAINTER: config.checkpoint, **config.beside}
    return {name: HaloPainter.load(folder) for name, folder in folders.items()}


def counter_of(painter: HaloPainter) -> Counter:
    """A painter as all methods are called."""
    return lambda density, params, seed: painter(density, params, seed=seed)


def baselines(config: EvaluateCounts) -> dict[str, Counter]:
    """What knows no network, fitted on the training split."""
    source = open_source(config.data, "train")
    cells = Cells.of(source.read([i]) for i in range(len(source)))
    source.close()
    local, mean = LocalBias.fit(cells), MeanRate(cells.mean)
    return {
        LOCAL_BIAS: lambda density, _params, seed: drawn(local.rates(density), seed),
        MEAN_RATE: lambda density, _params, seed: drawn(mean.rates(density), seed),
    }


def data_sets(config: EvaluateCounts, painters: Mapping[str, HaloPainter]) -> Iterator[tuple[str, list[Source]]]:
    """The held-out boxes, then the others, each as the sources of its splits; all fit the painters."""
    wanted: list[tuple[str, MapData, tuple[Split, ...]]] = [(HELD_OUT, config.data, (config.split,))]
    wanted += [(one.name, one.data, one.splits) for one in config.others]
    for name, data, splits in wanted:
        sources = [open_source(data, split) for split in splits]
        for method, painter in painters.items():
            refuse_other_boxes(f"{name}: {data.where}", sources[0].about, method, painter)
        yield name, sources


def refuse_other_boxes(where: str, about: About, method: str, painter: HaloPainter) -> None:
    """ValueError unless boxes have the bins, the parameters and the cells of a painter."""
    for key in SAME:
        expected, got = getattr(painter.meta, key), getattr(about, key)
        if expected != got:
            raise ValueError(f"{where}: expected {key} {expected} of the {method}, got {got}")
    try:
        painter.check_cell_size(about.pixel_size)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def judge(name: str, sources: Sequence[Source], methods: Mapping[str, Counter], config: EvaluateCounts) -> Judged:
    """Every method on every box of a data set."""
    about = sources[0].about
    bench = Bench.of(about.n_pixels, about.box_size, config.n_bins)
    used = used_bins(name, bench.shells.k, config)
    measured, truth, sample = measured_boxes(announced(name, sources), bench, methods, config)
    channels = (ALL, *about.target_channels)
    rows = [
        {"data": name, "channel": channel, "method": method, "name": f"{name}: {method}, {channel}"}
        | scores(own, truth, i, used)
        | {"chance": by_chance(truth, i, used, bench.shells.n_modes, n_draws=config.n_draws)}
        for i, channel in enumerate(channels)
        for method, own in measured.items()
    ]
    shown = curves(measured, truth, bench.shells.k, bench.rings.k, channels, about.box_size**3)
    simulations = tuple(simulation for source in sources for simulation in source.simulations)
    return Judged(name, about, simulations, rows, shown, sample)


def used_bins(name: str, k: NDArray[np.float64], config: EvaluateCounts) -> NDArray[np.bool_]:
    """The bins of mean wave number `k` (K,) that are scored; ValueError where there is none."""
    used = (k >= config.k_min) & (k <= config.k_max)
    if not used.any():
        asked = f"{config.k_min:g} to {config.k_max:g}"
        raise ValueError(f"k_min, k_max: expected bins of {name} at {k[0]:.3g} to {k[-1]:.3g} h/Mpc in it, got {asked}")
    return used


def measured_boxes(
    boxes: Iterator[Batch], bench: Bench, methods: Mapping[str, Counter], config: EvaluateCounts
) -> tuple[dict[str, Measured], Measured, Sample]:
    """What is measured of every method and of the truth, (S, ...), one box and one draw in memory at a time."""
    found: dict[str, list[Measured]] = {method: [] for method in methods}
    truths: list[Measured] = []
    samples: list[Sample] = []
    for i_box, batch in enumerate(boxes):
        density, truth, params = batch.inputs[0, 0].numpy(), batch.targets[0].numpy(), batch.params[0].numpy()
        matter, true_modes = bench.shells.modes(density), [bench.shells.modes(one) for one in with_all(truth)]
        truths.append(bench.measure(truth, true_modes, matter))
        seeds = [seed_of(config.seed, i_box, i) for i in range(config.n_draws)]
        for method, count in methods.items():
            draws = (bench.measure(count(density, params, seed), true_modes, matter) for seed in seeds)
            found[method].append(mean_of(list(draws)))
        if not samples:
            samples.append((density, methods[PAINTER](density, params, seeds[0]), truth))
    return {method: stacked(every) for method, every in found.items()}, stacked(truths), samples[0]


def announced(name: str, sources: Sequence[Source]) -> Iterator[Batch]:
    """The boxes of a data set, one at a time, with a line for each."""
    start, total, done = time.monotonic(), sum(len(source) for source in sources), 0
    for source in sources:
        for i in range(len(source)):
            yield source.read([i])
            done += 1
            pace = (time.monotonic() - start) / done
            left = f"{pace:.1f} s each  {pace * (total - done):.0f} s left"
            print(f"evaluate: {name}: {done}/{total} boxes  {left}", flush=True)
        source.close()


def seed_of(seed: int, i_box: int, i_draw: int) -> int:
    """Of one draw in one box: below what painters take."""
    state = np.random.SeedSequence((seed, i_box, i_draw)).generate_state(1, np.uint64)[0]
    return int(state >> np.uint64(25))


def metrics(config: EvaluateCounts, painters: Mapping[str, HaloPainter], judged: Sequence[Judged]) -> dict[str, Any]:
    """What metrics.json holds: a row a data set, channel and method."""
    folders = {PAINTER: config.checkpoint, **config.beside}
    known = [described(name, str(folders[name]), painter) for name, painter in painters.items()]
    return {
        **provenance(),
        "config": json.loads(config.model_dump_json()),
        "subject": known[0],
        "painters": known,
        "split": config.split,
        "simulations": list(judged[0].simulations),
        "k_min": config.k_min,
        "k_max": config.k_max,
        "channels": [ALL, *judged[0].about.target_channels],
        "data": {
            one.name: {"simulations": list(one.simulations), **one.about.model_dump(mode="json")} for one in judged
        },
        "rows": [row for one in judged for row in one.rows],
    }


def described(name: str, where: str, painter: HaloPainter) -> dict[str, Any]:
    """What is known of a painter."""
    meta = painter.meta
    known = {"name": name, "where": where, "kind": meta.config.method.kind, "step": meta.step, "commit": meta.commit}
    return known | {"weights_sha256": meta.weights_sha256}


def write(result: Mapping[str, Any], judged: Sequence[Judged], config: EvaluateCounts) -> None:
    """The files of a judgement."""
    config.out.mkdir(parents=True, exist_ok=True)
    save(config.out / "curves.npz", {one.name: one.curves for one in judged})
    drawn_pictures = pictures(judged)
    html = page.page(result, [(name, title, data) for name, (title, data) in drawn_pictures.items()])
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    contents = {f"{name}.png": data for name, (_, data) in drawn_pictures.items()}
    contents |= {"evaluation.html": html.encode(), "metrics.json": text.encode()}
    for name, content in contents.items():
        with replacing(config.out / name) as temporary:
            temporary.write_bytes(content)


def pictures(judged: Sequence[Judged]) -> dict[str, tuple[str, bytes]]:
    """Title and PNG of every figure by the name of its file."""
    title = "Mass function: halos over true halos"
    figures = mass_function_figure({one.name: one.curves for one in judged}, title=title)
    found = {"mass_function": (title, png(figures))}
    for i, one in enumerate(judged):
        of = f"{i}_{''.join(c if c.isalnum() else '_' for c in one.name)}"
        titles = (f"Spectra, {one.name}", f"Counts in cells and bispectrum, {one.name}", f"A box, {one.name}")
        density, painted, truth = one.sample
        halos = {"painted halos": painted, "true halos": truth}
        box = boxes_figure(density, halos, one.about.pixel_size, title=f"{one.name}, {one.simulations[0]}")
        drawn_figures = (
            spectra_figure(one.curves, title=titles[0]),
            shapes_figure(one.curves, title=titles[1]),
            box,
        )
        for kind, words, figure in zip(("spectra", "shapes", "box"), titles, drawn_figures, strict=True):
            found[f"{kind}_{of}"] = (words, png(figure))
    return found
