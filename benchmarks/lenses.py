"""How fast are images of strong lenses made, beside lenstronomy and caustics?

    python -m benchmarks.lenses [--quick] [--turns N] [--supersampling 1 2 4]

The same systems (SIE and shear, a Sersic source and the Sersic light of the lens, 96^2 pixels, a Gaussian PSF) by each
code in a process of its own, of one thread: images per processor second, medians over turns that the codes take one
after the other. lenstronomy keeps its model between images and blurs in two short passes, the faster of its ways;
caustics takes batches, and of several sizes the fastest counts; ours are batches of 16 in float32, compiled.

Images must agree within .3 % of the peak before anything is timed, but for a rim as wide as the PSF reaches: beyond the
image lenstronomy repeats its outermost pixels, the others have nothing. What our first images take is told, compiler
and all. ratio > 1: ours is faster. caustics is installed into .venv-peers on first use (benchmarks/peers/caustics.txt).
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
CAUSTICS = (8, 64)
"""Sizes of its batches that are tried."""
N_SYSTEMS = {1: 64, 2: 64, 4: 32}
"""That are imaged in a turn, at each supersampling."""
AGREED = 3e-3
"""Of the peak of an image, by which two codes may differ."""

Array = NDArray[np.float64]
Row = dict[str, str | float]


@dataclass(frozen=True)
class Running:
    """A code that has imaged all systems once, in batches; first is the processor seconds that this took."""

    process: Process
    name: str
    images: Array
    first: float

    @property
    def code(self) -> str:
        return self.process.side.name

    def seconds(self) -> float:
        return float(self.process.ask("images", name=self.name)["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two turns")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--supersampling", type=int, nargs="+", choices=tuple(N_SYSTEMS), default=list(N_SYSTEMS))
    told = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        processes = [(stack.enter_context(Process(side)), batches) for side, batches in sides(Path(folder))]
        for supersampling in told.supersampling:
            rows += compared(processes, supersampling, 2 if told.quick else told.turns, Path(folder))
    print(json.dumps({"benchmark": "lenses", "commit": provenance()["commit"], "rows": rows}))


def sides(folder: Path) -> list[tuple[Side, Sequence[int]]]:
    """Each code and its batches; ours compiles anew."""
    return [
        (Side("ours", "our_lenses", 1, environment={"TORCHINDUCTOR_CACHE_DIR": str(folder / "kernels")}), (BATCH,)),
        (Side("lenstronomy", "lenstronomy_lenses", 1), (1,)),
        (Side("caustics", "caustics_lenses", 1, python_of("caustics")), CAUSTICS),
    ]


def compared(
    processes: Sequence[tuple[Process, Sequence[int]]], supersampling: int, n_turns: int, folder: Path
) -> list[Row]:
    """The rows of one supersampling."""
    n, systems, kernel = N_SYSTEMS[supersampling], folder / "systems.npz", folder / "kernel.npy"
    np.savez(systems, **drawn(n))  # type: ignore[arg-type]
    np.save(kernel, gaussian())
    setup = {"n_pixels": N_PIXELS, "pixel_size": PIXEL_SIZE, "fwhm": FWHM, "kernel": str(kernel)}
    told = {**setup, "systems": str(systems), "supersampling": supersampling, "out": str(folder / "images.npy")}
    ours, *peers = [built(process, batch, told) for process, batches in processes for batch in batches]
    print(f"ours, ss{supersampling}: the first images after {ours.first:.1f} CPU s", flush=True)
    off = {peer.code: disagreement(ours, peer) for peer in peers}
    turns = [[one.seconds() for one in (ours, *peers)] for _ in range(n_turns)]
    rate, *rates = [n / statistics.median(times) for times in zip(*turns, strict=True)]
    return [row(code, supersampling, rate, best, off[code]) for code, best in fastest(peers, rates).items()]


def built(process: Process, batch: int, told: dict[str, Any]) -> Running:
    name = f"ss{told['supersampling']} in batches of {batch}"
    first = process.ask("build", name=name, batch=batch, **told)["first_seconds"]
    return Running(process, name, np.load(told["out"]).astype(float), first)


def disagreement(ours: Running, peer: Running) -> float:
    """The largest difference of any pixel within the rim, over the peak of its image; SystemExit above `AGREED`."""
    rim = len(gaussian()) // 2
    within = np.abs(ours.images - peer.images)[:, rim:-rim, rim:-rim]
    error = within.max((1, 2)) / peer.images.max((1, 2))
    if not error.max() <= AGREED:
        told = f"expected our images within {AGREED} of the peak, got {error.max():.2g}"
        raise SystemExit(f"{peer.code}, {peer.name}: {told}")
    return float(error.max())


def fastest(peers: Sequence[Running], rates: Sequence[float]) -> dict[str, float]:
    """The rate of each peer, in its best batches."""
    best: dict[str, float] = {}
    for peer, rate in zip(peers, rates, strict=True):
        print(f"{peer.code}, {peer.name}: {rate:.0f} images / CPU s", flush=True)
        best[peer.code] = max(rate, best.get(peer.code, 0.0))
    return best


def row(code: str, supersampling: int, ours: float, peer: float, off: float) -> Row:
    name, unit, ratio = f"{code} ss{supersampling}", "images / CPU s", round(ours / peer, 3)
    print(f"{name:<20}{ours:>9.0f} {peer:>9.0f} {unit} {ratio:>8.2f}x  within {off:.1e} of the peak", flush=True)
    return {"name": name, "ours": ours, "peer": peer, "peer_name": code, "unit": unit, "ratio": ratio, "off": off}


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
