"""Which network and which objective learn fields best for the same computing?

    python -m benchmarks.objectives [--quick] [--minutes M] [--seeds N] [--processes N] [--draws N] [--figures FOLDER]
                                    [key=value ...]

The networks of configs/train/fields_unet.yaml and fields_dit.yaml, each with the objectives eps, v, edm and flow, learn
the maps of the first. All runs take the same processor seconds: as many steps as fit into M minutes of one core at the
cost of a step that is measured before (and kept, so that a stopped benchmark goes on with the same runs). Samples of
the averaged weights with 25 evaluations are judged on the test split as `evaluate` does: MAFD of P(k), variance of
P(k), distance of the PDF. Finished runs and their scores are kept in out/fields/objectives. key=value change both
configurations. `ratio` is a score over that of the U-Net with v: above 1 that one is better.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import torch
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from configs import EvaluateFields, Sampling, Train, load, provenance
from configs.files import replacing
from learn import checkpoint
from learn.fields.drawn import draw, evaluated
from learn.fields.evaluation import yardstick_of
from learn.fields.scores import floor, power_ratio, row
from learn.fields.sets import read_set
from learn.figures import COLORS, STYLE, error_axis, wavenumber_axis
from learn.portfolio import png
from learn.prepare import Local
from learn.sampler import Sampler
from learn.sources import open_source
from learn.train import Run, fit, is_complete

CONFIGS = {"U-Net": "configs/train/fields_unet.yaml", "DiT": "configs/train/fields_dit.yaml"}
OBJECTIVES = ("eps", "v", "edm", "flow")
SHIPPED = ("U-Net", "v")
SAMPLING = Sampling(kind="dpmpp_2m", n_steps=25)
SCORES = {"mafd": "MAFD", "variance": "variance of P", "pdf": "PDF"}
UNITS = {"mafd": "MAFD", "variance": "|ratio - 1|", "pdf": "decade"}
COSTS, SCORED = "costs.json", "scores.json"
N_VALIDATIONS, N_TIMED = 4, 5

Key = tuple[str, str, int]
"""Network, objective, seed."""
Found = Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="6 seconds a run, in a folder of their own")
    parser.add_argument("--minutes", type=float, default=15.0, help="of one core, of each training")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="runs at a time, one core each")
    parser.add_argument("--draws", type=int, default=2, help="samples with the parameters of each held-out map")
    parser.add_argument("--figures", type=Path, help="folder for objectives.png")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="of both configurations; out: of all runs")
    told = parser.parse_args()
    out = "out/fields/objectives_quick" if told.quick else "out/fields/objectives"
    trains = loaded([f"out={out}", *told.overrides])
    minutes = 0.1 if told.quick else told.minutes
    runs = planned(trains, 60 * minutes, told.seeds)
    console = Console(width=110)
    found = dict(done(runs, told.draws, told.processes, console))
    console.print(table(found, minutes))
    if told.figures is not None:
        with replacing(told.figures / "objectives.png") as temporary, matplotlib.rc_context(STYLE):
            temporary.write_bytes(png(figure(found)))
    print(json.dumps({"benchmark": "objectives", "commit": provenance()["commit"], "rows": list(rows(found))}))


def loaded(overrides: Sequence[str]) -> dict[str, Train]:
    """A configuration a network, all of the maps of the first and of one worker."""
    trains = {name: load(Train, path, [*overrides, "n_workers=1"]) for name, path in CONFIGS.items()}
    data = next(iter(trains.values())).data
    return {name: train.model_copy(update={"data": data}) for name, train in trains.items()}


def planned(trains: Mapping[str, Train], seconds: float, n_seeds: int) -> dict[Key, Train]:
    """Every run, in a folder of its own and as long as all others."""
    n_steps = {name: max(N_VALIDATIONS, int(seconds / cost)) for name, cost in costs(trains).items()}
    runs = {}
    for name, train in trains.items():
        for objective in OBJECTIVES:
            for seed in range(n_seeds):
                method = train.method.model_copy(update={"objective": objective})
                sized = {"n_steps": n_steps[name], "validate_every": -(-n_steps[name] // N_VALIDATIONS), "seed": seed}
                folder = train.out / f"{name}_{objective}_{seed}_{n_steps[name]}"
                runs[name, objective, seed] = train.model_copy(update={"method": method, "out": folder, **sized})
    return runs


def costs(trains: Mapping[str, Train]) -> dict[str, float]:
    """Processor seconds of a step of each network; measured once, as later runs are to be the same."""
    kept = next(iter(trains.values())).out / COSTS
    found: dict[str, float] = json.loads(kept.read_text()) if kept.is_file() else {}
    nets = {name: f"{train.net.model_dump_json()} x {train.batch_size}" for name, train in trains.items()}
    missing = {nets[name]: cost(train) for name, train in trains.items() if nets[name] not in found}
    if missing:
        found |= missing
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n")
    return {name: found[net] for name, net in nets.items()}


def cost(train: Train) -> float:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(train.model_copy(update={"out": Path(folder)}), Local(), None)
        run.advance()
        times = []
        for _ in range(N_TIMED):
            start = time.process_time()
            run.advance()
            times.append(time.process_time() - start)
    return statistics.median(times)


def done(runs: Mapping[Key, Train], n_draws: int, n_processes: int, console: Console) -> Iterator[tuple[Key, Found]]:
    """The scores of every run, as they end."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_processes, mp_context=context) as pool:
        waiting = {pool.submit(partial(judged, n_draws=n_draws), config): key for key, config in runs.items()}
        for i, future in enumerate(as_completed(waiting), start=1):
            (name, objective, seed), found = waiting[future], future.result()
            shown = "  ".join(f"{label} {found[score]['value']:.4f}" for score, label in SCORES.items())
            console.print(f"{i}/{len(runs)}  {name}, {objective}, seed {seed}, {found['n_steps']} steps:  {shown}")
            yield (name, objective, seed), found


def judged(config: Train, *, n_draws: int) -> Found:
    """Train what is left of a run on one core; its scores on the test split, kept beside it."""
    torch.set_num_threads(1)
    if not is_complete(config):
        for _ in fit(config, resume=checkpoint.latest(config.out)):
            pass
    kept = config.out / SCORED
    if not kept.is_file() or json.loads(kept.read_text())["n_draws"] != n_draws:
        found = {**measured(config, n_draws), "n_draws": n_draws}
        with replacing(kept) as temporary:
            temporary.write_text(json.dumps(found) + "\n")
    return dict(json.loads(kept.read_text()))


def measured(config: Train, n_draws: int) -> Found:
    """Of samples of the run beside held-out maps, as `evaluate` finds it."""
    told = EvaluateFields(
        kind="fields", checkpoint=config.out / "final", data=config.data, out=config.out, n_draws=n_draws
    )
    source = open_source(config.data, "test")
    truth, sampler = read_set(source), Sampler.load(told.checkpoint, sampling=SAMPLING)
    yardstick = yardstick_of(told, source.about, truth)
    true = yardstick.measure(truth)
    own = yardstick.measure(draw(sampler, truth, n_draws=n_draws, seed=told.seed))
    n_maps = sum(map(len, truth.fields))
    return {
        **{name: score for name, score in row("samples", own, true, truth.params).items() if name in SCORES},
        "n_steps": config.n_steps,
        "n_evaluations": evaluated(sampler),
        "chance": floor(true, truth.params, n_maps, n_draws * n_maps),
        "k": yardstick.axes["power"].tolist(),
        "ratio": power_ratio(own, true).tolist(),
    }


def mean(found: Mapping[Key, Found], name: str, objective: str, score: str) -> float:
    """Over the seeds."""
    return statistics.mean(one[score]["value"] for key, one in found.items() if key[:2] == (name, objective))


def table(found: Mapping[Key, Found], minutes: float) -> Table:
    """A row a network and objective."""
    first = next(iter(found.values()))
    title = f"{minutes:g} minutes of one core each, {first['n_evaluations']} evaluations a sample"
    caption = f"errors of the last digits: bootstrap of simulations; MAFD of a perfect generator {first['chance']:.4f}"
    drawn = Table("network", "objective", "steps", *SCORES.values(), box=SIMPLE_HEAD, title=title, caption=caption)
    for name in CONFIGS:
        for objective in OBJECTIVES:
            own = [one for key, one in found.items() if key[:2] == (name, objective)]
            cells = [cell(mean(found, name, objective, score), [one[score] for one in own]) for score in SCORES]
            drawn.add_row(name, objective, str(own[0]["n_steps"]), *cells)
    return drawn


def cell(value: float, own: Sequence[Mapping[str, float]]) -> str:
    """0.0123(4) is 0.0123 +- 0.0004."""
    return f"{value:.4f}({round(1e4 * statistics.mean(one['standard_error'] for one in own))})"


def figure(found: Mapping[Key, Found]) -> Figure:
    """P(k) of the samples over that of held-out maps, a panel a network."""
    drawn = Figure(figsize=(11, 4.4), layout="constrained")
    shades = dict(zip(OBJECTIVES, COLORS.values(), strict=False))
    for axes, name in zip(drawn.subplots(1, len(CONFIGS), sharey=True), CONFIGS, strict=True):
        for (net, objective, seed), one in sorted(found.items()):
            if net == name:
                errors = [ratio - 1 for ratio in one["ratio"]]
                axes.plot(one["k"], errors, color=shades[objective], label=objective if seed == 0 else None)
        error_axis(axes, "P / P(held out) − 1")
        wavenumber_axis(axes, one["k"])
        axes.set_title(name)
        axes.legend()
    return drawn


def rows(found: Mapping[Key, Found]) -> Iterator[dict[str, object]]:
    """Of each score the shipped choice beside all others."""
    for name in CONFIGS:
        for objective in OBJECTIVES:
            for score, label in SCORES.items() if (name, objective) != SHIPPED else ():
                ours, peer = mean(found, *SHIPPED, score), mean(found, name, objective, score)
                made = {"name": f"{name}, {objective}: {label}", "ours": ours, "peer": peer}
                yield made | {"peer_name": f"{name}, {objective}", "ratio": peer / ours, "unit": UNITS[score]}


if __name__ == "__main__":
    main()
