"""Whole boxes of a split with their halos pasted in: power spectra and mass against the truth, beside the upper bound.

Every box is bound by the model and by the mean profile, in a folder of its own; draws that are there are kept. Knows
nothing of pages or of workers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import Bind, EvaluateHalos, PastedBoxes, Profile, Trained
from learn.halos import bind, bound, frame_of, pasted
from learn.halos.bind import Job
from learn.halos.measures import CHANNELS
from learn.halos.pasted import BOUND, DMO, PASTED, TRUTH, Measured
from learn.halos.scores import BASELINE, MODEL, estimate
from sim.samples import read_manifest

Array = NDArray[np.float64]
Row = dict[str, Any]

TRUE_HALOS, NO_BARYONS = "true halos pasted", "dark matter alone"
METHODS = (MODEL, BASELINE, TRUE_HALOS, NO_BARYONS)


@dataclass(frozen=True)
class JudgedBox:
    """Of one box: P / P(truth) at k (K,) by method, (R, C, K), means over its views, and mass over the true one (C,).

    A method has R realisations and C channels: one of each for the dark matter alone.
    """

    name: str
    k: Array
    ratio: Mapping[str, Array]
    mass: Mapping[str, Array]


def names(config: EvaluateHalos) -> tuple[str, ...]:
    """The simulations whose boxes are judged; ValueError for a set that was cut from other ones."""
    if config.boxes is None:
        return ()
    manifest = read_manifest(config.data.folder)
    refuse_other_source(config.boxes, manifest.config.get("source"))
    return tuple(manifest.split[config.split][: config.boxes.n_boxes])


def refuse_other_source(boxes: PastedBoxes, made: Mapping[str, Any] | None) -> None:
    """ValueError unless the boxes are given the baryons that those of the set were given."""
    if made is None:
        raise ValueError("boxes: expected none for a set that was imported, of which there are no simulations")
    told = boxes.source.model_dump(mode="json")
    for key, expected in made.items():
        if told.get(key) != expected:
            raise ValueError(f"boxes.source.{key}: expected {expected}, as the set of halos has, got {told.get(key)}")


def judge(name: str, config: EvaluateHalos) -> JudgedBox:
    """Sample what is missing of a box, paste it, and compare its maps with the truth."""
    found = {method: measure(job) for method, job in jobs(name, config)}
    spectra = {method: bound.averaged(measured) for method, measured in found.items()}
    own = spectra[MODEL]
    truth = own[TRUTH]
    shown = {method: one[PASTED] for method, one in spectra.items()} | {TRUE_HALOS: own[BOUND], NO_BARYONS: own[DMO]}
    mass = {method: shares(one, PASTED) for method, one in found.items()}
    mass |= {TRUE_HALOS: shares(found[MODEL], BOUND), NO_BARYONS: shares(found[MODEL], DMO)}
    ratio = {method: one / truth[:, : one.shape[1]] for method, one in shown.items()}
    return JudgedBox(name, found[MODEL][0].k, {key: ratio[key] for key in METHODS}, mass)


def jobs(name: str, config: EvaluateHalos) -> Iterator[tuple[str, Job]]:
    """The box to be bound by each method; it is loaded once."""
    first = bind.prepare(bound_by(MODEL, name, config))
    yield MODEL, first
    other = bound_by(BASELINE, name, config)
    yield BASELINE, replace(first, config=other, frame=frame_of(other.sampler))


def bound_by(method: str, name: str, config: EvaluateHalos) -> Bind:
    """How a box is bound by the model that is judged, or by its baseline."""
    assert config.boxes is not None
    sampler: Trained | Profile = Profile(kind="mean_profile", data=config.data, n_masses=config.n_masses)
    if method == MODEL:
        keys: dict[str, Any] = {"folder": config.checkpoint, "device": config.device, "sampling": config.sampler}
        sampler = Trained(kind="checkpoint", **keys)
    boxes = config.boxes if method == MODEL else config.boxes.model_copy(update={"n_realizations": 1})
    return boxes.of(name, sampler, config.out / "boxes" / name / method.replace(" ", "_"))


def measure(job: Job) -> list[Measured]:
    """Sample what is missing, paste and write every view; what was measured of each."""
    start, measured = time.monotonic(), []
    for view, pieces, missing in bind.left(job):
        for work in missing:
            bind.make(work, job.config.sampler)
        measured.append(pasted.paste(job, view, pieces))
    bound.write(job, measured, time.monotonic() - start)
    return measured


def shares(measured: Sequence[Measured], name: str) -> Array:
    """Mass of each channel of the maps called `name` over that of the truth, (C,), over all views and realisations."""
    own = np.mean([one.means[name].mean(axis=0) for one in measured], axis=0)
    true = np.mean([one.means[TRUTH][0] for one in measured], axis=0)[: len(own)]
    return np.divide(own, true, out=np.full(len(own), np.nan), where=true > 0)


def rows(judged: Sequence[JudgedBox]) -> list[Row]:
    """A row a channel and method: error of P(k), its bias, and the mass, means over the boxes with their errors."""
    return [
        {"name": f"box, {method} {channel}", "channel": channel, "method": method, **scored(judged, method, i)}
        for i, channel in enumerate(CHANNELS)
        for method in METHODS
        if i < judged[0].ratio[method].shape[1]
    ]


def scored(judged: Sequence[JudgedBox], method: str, i: int) -> Row:
    """The scores of one channel by their names."""
    found: Row = {"mass": over_boxes([one.mass[method][i] for one in judged])}
    for top in bound.WAVENUMBERS:
        away = [one.ratio[method][:, i].mean(axis=0)[one.k < top] - 1 for one in judged]
        found[f"error_k{top:g}"] = over_boxes([abs(one).mean() for one in away])
        found[f"bias_k{top:g}"] = over_boxes([one.mean() for one in away])
    return found


def over_boxes(values: Sequence[float]) -> dict[str, float | None] | None:
    """The mean of a number a box, and its standard error."""
    n = len(values)
    return estimate(float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else np.nan)
