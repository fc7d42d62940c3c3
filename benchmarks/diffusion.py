"""How fast are fields learned and drawn, beside denoising-diffusion-pytorch?

    python -m benchmarks.diffusion [--quick] [--minutes M] [--samples N] [--pixels P] [--only train|sampling]
                                   [--peer-lr L] [key=value ...]

Both sides run in processes of one thread, in turn, in float32; times are processor seconds, medians over the turns.

- `train ...`: a whole step (maps, forward, backward, clipping, optimiser, moving average) over the maps of a batch, of
  64^2 pixels. At equal width, levels and blocks a level; and with 2 x 2 pixels a cell, as shipped trainings have it.
- `sampling ...`: both are trained unconditionally for the same processor minutes on the same logarithms of density, of
  `--pixels` a side, the peer with its own schedule, attention and clamp. Then samplers with fewer and more steps: MAFD
  of P(k) on held-out simulations against evaluations of the network. The time to equal error is that of the cheapest
  that comes within 1.1 of the larger of both sides' least errors: once of all that the peer has, once of its default,
  ancestral sampling of all steps.

ratio > 1: ours is better. key=value change configs/train/fields_unet.yaml, whose data and network these are. The peer
is installed into .venv-peers on first use (benchmarks/peers/denoising_diffusion.txt).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.peers.environment import python_of
from benchmarks.peers.process import Process, Side
from configs import Train, UNet, load, provenance
from learn.data import InOrder
from learn.fields.sets import read_set
from learn.normalize import LogScale, Normalizer
from learn.scores.geometry import Geometry
from learn.scores.shells import Shells
from learn.scores.views import contrast_modes
from learn.sources import open_source
from sim.spectra import log_edges

CONFIG = "configs/train/fields_unet.yaml"
UNCONDITIONAL = ["data.param_names=[]", "method.dropout=0.0", "n_workers=1", "validate_every=1000000"]
PEER = "denoising-diffusion-pytorch"
NEAR = 1.1
"""Errors within this factor are equal."""
OURS = [(kind, n) for kind in ("dpmpp_2m", "ddim") for n in (5, 10, 15, 25, 50)] + [("heun", n) for n in (3, 5, 8, 13)]
THEIRS = [("ddim", n) for n in (10, 25, 50, 100, 250)] + [("ddpm", 1000)]
N_BINS = 12

Array = NDArray[np.float64]
Row = dict[str, str | float]


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    minutes: float
    n_samples: int
    n_turns: int
    ours: Sequence[tuple[str, int]]
    theirs: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Tried:
    """A sampler with so many steps: evaluations and processor seconds of a sample, MAFD of P(k)."""

    kind: str
    n_evaluations: int
    seconds: float
    error: float


@dataclass(frozen=True)
class Truth:
    """Mean P(k) of held-out maps and its relative scatter from map to map."""

    geometry: Geometry
    shells: Shells
    scale: LogScale
    power: Array
    scatter: Array
    n_maps: int

    def error(self, maps: NDArray[np.float32]) -> float:
        """MAFD of maps (n, P, P)."""
        return float(np.abs(powers(maps, self.geometry, self.shells).mean(0) / self.power - 1).mean())

    def chance(self, n: int) -> float:
        """What `n` maps of a perfect generator have."""
        return float(np.sqrt(2 / np.pi * (1 / n + 1 / self.n_maps)) * self.scatter.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a minute of training, 16 samples, no ancestral sampling")
    parser.add_argument("--minutes", type=float, default=10.0, help="of processor time, of each training")
    parser.add_argument("--samples", type=int, default=128, help="of which P(k) is measured")
    parser.add_argument("--pixels", type=int, default=32, help="a side, of the maps of `sampling`")
    parser.add_argument("--only", choices=("train", "sampling"))
    parser.add_argument("--peer-lr", type=float, default=1e-3, help="learning rate of the peer, which does not fall")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=f"of {CONFIG}")
    told = parser.parse_args()
    size = Size(told.minutes, told.samples, 7, OURS, THEIRS)
    if told.quick:
        size = Size(1.0, 16, 2, [("dpmpp_2m", 5), ("dpmpp_2m", 15)], [("ddim", 10), ("ddim", 25)])
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        if told.only != "sampling":
            rows += training(configured(told.overrides, Path(folder)), size, told.peer_lr)
        if told.only != "train":
            overrides = [*told.overrides, f"data.n_pixels={told.pixels}"]
            rows += sampling(configured(overrides, Path(folder)), size, told.peer_lr)
    for row in rows:
        peer = f"{row['peer_name']:<48}{row['peer']:>9.4g}"
        print(f"{row['name']:<44}{row['ours']:>9.4g} {row['unit']:<22}{peer}{row['ratio']:>8.2f}x")
    print(json.dumps({"benchmark": "diffusion", "commit": provenance()["commit"], "rows": rows}))


def configured(overrides: Sequence[str], folder: Path) -> Train:
    """The training that both sides do, without a condition."""
    return load(Train, CONFIG, [*UNCONDITIONAL, *overrides, f"out={folder}"])


def sides() -> tuple[Side, Side]:
    return (
        Side("ours", "our_diffusion", 1),
        Side(PEER, "denoising_diffusion", 1, python_of("denoising_diffusion")),
    )


def row(name: str, ours: float, peer: float, unit: str, peer_name: str = PEER) -> Row:
    return {"name": name, "ours": ours, "peer": peer, "peer_name": peer_name, "unit": unit, "ratio": peer / ours}


def training(config: Train, size: Size, peer_lr: float) -> list[Row]:
    """Seconds of a step a sample."""
    assert isinstance(config.net, UNet)
    equal = {"n_blocks": 2, "patch": 1}  # the peer's blocks a level, and its pixels
    nets = {
        "equal width and depth": config.net.model_copy(update=equal),
        "the same in cells of 2 x 2": config.net.model_copy(update=equal | {"patch": 2}),
    }
    our_side, their_side = sides()
    rows = []
    for name, net in nets.items():
        with Process(our_side) as ours, Process(their_side) as theirs:
            weights = build(config.model_copy(update={"net": net}), ours, theirs, peer_lr)
            found = in_turn(partial(ours.ask, "steps", n=2), partial(theirs.ask, "steps", n=2), size.n_turns)
        print(f"train, {name}: weights {weights[0]:,} and {weights[1]:,}, ours and the peer's", flush=True)
        seconds = [statistics.median(times) / config.batch_size for times in found]
        rows.append(row(f"train {name}", *seconds, f"s a sample, {config.data.n_pixels}^2"))
    return rows


def build(config: Train, ours: Process, theirs: Process, peer_lr: float) -> tuple[int, int]:
    """Networks of equal width and levels on both sides, for the same maps; how many weights they have."""
    assert isinstance(config.net, UNet)
    config.out.mkdir(parents=True, exist_ok=True)
    maps, net = config.out / "logarithms.npy", config.net
    np.save(maps, logarithms(config), allow_pickle=False)
    told = {"width": net.width, "n_levels": net.n_levels, "batch": config.batch_size, "lr": peer_lr, "seed": 0}
    own = ours.ask("build", config=config.model_dump_json())["n_weights"]
    return own, theirs.ask("build", maps=str(maps), **told)["n_weights"]


def in_turn(ours: Any, theirs: Any, n_turns: int) -> tuple[list[float], list[float]]:
    """The times that both give, after a first turn that does not count."""
    turns = [(ours(), theirs()) for _ in range(n_turns + 1)][1:]
    own, peer = zip(*turns, strict=True)
    return tuple([s for one in column for s in one["seconds"]] for column in (own, peer))  # type: ignore[return-value]


def fitted(config: Train) -> LogScale:
    """The logarithms of the training maps, as our own run fits them."""
    training = InOrder(open_source(config.data, "train"), config.batch_size)
    return Normalizer.fit(training, offset=config.method.offset).targets


def logarithms(config: Train) -> NDArray[np.float32]:
    """The training maps (N, P, P) as both sides learn them, but for a shift and a factor."""
    source = open_source(config.data, "train")
    return fitted(config).forward(source.read(range(len(source))).targets)[:, 0].numpy()


def sampling(config: Train, size: Size, peer_lr: float) -> list[Row]:
    """Seconds a sample to equal P(k) error, after equal training."""
    truth = held_out(config)
    our_side, their_side = sides()
    with Process(our_side) as ours, Process(their_side) as theirs:
        build(config, ours, theirs, peer_lr)
        steps = [side.ask("train", seconds=60 * size.minutes)["n_steps"] for side in (ours, theirs)]
        print(f"sampling: {steps[0]} and {steps[1]} steps in {size.minutes:g} minutes, ours and the peer's", flush=True)
        costs = evaluation(config, ours, theirs, size)
        print(f"sampling: {costs[0]:.4f} and {costs[1]:.4f} s an evaluation of the network", flush=True)
        own = [tried(config, ours, truth, *one, size.n_samples, costs[0]) for one in size.ours]
        peer = [tried(config, theirs, truth, *one, size.n_samples, costs[1], in_logs=True) for one in size.theirs]
    print(f"sampling: a perfect generator has MAFD {truth.chance(size.n_samples):.4f} by chance", flush=True)
    return compared(own, peer)


def held_out(config: Train) -> Truth:
    """What samples are compared with: the maps of the test split."""
    source = open_source(config.data, "test")
    about, maps = source.about, read_set(source).every()
    geometry = Geometry(about.n_pixels, about.pixel_size)
    shells = Shells(geometry, tuple(log_edges(about.box_size, about.n_pixels, N_BINS)))
    power = powers(maps, geometry, shells)
    return Truth(geometry, shells, fitted(config), power.mean(0), power.std(0) / power.mean(0), len(maps))


def powers(maps: NDArray[np.float32], geometry: Geometry, shells: Shells) -> Array:
    """P(k) of each map, (n, K)."""
    modes = contrast_modes(maps, geometry)
    return shells.power(modes, modes)


def evaluation(config: Train, ours: Process, theirs: Process, size: Size) -> tuple[float, float]:
    """Seconds of one evaluation of each side's network for one sample, in turn."""
    told = {"kind": "ddim", "n_steps": 5, "n": 16, "seed": 0, "out": str(config.out / "timed.npy")}
    turns = [[side.ask("sample", **told)["seconds"] for side in (ours, theirs)] for _ in range(size.n_turns + 1)][1:]
    own, peer = zip(*turns, strict=True)
    return statistics.median(own) / 5 / 16, statistics.median(peer) / 5 / 16


def tried(
    config: Train, side: Process, truth: Truth, kind: str, n_steps: int, n: int, cost: float, *, in_logs: bool = False
) -> Tried:
    """Samples of one sampler, judged; those of the peer are logarithms."""
    path = config.out / "samples.npy"
    n_evaluations = side.ask("sample", kind=kind, n_steps=n_steps, n=n, seed=1, out=str(path))["n_evaluations"]
    maps = np.load(path, allow_pickle=False)
    if in_logs:
        maps = density(maps, truth.scale)
    found = Tried(kind, n_evaluations, n_evaluations * cost, truth.error(maps))
    name = side.side.name
    print(f"{name}: {kind} {n_evaluations} evaluations, {found.seconds:.3f} s, MAFD {found.error:.4f}", flush=True)
    return found


def density(logs: NDArray[np.float32], scale: LogScale) -> NDArray[np.float32]:
    """Maps (n, P, P) of the logarithms that a network learns."""
    return scale.inverse(torch.from_numpy(logs)[:, None])[:, 0].numpy()


def compared(own: Sequence[Tried], peer: Sequence[Tried]) -> list[Row]:
    """Time to equal error, over all that the peer has and over its ancestral sampling alone; the least errors."""
    rows = []
    kinds: Mapping[str, list[Tried]] = {
        "its ancestral steps": [one for one in peer if one.kind == "ddpm"],
        "its best choice": list(peer),
    }
    for name, theirs in kinds.items():
        if theirs:
            a, b = at_equal_error(own, theirs)
            both = f"{PEER}, {b.kind} {b.n_evaluations}"
            rows.append(
                row(
                    f"sampling to equal error, {name}: {a.kind} {a.n_evaluations}",
                    a.seconds,
                    b.seconds,
                    "s a sample",
                    both,
                )
            )
    least = [min(one.error for one in tries) for tries in (own, peer)]
    rows.append(row("sampling, least MAFD reached", *least, "MAFD"))
    return rows


def at_equal_error(own: Sequence[Tried], peer: Sequence[Tried]) -> tuple[Tried, Tried]:
    """The fastest of each side within NEAR of the larger of both sides' least errors."""
    equal = NEAR * max(min(one.error for one in tries) for tries in (own, peer))
    a, b = (min((one for one in tries if one.error <= equal), key=lambda one: one.seconds) for tries in (own, peer))
    return a, b


if __name__ == "__main__":
    main()
