"""Judgement of a machine that inverts lenses, on systems it never saw, beside what knows less and a classical fit.

Knows data sets, machines and the files that a judgement leaves: lenses.html, metrics.json and figures.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import EvaluateLenses, provenance
from configs.files import replacing
from configs.lens_evaluation import CLASSICAL, ENSEMBLE, MACHINE, REFINED
from learn.data import Batch
from learn.lenses import page
from learn.lenses.baselines import baselines
from learn.lenses.bench import Bench, answer, opened, timed
from learn.lenses.calibration import Places
from learn.lenses.classical import Classical, Grid
from learn.lenses.figures import pictures
from learn.lenses.findings import MADE_TO_FIT, NETWORK, Findings, Numbers, Radii
from learn.lenses.gallery import given, shown
from learn.lenses.goals import PREDECESSOR, PREDECESSOR_NOTE, outcomes
from learn.lenses.inverter import Exposures
from learn.lenses.kept import fitted, together
from learn.lenses.known import Known, known
from learn.lenses.latent import radii_of
from learn.lenses.rows import ALL, FITTED, row
from learn.lenses.scores import Answer, scored


def evaluate(config: EvaluateLenses) -> dict[str, Any]:
    """Judge what `config` names, write everything to `config.out` and return what metrics.json holds.

    A line is printed a batch and a fit. ValueError if the machines are for other images than those of the data.
    """
    bench = opened(config)
    findings = Findings.joined(list(judged(bench)))
    metrics = recorded(bench, findings)
    write(config, metrics, findings)
    return metrics


def judged(bench: Bench) -> Iterator[Findings]:
    """Every system by every method, a batch at a time; a line is printed each."""
    n_all, done, start = len(bench.source), 0, time.monotonic()
    fits = fitted_systems(bench)
    for family, indices in bench.source.simulations.items():
        for first in range(0, len(indices), bench.config.batch):
            some = indices[first : first + bench.config.batch]
            n_fits, n_draws = max(fits[family] - first, 0), max(bench.config.n_refined - first, 0)
            yield judged_batch(bench, family, some, n_fits=n_fits, n_refined=n_draws, is_first=first == 0)
            done += len(some)
            pace = (time.monotonic() - start) / done
            left = f"{pace:.1f} s each  {pace * (n_all - done):.0f} s left"
            print(f"evaluate: {family}: {done}/{n_all} systems  {left}", flush=True)


def fitted_systems(bench: Bench) -> dict[str, int]:
    """How many of the first systems of each family lenstronomy is fitted to."""
    names = list(bench.source.simulations)
    each, rest = divmod(bench.config.n_classical, len(names))
    return {name: each + (i < rest) for i, name in enumerate(names)}


def judged_batch(
    bench: Bench, family: str, indices: Sequence[int], *, n_fits: int, n_refined: int, is_first: bool
) -> Findings:
    """Systems of one family, of which the first are fitted, and the draws of the first made to fit."""
    config, batch = bench.config, bench.source.read(indices)
    truth = known(bench.source, indices, batch, bench.machine.psf_side)
    found, seconds = timed(bench.machine, bench.effort(n_draws=config.n_draws), batch, truth, config.seed)
    answers = {MACHINE: answer(bench.machine, found, seconds, batch)}
    answers |= dict(others(bench, batch, truth))
    numbers: dict[str, Numbers] = {name: scored(one, batch, truth) for name, one in answers.items()}
    if n_fits:
        numbers[CLASSICAL] = scored_fits(bench, batch, truth, n_fits)
    places, looked_at = {NETWORK: Places.of(found, batch, truth)}, found
    if n_refined and config.n_refine:
        few, few_known = first_of(n_refined, batch, truth)
        effort = bench.effort(n_refine=config.n_refine, n_draws=config.n_refined_draws)
        looked_at, _ = timed(bench.machine, effort, few, few_known, config.seed)
        places[MADE_TO_FIT] = Places.of(looked_at, few, few_known)
    return Findings(
        families=(family,) * len(batch),
        numbers=numbers,
        course=course(bench, batch, truth),
        radii=Radii(truth.einstein_radius, radii_of(found.lens), radii_of(found.draws).std(0)),
        places=places,
        shown=(shown(family, batch, looked_at, float(truth.pixel_size[0]), 0),) if is_first else (),
    )


def others(bench: Bench, batch: Batch, truth: Known) -> Iterator[tuple[str, Answer]]:
    """What is judged beside the machine, by name, but for the classical fit."""
    config = bench.config
    if config.n_refine:
        found = timed(bench.machine, bench.effort(n_refine=config.n_refine), batch, truth, config.seed)
        yield REFINED, answer(bench.machine, *found, batch)
    if bench.ensemble:
        yield ENSEMBLE, answer(bench.machine, *timed(bench.ensemble, bench.effort(), batch, truth, config.seed), batch)
    for name in config.beside:
        one = bench.machines[name]
        yield name, answer(one, *timed(one, bench.effort(), batch, truth, config.seed), batch)
    yield from baselines(batch, truth, bench.machine.field).items()


def course(bench: Bench, batch: Batch, truth: Known) -> dict[int, Numbers]:
    """The numbers after so many steps."""
    machine = bench.machine
    found = machine.course(*given(batch, machine.psf_side), truth.pixel_size, bench.config.iterations)
    return {n: scored(answer(machine, one, None, batch), batch, truth) for n, one in found.items()}


def scored_fits(bench: Bench, batch: Batch, truth: Known, n: int) -> Numbers:
    """Of a classical fit to the first systems, kept in `out`/fits; nan of the others. A line is printed each."""
    config, machine = bench.config, bench.machine
    few, few_known = first_of(n, batch, truth)
    fit, grid = Classical(config.n_particles, config.n_swarm, config.n_simplex), Grid(machine.n_source, machine.field)
    told, answers = Exposures(*given(few, machine.psf_side), few_known.pixel_size), []
    for i in range(len(few)):
        one, is_kept = fitted(config.out / "fits", fit, Exposures(*(x[i : i + 1] for x in told)), grid, config.seed + i)
        answers.append(one)
        print(f"evaluate: classical fit, {one.seconds:.0f} CPU s{', made before' if is_kept else ''}", flush=True)
    found = together(answers)
    rest = len(batch) - len(few)
    return {name: np.pad(x, (0, rest), constant_values=np.nan) for name, x in scored(found, few, few_known).items()}


def first_of(n: int, batch: Batch, truth: Known) -> tuple[Batch, Known]:
    """The first systems of a batch."""
    return batch.part(0, n), truth.first(n)


def rows(bench: Bench, findings: Findings) -> list[dict[str, Any]]:
    """A row a set of systems and method: all, those that are fitted, and each family."""
    return [
        row(name, method, findings.of(method, which))
        for name, which in sets(bench, findings).items()
        for method in findings.numbers
        if method != CLASSICAL or name == FITTED
    ]


def sets(bench: Bench, findings: Findings) -> dict[str, NDArray[np.bool_]]:
    """Which of the systems (N,) are of each set."""
    families = np.array(findings.families)
    found = {ALL: np.full(len(families), True)}
    if CLASSICAL in findings.numbers:
        found[FITTED] = np.isfinite(findings.numbers[CLASSICAL]["seconds"])
    return found | {name: families == name for name in bench.source.simulations}


def recorded(bench: Bench, findings: Findings) -> dict[str, Any]:
    """What metrics.json holds."""
    config, known_rows = bench.config, rows(bench, findings)
    machines = [described(name, bench) for name in bench.machines]
    return {
        **provenance(),
        "config": json.loads(config.model_dump_json()),
        "subject": machines[0],
        "beside": machines[1:],
        "data": bench.source.about.model_dump(mode="json"),
        "split": config.split,
        "simulations": list(bench.source.simulations),
        "sets": {name: int(which.sum()) for name, which in sets(bench, findings).items()},
        "n_systems": len(findings.families),
        "rows": known_rows,
        "predecessor": {**PREDECESSOR, "note": PREDECESSOR_NOTE},
        "goals": outcomes(known_rows),
        "coverage": {kind: one.record() for kind, one in findings.places.items()},
        "course": [row(ALL, str(n), numbers) | {"n_iterations": n} for n, numbers in findings.course.items()],
    }


def described(name: str, bench: Bench) -> dict[str, Any]:
    """What is known of a machine."""
    machine = bench.machines[name]
    meta, folders = machine.meta, {MACHINE: bench.config.checkpoint, **bench.config.beside}
    return {
        "name": name,
        "where": str(folders[name]),
        "step": meta.step,
        "commit": meta.commit,
        "weights_sha256": meta.weights_sha256,
        "method": meta.config.method.model_dump(mode="json"),
        "net": meta.config.net.model_dump(mode="json"),
        "n_parameters": machine.n_parameters,
        "n_iterations": bench.config.n_iterations or machine.n_iterations,
    }


def write(config: EvaluateLenses, metrics: dict[str, Any], findings: Findings) -> None:
    """The files of a judgement."""
    config.out.mkdir(parents=True, exist_ok=True)
    drawn = pictures(findings, metrics)
    contents = {f"{name}.png": png for name, png in drawn.items()}
    contents["lenses.html"] = page.page(metrics, drawn).encode()
    contents["metrics.json"] = (json.dumps(metrics, indent=1, allow_nan=False) + "\n").encode()
    for name, content in contents.items():
        with replacing(config.out / name) as temporary:
            temporary.write_bytes(content)
