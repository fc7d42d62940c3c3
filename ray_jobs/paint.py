"""A checkpoint behind Ray Serve, used over HTTP: a held-out map that is checked, and a real snapshot to paint."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import ray
from numpy.typing import NDArray
from ray.dashboard.modules.serve.sdk import ServeSubmissionClient

from configs import Paint, provenance
from configs import Serve as ServeConfig
from configs.command import command
from configs.files import replacing
from learn.figures import painted_figure
from learn.predict import Predictor
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.threads import limit_threads
from sim import pairs
from sim.matter import read_matter

APPLICATION = "painter"
DEPLOY_TIMEOUT_S = 120.0
REQUEST_TIMEOUT_S = 120.0
TOLERANCE = 1e-5
"""Largest difference between the endpoint and the local Predictor, over the largest pixel of the channel."""

Array = NDArray[Any]


def paint(config: Paint) -> None:
    """Deploy, send the held-out map and the snapshot, compare with the local Predictor, write `config.out`."""
    if config.snapshot is not None and not config.snapshot.exists():
        raise FileNotFoundError(f"paint: expected a snapshot at {config.snapshot}, found nothing")
    predictor = Predictor.load(config.checkpoint)
    held_out = held_out_request(config)
    real = None if config.snapshot is None else snapshot_request(config, predictor)
    dashboard = connect()
    limit_threads(1)
    start = time.monotonic()
    url = deploy(config.serve, dashboard)
    print(f"paint: {url}/v1/paint is up after {time.monotonic() - start:.1f} s, documented at {url}/docs", flush=True)
    requests = {"held_out": held_out} | ({} if real is None else {"snapshot": real})
    start = time.monotonic()
    answers = {name: painted(name, request, url, predictor, config.out) for name, request in requests.items()}
    write_step(
        config.out,
        step="paint",
        seconds=time.monotonic() - start,
        n_items=len(requests),
        item="map over HTTP",
        config=config,
    )
    summary = {"endpoint": f"{url}/v1/paint", "snapshot": None, **answers, **provenance()}
    with replacing(config.out / "paint.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n")


def deploy(config: ServeConfig, dashboard: str) -> str:
    """Put the application on the cluster, as `serve deploy` does, and wait for it: its URL, or RuntimeError."""
    client = ServeSubmissionClient(dashboard)
    client.deploy_applications(application(config))
    deadline = time.monotonic() + DEPLOY_TIMEOUT_S
    state: dict[str, Any] = {}
    while time.monotonic() < deadline:
        state = client.get_serve_details()["applications"].get(APPLICATION, {})
        if state.get("status") == "RUNNING":
            return f"http://{config.host}:{config.port}"
        if state.get("status") == "DEPLOY_FAILED":
            break
        time.sleep(0.5)
    raise RuntimeError(
        f"Serve: expected {APPLICATION} to run within {DEPLOY_TIMEOUT_S:.0f} s, got {state.get('status', 'no answer')}:"
        f" {state.get('message', '')}"
    )


def application(config: ServeConfig) -> dict[str, Any]:
    """The declarative Serve configuration: this job's code, our import path, our arguments."""
    job = ray.get_runtime_context().runtime_env
    code = job.get("working_dir") or f"local://{os.getcwd()}"
    return {
        "proxy_location": "HeadOnly" if config.host == "127.0.0.1" else "EveryNode",
        "http_options": {"host": config.host, "port": config.port, "request_timeout_s": config.timeout_s},
        "applications": [
            {
                "name": APPLICATION,
                "route_prefix": "/",
                "import_path": "serve.app:build",
                "runtime_env": {"working_dir": code, "env_vars": dict(job.get("env_vars", {}))},
                "args": json.loads(config.model_dump_json()),
            }
        ],
    }


def held_out_request(config: Paint) -> dict[str, Any]:
    """The first map of the first held-out simulation, with its truth."""
    manifest = pairs.read_manifest(config.data)
    name = manifest.split["test"][0]
    shard = pairs.read_shard(config.data, name)
    parameters = dict(zip(shard.param_names, map(float, shard.params[0]), strict=True))
    return {
        "input": shard.inputs[0, 0],
        "truth": shard.targets[0],
        "parameters": parameters,
        "pixel_size": shard.pixel_size,
        "box_size": shard.box_size,
        "simulation": name,
    }


def snapshot_request(config: Paint, predictor: Predictor) -> dict[str, Any]:
    """The snapshot projected along z by the code that made the training maps, at the training pixel size and depth."""
    assert config.snapshot is not None
    real, meta = read_matter(config.snapshot, config.baryons), predictor.meta
    density = real.map(pixel_size=meta.pixel_size, depth=meta.depth, stride=predictor.stride)
    known = {**real.known, **config.baryons.model_dump()}
    return {
        "input": density,
        "parameters": {name: float(value) for name, value in known.items() if name in predictor.meta.param_names},
        "pixel_size": real.box_size / len(density),
        "box_size": real.box_size,
        "name": config.snapshot.name,
        "n_particles": len(real.pos),
        "provenance": config.source or str(config.snapshot),
    }


def painted(name: str, request: dict[str, Any], url: str, predictor: Predictor, out: Path) -> dict[str, Any]:
    """Send one map, compare the answer with the local Predictor, keep both; RuntimeError if they differ."""
    start = time.monotonic()
    answer = post(url, request)
    seconds = time.monotonic() - start
    params = predictor.params_from(request["parameters"])
    local = predictor(request["input"][None], params[None], pixel_size=request["pixel_size"])[0]
    difference = float(np.abs(answer - local).max())
    relative = float((np.abs(answer - local).max(axis=(1, 2)) / np.abs(local).max(axis=(1, 2))).max())
    print(f"paint: {name} in {seconds:.2f} s, differs from the local Predictor by {relative:.1e}", flush=True)
    if relative > TOLERANCE:
        raise RuntimeError(f"paint: {name}: expected the Predictor's answer to {TOLERANCE}, differs by {relative:.2e}")
    arrays: dict[str, Any] = {
        key: request[key] for key in ("input", "truth", "simulation", "box_size", "name") if key in request
    }
    with replacing(out / f"{name}.npz") as temporary:
        np.savez(temporary, painted=answer, local=local, **arrays)
    with replacing(out / f"{name}.png") as temporary:
        title = str(request.get("provenance", request.get("simulation")))
        channels = predictor.meta.target_channels
        painted_figure(request["input"], answer, request["box_size"], channels=channels, title=title).savefig(temporary)
    described = {key: value for key, value in request.items() if key not in ("input", "truth")}
    return {**described, "max_abs_difference": difference, "max_relative_difference": relative, "seconds": seconds}


def post(url: str, request: dict[str, Any]) -> Array:
    """The answer to one `.npy` request; RuntimeError with the service's words if it refuses."""
    body = io.BytesIO()
    np.save(body, request["input"], allow_pickle=False)
    answer = httpx.post(
        f"{url}/v1/paint",
        params={**request["parameters"], "pixel_size": request["pixel_size"]},
        content=body.getvalue(),
        headers={"Content-Type": "application/x-npy"},
        timeout=REQUEST_TIMEOUT_S,
    )
    if answer.status_code != 200:
        raise RuntimeError(f"{url}/v1/paint: expected 200, got {answer.status_code}: {answer.text[:500]}")
    return np.asarray(np.load(io.BytesIO(answer.content), allow_pickle=False))


if __name__ == "__main__":
    command(Paint, paint, prog="python -m ray_jobs.paint", summary=__doc__)
