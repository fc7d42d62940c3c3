"""How fast is the painter trained and applied, and is its loader ever waited for?

    python -m benchmarks.painter [--quick] [--minutes M] [--data FOLDER]

- Training steps through Ray Train, by one worker and by two, after start-up and with everything a run keeps, over a
  plain PyTorch loop of the same network, loss and optimiser on as many cores (rows `plain loop ...`, < 1: overhead);
  in turns, the least time of each.
- Reading and augmenting a batch in the share of a step (row `loader ...`).
- Maps of 256^2 a second on one thread over the 31 M-parameter U-Net of Bayronik's shape, and the error of the power of
  total matter of both after the same minutes of training on one core (rows `bayronik unet ...`).

ratio > 1: ours is better.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import ray
import torch
from torch import Tensor

from benchmarks.peers import plain_loop
from benchmarks.peers.bayronik import BayronikUNet
from configs import Train, load, provenance
from learn.data import InOrder, Shuffled
from learn.methods.power import spectra
from learn.normalize import Normalizer
from learn.predict import Predictor
from learn.prepare import Local
from learn.sources import open_source
from learn.track import METRICS
from learn.train import Run, fit
from ray_jobs.train import train

CONFIG = "configs/train/ablation.yaml"
N_SKIPPED = 5  # steps at the start of a run that are not timed
N_TURNS = 3

Row = dict[str, str | float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer steps, one minute of training")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training for the comparison of accuracy")
    parser.add_argument("--data", type=Path, help="folder of pair shards instead of the painter's")
    arguments = parser.parse_args()
    data = [] if arguments.data is None else [f"data={arguments.data}"]
    n_steps, minutes, n_turns = (12, 1.0, 1) if arguments.quick else (25, arguments.minutes, N_TURNS)
    config = load(Train, CONFIG, [*data, f"n_steps={n_steps + N_SKIPPED}", f"validate_every={n_steps + N_SKIPPED}"])
    source = open_source(config.data, "train")
    normalizer = Normalizer.fit(InOrder(source, config.batch_size))
    rows = [*training(config, normalizer, n_steps, n_turns), loader(config), *bayronik(config, minutes)]
    for r in rows:
        peer = f"{r['peer_name']:<34}{r['peer']:>9.4g}"
        print(f"{r['name']:<36}{r['ours']:>9.4g} {r['unit']:<16}{peer}{r['ratio']:>8.2f}x")
    print(json.dumps({"benchmark": "painter", "commit": provenance()["commit"], "rows": rows}))


def row(name: str, ours: float, peer: float, peer_name: str, unit: str, ratio: float) -> Row:
    return {"name": name, "ours": ours, "peer": peer, "peer_name": peer_name, "unit": unit, "ratio": ratio}


def training(config: Train, normalizer: Normalizer, n_steps: int, n_turns: int) -> list[Row]:
    """Seconds a step, ours and by hand, on one and on two cores."""
    rows = []
    for size in (1, 2):
        turns = [(through_ray(config, size), plain(config, normalizer, n_steps, size)) for _ in range(n_turns)]
        ours, by_hand = (min(column) for column in zip(*turns, strict=True))
        name = f"plain loop, {size} worker{'s' * (size > 1)}"
        rows.append(row(name, ours, by_hand, "PyTorch by hand", "s a step", by_hand / ours))
        print(f"{name}: {', '.join(f'{a:.3f} and {b:.3f}' for a, b in turns)} s a step, ours and by hand", flush=True)
    return rows


def plain(config: Train, normalizer: Normalizer, n_steps: int, size: int) -> float:
    with ProcessPoolExecutor(size, mp_context=multiprocessing.get_context("spawn")) as pool:
        ranks = [pool.submit(plain_loop.seconds_a_step, config, normalizer, n_steps, r, size) for r in range(size)]
        return max(rank.result() for rank in ranks)


def through_ray(config: Train, size: int) -> float:
    """Mean seconds between the lines of the log of steps, which are written as they end."""
    with tempfile.TemporaryDirectory() as folder:
        run = config.model_copy(update={"out": Path(folder) / "run", "n_workers": size})
        ray.init(address="local", num_cpus=size, include_dashboard=False, log_to_driver=False)
        try:
            train(run)
        finally:
            ray.shutdown()
        lines = (run.out / METRICS).read_text().splitlines()[:-1]  # the last step is validated too
    times = [json.loads(line)["time"] for line in lines][N_SKIPPED - 1 :]
    return (times[-1] - times[0]) / (len(times) - 1)


def loader(config: Train) -> Row:
    """Seconds to read and augment a batch beside those of a step, both in one process."""
    source = open_source(config.data, "train")
    batches = Shuffled(source, config.batch_size, config.seed)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(config.model_copy(update={"out": Path(folder)}), Local(), None)
        run.advance()
        step = mean_seconds(lambda _: run.advance(), 5)
    read = mean_seconds(batches.at, 20)
    return row("loader, share of a step", read, step, "the whole step", "s", step / read)


def mean_seconds(call: Callable[[int], object], n: int) -> float:
    start = time.monotonic()
    for i in range(n):
        call(i)
    return (time.monotonic() - start) / n


def bayronik(config: Train, minutes: float) -> list[Row]:
    """Rate and accuracy of our painter and of the U-Net of Bayronik, each after `minutes` of training on one core."""
    torch.set_num_threads(1)
    ours, peer = our_painter(config, minutes), their_painter(config, minutes)
    test = open_source(config.data, "test")
    batch = test.read(range(len(test)))
    one = batch.inputs[:1]
    rates = [1 / mean_seconds(lambda _, f=f: f(one, batch.params[:1]), 5) for f in (ours, peer)]
    errors = [power_error(f(batch.inputs, batch.params), batch.targets[:, :1]) for f in (ours, peer)]
    name = f"the same after {minutes:g} min"
    return [
        row("bayronik unet, maps of 256^2", *rates, "Bayronik's U-Net, 31 M", "maps/s", rates[0] / rates[1]),
        row("bayronik unet, power of total", *errors, name, "|ln P/P_true|", errors[1] / errors[0]),
    ]


Painted = Callable[[Tensor, Tensor], Tensor]


def our_painter(config: Train, minutes: float) -> Painted:
    """As many steps as fit, the learning rate falling to the end of them."""
    with tempfile.TemporaryDirectory() as folder:
        probe = Run(config.model_copy(update={"out": Path(folder) / "probe"}), Local(), None)
        probe.advance()
        n_steps = max(4, int(60 * minutes / mean_seconds(lambda _: probe.advance(), 3)))
        sized = {"n_steps": n_steps, "validate_every": n_steps, "out": Path(folder) / "run"}
        for _ in fit(config.model_copy(update=sized)):
            pass
        print(f"our painter: {n_steps} steps in {minutes:g} minutes", flush=True)
        predictor = Predictor.load(Path(folder) / "run" / "final")
    return lambda inputs, params: torch.tensor(predictor(inputs.numpy(), params.numpy()))[:, :1]


def their_painter(config: Train, minutes: float) -> Painted:
    """Mean squared error of ln(1 + x), Adam at 1e-3, the same batches; batch statistics of training when it is used."""
    source = open_source(config.data, "train")
    batches = Shuffled(source, config.batch_size, config.seed)
    torch.manual_seed(config.seed)
    net = BayronikUNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    start, step = time.monotonic(), 0
    while time.monotonic() - start < 60 * minutes:
        batch = batches.at(step)
        optimizer.zero_grad()
        answer = net.logarithm(torch.log1p(batch.inputs))
        loss = (answer - torch.log1p(batch.targets[:, :1])).square().mean()
        loss.backward()
        optimizer.step()
        step += 1
    net.eval()
    print(f"Bayronik's U-Net: {step} steps in {minutes:g} minutes", flush=True)

    @torch.no_grad()
    def painted(inputs: Tensor, _params: Tensor) -> Tensor:
        return torch.cat([net(one) for one in inputs.split(1)])

    return painted


def power_error(painted: Tensor, truth: Tensor) -> float:
    """Mean over maps and k bins of |ln P/P_true|."""
    return float(np.abs(spectra(painted, truth).log_ratio().numpy()).mean())


if __name__ == "__main__":
    main()
