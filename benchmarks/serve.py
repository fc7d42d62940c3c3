"""What does Ray Serve cost beside a bare web server, and what do our batches save?

    python -m benchmarks.serve [--quick]

Sends 128 x 128 maps to an untrained painter. Peers: the same routes under plain uvicorn in one process without Ray
(what the proxy costs: a ratio below 1 is expected), and the same replica with `ray.serve.batch`. ratio > 1: ours is
faster. On a CPU a batch is painted map by map, so that larger batches show in their size and in latency, not in rate.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import ray
from ray import serve as ray_serve

from benchmarks.service import plain
from benchmarks.service.untrained import untrained
from benchmarks.service.windowed import WindowedPainter
from configs import Serve, UNet, provenance
from ray_jobs.cluster import free_port
from serve.app import ROOT, Replica, service

SIDE = 128
N_CLIENTS = 8
N_WARM_UP = 3
REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Measured:
    """One service: median seconds of a lone client, requests a second of N_CLIENTS, mean size of their batches."""

    npy_s: float
    json_s: float
    rate: float
    batch: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the requests")
    n = 40 if parser.parse_args().quick else 200
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = untrained(Path(folder) / "painter" / "final", UNet(width=4, n_levels=2))
        config = Serve(checkpoint=checkpoint, port=free_port(), max_replicas=1, max_queued=2 * N_CLIENTS)
        with under_uvicorn(config) as url:
            bare = measured(url, n)
        ours, windowed = under_ray(config, n)
    rows = [
        row("uvicorn", "lone request, .npy", ours.npy_s * 1e3, bare.npy_s * 1e3, "ms"),
        row("uvicorn", "lone request, JSON", ours.json_s * 1e3, bare.json_s * 1e3, "ms"),
        row("uvicorn", f"{N_CLIENTS} clients", ours.rate, bare.rate, "requests/s"),
        row("ray.serve.batch", "lone request, .npy", ours.npy_s * 1e3, windowed.npy_s * 1e3, "ms"),
        row("ray.serve.batch", f"{N_CLIENTS} clients", ours.rate, windowed.rate, "requests/s"),
        row("ray.serve.batch", f"batch of {N_CLIENTS} clients", ours.batch, windowed.batch, "requests"),
    ]
    for r in rows:
        print(
            f"{r['name']:<24}{r['ours']:>9.4g} {r['unit']:<11}{r['peer_name']:<16}{r['peer']:>9.4g}{r['ratio']:>7.2f}x"
        )
    print(json.dumps({"benchmark": "serve", "commit": provenance()["commit"], "rows": rows}))


def row(peer_name: str, name: str, ours: float, peer: float, unit: str) -> dict[str, str | float]:
    """One line of the table; of times the shorter is better, of all else the larger."""
    ratio = peer / ours if unit == "ms" else ours / peer
    return {"name": name, "ours": ours, "peer": peer, "peer_name": peer_name, "ratio": ratio, "unit": unit}


@contextmanager
def under_uvicorn(config: Serve) -> Iterator[str]:
    """The URL of the routes in a process without Ray."""
    process = multiprocessing.get_context("spawn").Process(target=plain.run, args=(config,))
    process.start()
    try:
        url = f"http://{config.host}:{config.port}"
        wait_for(url)
        yield url
    finally:
        process.terminate()
        process.join()


def under_ray(config: Serve, n: int) -> list[Measured]:
    """Ours, and ours with `ray.serve.batch`, on one local Ray."""
    environment = {"env_vars": {"PYTHONPATH": str(REPOSITORY)}}
    os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0")
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    try:
        found = []
        for replica in (Replica, WindowedPainter):
            with service(config, replica) as url:
                found.append(measured(url, n))
        return found
    finally:
        ray.shutdown()


def wait_for(url: str) -> None:
    """Return when `url` answers; RuntimeError after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        except httpx.ConnectError:
            time.sleep(0.1)
    raise RuntimeError(f"{url}: expected an answer within a minute, got none")


def measured(url: str, n: int) -> Measured:
    """Time `n` lone requests of each kind, then `n` from each of N_CLIENTS at once."""
    map = 1e12 * np.random.default_rng(0).random((SIDE, SIDE), dtype=np.float32)
    body = io.BytesIO()
    np.save(body, map)
    npy, text = body.getvalue(), json.dumps({"map": map.tolist()}).encode()
    lone = np.median(times(url, npy, "application/x-npy", n))
    lone_json = np.median(times(url, text, "application/json", n))
    before = batch_sizes()
    begin = time.monotonic()
    with ThreadPoolExecutor(N_CLIENTS) as pool:
        list(pool.map(lambda _: times(url, npy, "application/x-npy", n), range(N_CLIENTS)))
    rate = N_CLIENTS * (n + N_WARM_UP) / (time.monotonic() - begin)
    sizes = batch_sizes() - before
    batch = sum(size * count for size, count in sizes.items()) / sizes.total() if sizes else float("nan")
    return Measured(float(lone), float(lone_json), rate, batch)


def times(url: str, body: bytes, kind: str, n: int) -> list[float]:
    """Seconds of each of `n` requests one after the other, after N_WARM_UP that are not counted."""
    found = []
    with httpx.Client(timeout=60) as client:
        for _ in range(n + N_WARM_UP):
            begin = time.perf_counter()
            client.post(f"{url}/v1/paint", content=body, headers={"Content-Type": kind}).raise_for_status()
            found.append(time.perf_counter() - begin)
    return found[N_WARM_UP:]


def batch_sizes() -> Counter[int]:
    """How many batches of each size the replica has painted; none without Ray."""
    if not ray.is_initialized():
        return Counter()
    return Counter(ray_serve.get_app_handle(ROOT).batch_sizes.remote().result(timeout_s=30))


if __name__ == "__main__":
    main()
