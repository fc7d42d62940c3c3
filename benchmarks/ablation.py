"""Which parts of the painter earn their place: trained whole, and with one part taken away at a time, on three seeds.

    python -m benchmarks.ablation [--quick] [--seeds N] [--processes N] [key=value ...]

Every run of configs/train/ablation.yaml takes one core for some minutes; finished ones are kept and not run again, and
an interrupted one goes on where it was. Scores are means over the maps of the test split: the Huber loss of pixels, |ln
P/P_true| and r(k) over k bins up to the Nyquist frequency. `ratio` is the score without the part over the whole's, of
pixels and of the power of the total: above 1 the part earns its place.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from configs import Train, load, provenance
from learn import checkpoint
from learn.data import InOrder
from learn.methods import METHODS
from learn.sources import open_source
from learn.train import fit, is_complete

CONFIG = "configs/train/ablation.yaml"
WHOLE = "whole"
VARIANTS: dict[str, list[str]] = {
    WHOLE: [],
    "no residual": ["method.residual=false"],
    "no log P(k) loss": ["method.log_pk_weight=0.0"],
    "no FiLM": ["net.film=false"],
    "no context": ["method.context=[]"],
}
SCORES = {
    "pixels": "pixels",
    "power_error_total": "P total",
    "power_error_gas": "P gas",
    "power_error_stars": "P stars",
    "r_total": "r total",
    "r_gas": "r gas",
    "r_stars": "r stars",
}
JUDGED = {"pixels": "pixels", "power_error_total": "power of the total"}

Scores = Mapping[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed and 20 steps, in a folder of their own")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2, help="runs at a time, one core each")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="of the configuration of every run")
    arguments = parser.parse_args()
    short = ["n_steps=20", "validate_every=20", "out=out/painter/ablation_quick"] if arguments.quick else []
    runs = planned([*short, *arguments.overrides], 1 if arguments.quick else arguments.seeds)
    console = Console(width=110)
    found = dict(done(runs, arguments.processes, console))
    console.print(table(found))
    print(json.dumps({"benchmark": "ablation", "commit": provenance()["commit"], "rows": list(rows(found))}))


def planned(overrides: Sequence[str], n_seeds: int) -> dict[tuple[str, int], Train]:
    """The configuration of each variant and seed, in a folder of its own."""
    runs = {}
    for seed in range(n_seeds):
        for name, changes in VARIANTS.items():
            config = load(Train, CONFIG, [*overrides, *changes, f"seed={seed}"])
            folder = f"{name.replace(' ', '_').replace('(', '').replace(')', '')}_{seed}"
            runs[name, seed] = config.model_copy(update={"out": config.out / folder})
    return runs


def done(
    runs: Mapping[tuple[str, int], Train], n_processes: int, console: Console
) -> Iterator[tuple[tuple[str, int], Scores]]:
    """The scores of every run, as they end."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_processes, mp_context=context) as pool:
        waiting = {pool.submit(judged, config): key for key, config in runs.items()}
        for i, future in enumerate(as_completed(waiting), start=1):
            (name, seed), scores = waiting[future], future.result()
            shown = "  ".join(f"{label} {scores[key]:.4f}" for key, label in SCORES.items())
            console.print(f"{i}/{len(runs)}  {name}, seed {seed}:  {shown}")
            yield (name, seed), scores


def judged(config: Train) -> Scores:
    """Train what is left of a run on one core; its scores on the test split."""
    torch.set_num_threads(1)
    if not is_complete(config):
        for _ in fit(config, resume=checkpoint.latest(config.out)):
            pass
    return measured(config, config.out / "final")


@torch.no_grad()
def measured(config: Train, folder: Path) -> Scores:
    """Means over the maps of the test split."""
    meta = checkpoint.load_meta(folder)
    method = METHODS[config.method.kind](config, meta.normalizer, meta)
    nets = method.build()
    checkpoint.load_nets(folder, meta, nets)
    sums: dict[str, float] = {}
    source = open_source(config.data, "test")
    for batch in InOrder(source, config.batch_size):
        for name, value in method.validate(nets, batch).items():
            sums[name] = sums.get(name, 0.0) + float(value) * len(batch)
    return {name: value / len(source) for name, value in sums.items()}


def of_variant(found: Mapping[tuple[str, int], Scores], name: str, score: str) -> list[float]:
    return [scores[score] for (variant, _), scores in found.items() if variant == name]


def table(found: Mapping[tuple[str, int], Scores]) -> Table:
    n_seeds = len({seed for _, seed in found})
    drawn = Table("", *SCORES.values(), box=SIMPLE_HEAD, title=f"mean over {n_seeds} seeds (standard deviation)")
    for name in VARIANTS:
        drawn.add_row(name, *(cell(of_variant(found, name, score)) for score in SCORES))
    return drawn


def cell(values: Sequence[float]) -> str:
    """0.0123(4) is 0.0123 +- 0.0004."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.4f}({round(spread * 1e4)})"


def rows(found: Mapping[tuple[str, int], Scores]) -> Iterator[dict[str, object]]:
    """Of each part and judged score, the whole beside what lacks the part."""
    for name in VARIANTS:
        for score, label in JUDGED.items() if name != WHOLE else ():
            ours, peer = (statistics.mean(of_variant(found, one, score)) for one in (WHOLE, name))
            row = {"name": f"{name}: {label}", "ours": ours, "peer": peer, "peer_name": name}
            yield row | {"ratio": peer / ours, "unit": "Huber loss" if score == "pixels" else "mean |ln P/P_true|"}


if __name__ == "__main__":
    main()
