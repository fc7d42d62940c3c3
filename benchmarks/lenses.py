"""How fast are images of strong lenses made, beside lenstronomy and caustics?

    python -m benchmarks.lenses [--quick] [--turns N] [--supersampling 1 2 4]

The same systems (SIE and shear, a Sersic source and the Sersic light of the lens, 96^2 pixels, a Gaussian PSF) by each
code in a process of its own, of one thread: images per processor second, medians over turns that the codes take one
after the other. lenstronomy keeps its model between images and blurs in two short passes, the faster of its ways;
caustics takes batches, and of several sizes the fastest counts; ours are batches of 16 in float32, compiled.

Images must agree within .3 % of the peak before anything is timed. `first` is what the first image took, with imports,
compilers and all [processor seconds]. ratio > 1: ours is faster. caustics is installed into .venv-peers on first use
(benchmarks/peers/caustics.txt).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.peers.environment import python_of
from benchmarks.peers.process import Process, Side
from configs import provenance

N_PIXELS, PIXEL_SIZE, FWHM = 96, 0.05, 0.12
TRUNCATION = 5
"""Of the Gaussian, in standard deviations."""
BATCH = 16
CAUSTICS = (4, 16, 64)
"""Sizes of its batches that are tried."""
N_SYSTEMS = {1: 64, 2: 64, 4: 16}
"""That are imaged in a turn, at each supersampling."""
AGREED = 3e-3
"""Of the peak of an image, by which two codes may differ."""

Array = NDArray[np.float64]
Row = dict[str, str | float]


@dataclass(frozen=True)
class Running:
    """A code that has imaged all systems once; first is the processor seconds that this took."""

    name: str
    process: Process
    images: Array
    first: float

    def seconds(self) -> float:
        return float(self.process.ask("images")["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two turns, no supersampling of 4")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--supersampling", type=int, nargs="+", choices=tuple(N_SYSTEMS), default=list(N_SYSTEMS))
    told = parser.parse_args()
    n_turns, wanted = (2, [1, 2]) if told.quick else (told.turns, told.supersampling)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for supersampling in wanted:
            rows += compared(supersampling, n_turns, Path(folder))
    print(json.dumps({"benchmark": "lenses", "commit": provenance()["commit"], "rows": rows}))


def compared(supersampling: int, n_turns: int, folder: Path) -> list[Row]:
    """The rows of one supersampling."""
    n, systems, kernel = N_SYSTEMS[supersampling], folder / "systems.npz", folder / "kernel.npy"
    np.savez(systems, **drawn(n))  # type: ignore[arg-type]
    np.save(kernel, gaussian())
    setup = {"n_pixels": N_PIXELS, "pixel_size": PIXEL_SIZE, "fwhm": FWHM, "kernel": str(kernel)}
    told = {**setup, "systems": str(systems), "supersampling": supersampling, "out": str(folder / "images.npy")}
    with ExitStack() as stack:
        ours, *peers = [
            started(stack, side, {**told, "batch": batch}) for side, batch in sides(folder / f"kernels{supersampling}")
        ]
        off = {peer.name: disagreement(ours, peer) for peer in peers}
        turns = [[one.seconds() for one in (ours, *peers)] for _ in range(n_turns)]
    rates = [n / statistics.median(times) for times in zip(*turns, strict=True)]
    print(f"ss{supersampling}: first {ours.first:.1f} s", flush=True)
    return [
        row(name, supersampling, rates[0], rate, off[full]) for name, full, rate in fastest(peers, rates[1:])
    ]


def sides(kernels: Path) -> list[tuple[Side, int]]:
    """Each code and its batch; ours compiles anew."""
    ours = Side("ours", "our_lenses", 1, environment={"TORCHINDUCTOR_CACHE_DIR": str(kernels)})
    caustics = Side("caustics", "caustics_lenses", 1, python_of("caustics"))
    return [(ours, BATCH), (Side("lenstronomy", "lenstronomy_lenses", 1), 1), *((caustics, n) for n in CAUSTICS)]


def started(stack: ExitStack, side: Side, told: dict[str, Any]) -> Running:
    process = stack.enter_context(Process(side))
    first = process.ask("build", **told)["first_seconds"]
    return Running(f"{side.name} in batches of {told['batch']}", process, np.load(told["out"]).astype(float), first)


def disagreement(ours: Running, peer: Running) -> float:
    """The largest difference of any pixel, over the peak of its image; SystemExit when they are not the same images."""
    error = np.abs(ours.images - peer.images).max((1, 2)) / peer.images.max((1, 2))
    if not error.max() <= AGREED:
        raise SystemExit(f"{peer.name}: expected our images within {AGREED} of the peak, got {error.max():.2g}")
    return float(error.max())


def fastest(peers: Sequence[Running], rates: Sequence[float]) -> list[tuple[str, str, float]]:
    """Of each peer its name, the name of its fastest batch, and its rate."""
    best: dict[str, tuple[str, float]] = {}
    for peer, rate in zip(peers, rates, strict=True):
        name = peer.process.side.name
        if name not in best or rate > best[name][1]:
            best[name] = (peer.name, rate)
    return [(name, full, rate) for name, (full, rate) in best.items()]


def row(name: str, supersampling: int, ours: float, peer: float, off: float) -> Row:
    told = f"{name} ss{supersampling}"
    print(f"{told:<20}{ours:>9.0f} {peer:>9.0f} images / CPU s {ours / peer:>8.2f}x  within {off:.1e}", flush=True)
    unit, ratio = "images / CPU s", round(ours / peer, 3)
    return {"name": told, "ours": ours, "peer": peer, "peer_name": name, "unit": unit, "ratio": ratio, "off": off}


def drawn(n: int) -> dict[str, Array]:
    """Parameters (n,) of systems: angles in arcsec and rad, amplitudes a flux per square arcsec."""
    rng = np.random.default_rng(0)

    def galaxy(r_e: tuple[float, float], index: tuple[float, float], off: float) -> dict[str, Array]:
        return {"amplitude": rng.uniform(1, 5, n), "r_e": rng.uniform(*r_e, n), "n": rng.uniform(*index, n), **at(off)}

    def at(off: float) -> dict[str, Array]:
        shape = {"q": rng.uniform(0.5, 0.95, n), "phi": rng.uniform(0, np.pi, n)}
        return {**shape, "x": rng.uniform(-off, off, n), "y": rng.uniform(-off, off, n)}

    parts = {
        "lens": {"theta_e": rng.uniform(0.8, 1.6, n), **at(0.1)},
        "shear": {"gamma1": rng.uniform(-0.05, 0.05, n), "gamma2": rng.uniform(-0.05, 0.05, n)},
        "source": galaxy((0.1, 0.4), (0.8, 3.0), 0.2),
        "light": galaxy((0.5, 1.0), (2.0, 4.0), 0.1),
    }
    return {f"{part}.{name}": value for part, told in parts.items() for name, value in told.items()}


def gaussian() -> Array:
    """What lenstronomy blurs with, (k, k)."""
    sigma = FWHM / np.sqrt(8 * np.log(2)) / PIXEL_SIZE
    rim = int(TRUNCATION * sigma + 0.5)
    point = np.zeros((2 * rim + 1, 2 * rim + 1))
    point[rim, rim] = 1
    return ndimage.gaussian_filter(point, sigma, truncate=TRUNCATION, mode="constant")


if __name__ == "__main__":
    main()
