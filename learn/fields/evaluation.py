"""Judgement of a generator of fields on simulations it never saw, beside what knows next to nothing.

Knows data sets, models and the files an evaluation leaves: fields.html, metrics.json, curves.npz and figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import EvaluateFields, provenance
from configs.files import replacing
from learn.data import About
from learn.fields import baselines, page
from learn.fields.cube_measures import CubeYardstick
from learn.fields.drawn import draw, evaluated, refuse_different, trades
from learn.fields.figures import pictures
from learn.fields.findings import HELD_OUT, SAMPLES, Findings
from learn.fields.measures import Yardstick
from learn.fields.neighbours import likeness
from learn.fields.scores import GOALS, floor, own_row, row, thirds
from learn.fields.sets import FieldSet, projected, read_set
from learn.sampler import Sampler
from learn.scores.geometry import Geometry
from learn.scores.shells import Shells
from learn.sources import open_source
from sim.spectra import log_edges

Array = NDArray[np.float64]


def evaluate(config: EvaluateFields) -> dict[str, Any]:
    """Judge the model that `config` names, write everything to `config.out` and return what metrics.json holds.

    A line is printed a simulation, as long as it takes. ValueError if the split is empty or the model is one of other
    fields.
    """
    held_out, training = (open_source(config.data, split) for split in (config.split, "train"))
    about, truth, known = held_out.about, read_set(held_out), read_set(training)
    held_out.close()
    training.close()
    sampler = Sampler.load(config.checkpoint, config.device, sampling=config.sampler)
    refuse_different(sampler, about, config.checkpoint)
    findings = judged(config, sampler, about, truth, known)
    metrics = recorded(config, sampler, findings, truth)
    write(config, metrics, findings)
    return metrics


def judged(config: EvaluateFields, sampler: Sampler, about: About, truth: FieldSet, known: FieldSet) -> Findings:
    """Samples, baselines and held-out fields, measured alike."""
    yardstick = yardstick_of(config, about, truth)
    samples = draw(sampler, truth, n_draws=config.n_draws, seed=config.seed)
    others = baselines.made(known, truth, seed=config.seed)
    sets = {SAMPLES: samples, **others, HELD_OUT: truth}
    few = {name: spread_over(sets[name].every(), config.n_neighbours) for name in (SAMPLES, HELD_OUT)}
    traded = trades(
        sampler,
        truth,
        yardstick,
        kinds=config.samplers,
        evaluations=config.evaluations,
        n=config.n_traded,
        seed=config.seed,
    )
    return Findings(
        about,
        yardstick.axes,
        truth.params,
        {name: yardstick.measure(one) for name, one in sets.items()},
        {name: likeness(fields, known.every()) for name, fields in few.items()},
        tuple(traded),
        {name: projected(one.every()[:: max(1, len(one.every()) // 4)][:4]) for name, one in sets.items()},
    )


def yardstick_of(config: EvaluateFields, about: About, truth: FieldSet) -> Yardstick | CubeYardstick:
    """What measures fields of as many dimensions as the held-out ones have."""
    if about.n_dims == 3:
        size = about.box_size
        return CubeYardstick.of(truth, box_size=size, n_bins=config.n_bins, smoothing=config.smoothing)
    geometry = Geometry(about.n_pixels, about.pixel_size)
    shells = Shells(geometry, tuple(log_edges(about.box_size, about.n_pixels, config.n_bins)))
    return Yardstick.of(truth, geometry, shells, smoothing=config.smoothing)


def spread_over(fields: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """At most `n` of the fields, evenly over all."""
    return fields[np.unique(np.linspace(0, len(fields) - 1, min(n, len(fields))).round().astype(int))]


def recorded(config: EvaluateFields, sampler: Sampler, findings: Findings, truth: FieldSet) -> dict[str, Any]:
    """What metrics.json holds."""
    measured, meta = findings.measured, sampler.meta
    n_fields = sum(map(len, truth.fields))
    methods = [name for name in measured if name != HELD_OUT]
    rows = [row(name, measured[name], measured[HELD_OUT], findings.params) for name in methods]
    rows.append(own_row(HELD_OUT, measured[HELD_OUT], findings.params))
    return {
        **provenance(),
        "config": json.loads(config.model_dump_json()),
        "subject": {
            "where": str(config.checkpoint),
            "step": meta.step,
            "commit": meta.commit,
            "weights_sha256": meta.weights_sha256,
            "method": meta.config.method.model_dump(mode="json"),
            "net": meta.config.net.model_dump(mode="json"),
            "n_evaluations": evaluated(sampler),
        },
        "data": findings.about.model_dump(mode="json"),
        "split": config.split,
        "simulations": list(truth.names),
        "n_fields": n_fields,
        "mafd_of_chance": floor(measured[HELD_OUT], findings.params, n_fields, n_fields * config.n_draws),
        "rows": rows,
        "power_by_parameter": {
            name: thirds(measured[SAMPLES], measured[HELD_OUT], findings.params[:, i])
            for i, name in enumerate(findings.about.param_names)
        },
        "goals": [goal.outcome(rows[0]) for goal in GOALS],
        "neighbours": neighbours(findings.likeness),
        "trades": [trade.record() for trade in findings.trades],
    }


def neighbours(found: Mapping[str, Array]) -> dict[str, Any]:
    """How like the nearest training map samples are, beside held-out maps: copies would be at 1."""
    told: dict[str, Any] = {
        name: {"n": len(values), "mean": float(values.mean()), "highest": float(values.max())}
        for name, values in found.items()
    }
    beyond = (found[SAMPLES] > found[HELD_OUT].max()).mean()
    return told | {"share_of_samples_beyond": float(beyond)}


def write(config: EvaluateFields, metrics: dict[str, Any], findings: Findings) -> None:
    """The files of an evaluation."""
    config.out.mkdir(parents=True, exist_ok=True)
    drawn = pictures(findings, metrics)
    contents = {f"{name}.png": png for name, png in drawn.items()}
    contents["fields.html"] = page.page(metrics, drawn).encode()
    contents["metrics.json"] = (json.dumps(metrics, indent=1, allow_nan=False) + "\n").encode()
    for name, content in contents.items():
        with replacing(config.out / name) as temporary:
            temporary.write_bytes(content)
    arrays: dict[str, Any] = {"params": findings.params} | {f"axis.{k}": v for k, v in findings.axes.items()}
    for method, one in findings.measured.items():
        arrays |= {f"{method}.{name}": values for name, values in one.items()}
    with replacing(config.out / "curves.npz") as temporary:
        np.savez(temporary, **arrays)
