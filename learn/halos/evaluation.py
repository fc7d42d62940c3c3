"""Judgement of a model of halos on simulations it never saw, beside the mean of its training set.

Knows data sets, samplers and the files it leaves: halos.html, metrics.json and figures. Everything is measured of one
draw a halo, so that a mean that is too smooth cannot pass for a sample; what the draws cover is counted over all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import EvaluateHalos, Profile, provenance
from configs.files import replacing
from learn.data import Batch
from learn.halos import HaloSampler, Sampler, boxes, page
from learn.halos.bind import opened
from learn.halos.boxes import JudgedBox
from learn.halos.measures import CHANNELS, QUANTITIES, Measures, Ruler, places, with_total
from learn.halos.scores import BASELINE, MODEL, MODEL_MEAN, THEIRS, by_mass, goals, rows
from learn.portfolio import png
from learn.sources.cutout import MASS
from learn.sources.halos import HaloSource
from sim.halo_list import PeriodicBox, sphere_radius
from sim.samples import read_manifest

Array = NDArray[np.float64]

TIES = 1
"""Stream of the random order of equal values among draws."""


@dataclass
class Judged:
    """Measures of each simulation by method, counts of the places of the truth, and one sample to look at."""

    truth: list[Measures] = field(default_factory=list)
    drawn: dict[str, list[Measures]] = field(default_factory=lambda: {MODEL: [], MODEL_MEAN: [], BASELINE: []})
    counts: list[Array] = field(default_factory=list)
    sample: dict[str, Array] = field(default_factory=dict)
    boxes: list[JudgedBox] = field(default_factory=list)

    def lowest(self) -> float:
        """The smallest pixel of any draw of the model."""
        return min(float(one.lowest.min()) for one in self.drawn[MODEL])


@dataclass(frozen=True)
class Bench:
    """The two that are judged, and what samples are measured with."""

    config: EvaluateHalos
    model: HaloSampler
    baseline: Sampler
    level: Array
    redshift: float

    def ruler(self, params: Mapping[str, float]) -> Ruler:
        """For a halo of these parameters, its mass among them; ValueError at a redshift above 0 without omega_m."""
        frame = self.model.frame
        box = PeriodicBox(frame.depth, self.redshift, params.get("omega_m"))
        radius = float(sphere_radius(np.array([10 ** params[MASS]]), box)[0])
        return Ruler(frame.n_pixels, frame.pixel_size, radius, self.config.n_radii, params[MASS])


def evaluate(config: EvaluateHalos, known: Sequence[JudgedBox] | None = None) -> dict[str, Any]:
    """Judge, write everything to `config.out` and return what metrics.json holds; a line is printed a simulation.

    `known` are the boxes of `config.boxes` where they were judged before. ValueError for a split without samples, a
    model of other maps, or boxes of other simulations.
    """
    source = HaloSource(config.data, config.split)
    model = HaloSampler.load(config.checkpoint, config.device, sampling=config.sampler)
    refuse_other_maps(config, source, model)
    names = boxes.names(config)
    profile = Profile(kind="mean_profile", data=config.data, n_masses=config.n_masses)
    redshift = read_manifest(config.data.folder).redshift
    bench = Bench(config, model, opened(profile), mean_levels(config, source), redshift)
    judged = judge(bench, source)
    judged.boxes = [box_of(name, config) for name in names] if known is None else list(known)
    found = metrics(bench, source, judged)
    write(config, found, judged)
    source.close()
    return found


def box_of(name: str, config: EvaluateHalos) -> JudgedBox:
    """A judged box; a line is printed."""
    start, found = time.monotonic(), boxes.judge(name, config)
    print(f"evaluate: the box of {name} in {time.monotonic() - start:.0f} s", flush=True)
    return found


def refuse_other_maps(config: EvaluateHalos, source: HaloSource, model: HaloSampler) -> None:
    """ValueError unless the set has the maps that the model was trained on."""
    for name in ("input_channels", "target_channels", "param_names", "pixel_size", "depth"):
        expected, got = getattr(model.meta, name), getattr(source.about, name)
        if expected != got:
            raise ValueError(f"data: expected {name} {expected} as {config.checkpoint} was trained on, got {got}")


def mean_levels(config: EvaluateHalos, source: HaloSource) -> Array:
    """Mean mass a pixel of each channel over what is judged, (4,)."""
    sums, n = np.zeros(len(CHANNELS)), 0
    for indices in source.simulations.values():
        for i in chosen(indices, config.max_samples):
            sums += with_total(source.read([i]).targets[0].numpy()).mean(axis=(1, 2))
            n += 1
    return sums / n * source.about.pixel_size**2


def chosen(indices: range, most: int | None) -> list[int]:
    """At most that many of the samples of a simulation, evenly spread over its halos."""
    if most is None or len(indices) <= most:
        return list(indices)
    return [indices[i * len(indices) // most] for i in range(most)]


def judge(bench: Bench, source: HaloSource) -> Judged:
    """Measure every chosen sample of every simulation."""
    judged, start = Judged(), time.monotonic()
    for done, (name, indices) in enumerate(source.simulations.items(), start=1):
        samples = [judge_one(bench, source.read([i]), judged) for i in chosen(indices, bench.config.max_samples)]
        if samples:
            judged.truth.append(Measures.stacked([one[0] for one in samples]))
            for method, column in zip(judged.drawn, zip(*(one[1] for one in samples), strict=True), strict=True):
                judged.drawn[method].append(Measures.stacked(list(column)))
            judged.counts.append(np.sum([one[2] for one in samples], axis=0))
        pace = (time.monotonic() - start) / done
        left = f"{pace:.1f} s each  {pace * (len(source.simulations) - done):.0f} s left"
        print(f"evaluate: {done}/{len(source.simulations)} simulations  {name}  {left}", flush=True)
    return judged


def judge_one(bench: Bench, batch: Batch, judged: Judged) -> tuple[Measures, list[Measures], Array]:
    """Measures of the truth, those of each method in their order, and the places of the truth."""
    area, names = np.float32(bench.model.frame.pixel_size**2), bench.model.meta.param_names
    shown, target, seed = batch.inputs[0].numpy() * area, batch.targets[0].numpy() * area, int(batch.seeds[0])
    params = dict(zip(names, batch.params[0].double().tolist(), strict=True))
    mass = 10 ** params[MASS]
    values = np.array([params[name] for name in bench.model.frame.param_names])
    told = (shown[0], shown[1:], values, mass)
    draws = with_total(bench.model.sample(*told, seed_of(bench.config.seed, seed), bench.config.n_draws))
    baseline = with_total(bench.baseline.sample(*told, 0, 1))[0]
    truth, ruler = with_total(target), bench.ruler(params)
    if not judged.sample:
        judged.sample.update({"dmo": shown[0], MODEL: draws[0], BASELINE: baseline, "truth": truth})
    methods = [ruler.measure(maps, bench.level) for maps in (draws[0], draws.mean(axis=0), baseline)]
    rng = np.random.default_rng([TIES, bench.config.seed, seed])
    return ruler.measure(truth, bench.level), methods, places(draws, truth, ruler, rng)


def edges_of(config: EvaluateHalos) -> Array:
    """Of the rings, over R200c."""
    return Ruler(1, 1.0, 1.0, config.n_radii).edges


def seed_of(seed: int, index: int) -> int:
    """Of the draws of one sample, below 2^40."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1, np.uint64)[0] >> np.uint64(24))


def metrics(bench: Bench, source: HaloSource, judged: Judged) -> dict[str, Any]:
    """What metrics.json holds."""
    model, meta = bench.model, bench.model.meta
    edges, counts = edges_of(bench.config), np.array(judged.counts)
    found = rows(judged.drawn, judged.truth, counts, edges)
    reached = goals(found, lowest=judged.lowest(), n_evaluations=model.n_evaluations, n_parameters=model.n_parameters)
    return {
        **provenance(),
        "config": json.loads(bench.config.model_dump_json()),
        "subject": {
            "where": str(bench.config.checkpoint),
            "step": meta.step,
            "commit": meta.commit,
            "weights_sha256": meta.weights_sha256,
            "method": json.loads(meta.config.method.model_dump_json()),
            "n_parameters": model.n_parameters,
            "n_evaluations": model.n_evaluations,
        },
        "data": source.about.model_dump(mode="json"),
        "split": bench.config.split,
        "channels": list(CHANNELS),
        "simulations": [name for name, indices in source.simulations.items() if len(indices)],
        "n_samples": sum(len(one) for one in judged.truth),
        "lowest_pixel": judged.lowest(),
        "goals": [vars(goal) for goal in reached],
        "places": {name: counts.sum(axis=0)[i].tolist() for i, name in enumerate(QUANTITIES)},
        "rows": found,
        "by_mass": by_mass(judged.drawn[MODEL], judged.truth),
        "boxes": [one.name for one in judged.boxes],
        "box_rows": boxes.rows(judged.boxes) if judged.boxes else [],
    }


def write(config: EvaluateHalos, found: dict[str, Any], judged: Judged) -> None:
    """The files of an evaluation."""
    counts = np.array(judged.counts)
    pictures = page.pictures(judged.drawn, judged.truth, counts, edges_of(config), sample=judged.sample)
    if judged.boxes:
        pictures |= {"boxes": png(page.boxes_figure(judged.boxes))}
    contents = {f"{name}.png": png for name, png in pictures.items()}
    contents |= {"halos.html": page.page(found, pictures).encode()}
    contents |= {"metrics.json": (json.dumps(found, indent=1, allow_nan=False) + "\n").encode()}
    for name, content in contents.items():
        with replacing(config.out / name) as temporary:
            temporary.write_bytes(content)


def show(found: dict[str, Any]) -> None:
    """Print the goals, where the page is and, in the last line, everything as one JSON object."""
    marks = {True: "reached", False: "missed", None: "cannot tell"}
    for goal in found["goals"]:
        mark = marks[goal["is_reached"]]
        print(f"{mark}: {goal['text']}: {goal['found']} ({THEIRS}: {goal['theirs']})")
    for row in found["box_rows"]:
        error, bias = (page.text(row[key]) for key in ("error_k5", "bias_k5"))
        print(f"P(k) of {len(found['boxes'])} boxes to k = 5, {row['method']}, {row['channel']}: {error}, bias {bias}")
    print(f"every score, figure and definition: {found['config']['out']}/halos.html")
    rows = found["rows"] + found["box_rows"]
    print(json.dumps({"benchmark": "evaluate_halos", "commit": found["commit"], "rows": rows}))
