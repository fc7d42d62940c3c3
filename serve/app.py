"""The service on Ray Serve: replicas that load a checkpoint once and paint requests in batches.

The only file of `serve` that knows Ray. Each replica reads HTTP itself: no hop of the arrays between processes but the
proxy's. `import_path: serve.app:build` is what a Serve configuration file names.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
import torch
from fastapi import FastAPI
from ray import serve as ray_serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, BackpressureConfig, HTTPOptions, ProxyLocation

from configs import Serve, validate
from learn.checkpoint import load_meta
from learn.predict import Predictor
from serve.batch import Batcher
from serve.routes import api

NAME = "painter"
REPOSITORY = Path(__file__).resolve().parents[1]


class Painter:
    """One replica: a model, a queue in front of it, and the HTTP routes."""

    def __init__(self, config: Serve) -> None:
        torch.set_num_threads(max(1, int(config.num_cpus)))
        self._config = config
        self._predictor = Predictor.load(config.checkpoint, device="cuda" if config.use_gpu else "cpu")
        self._batcher = Batcher(
            self._predictor,
            max_batch=config.max_batch,
            wait_s=config.batch_wait_s,
            max_pixels=config.max_pixels**2,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        return api(self._batcher.paint, self._predictor, self._config)

    def batch_sizes(self) -> dict[int, int]:
        """How many batches of each size this replica has painted."""
        return dict(self._batcher.sizes)

    def check_health(self) -> None:
        """Ray replaces a replica whose last forward pass failed: a lost GPU does not come back."""
        if self._batcher.failure is not None:
            raise RuntimeError("the last forward pass failed") from self._batcher.failure


def build(args: dict[str, Any]) -> Application:
    """The application that `args`, a `configs.Serve` tree, describes.

    ConfigError in one line for an unknown key or a wrong value; FileNotFoundError where there is no checkpoint.
    """
    return application(validate(Serve, args, "serve.app:build"))


def application(config: Serve, replica: type[Painter] = Painter) -> Application:
    """The application of `replica`s for `config`.

    FileNotFoundError or ValueError, before anything starts, for a bad checkpoint.
    """
    load_meta(config.checkpoint)
    deployment = ray_serve.deployment(
        name=Painter.__name__,
        max_ongoing_requests=2 * config.max_batch,  # one batch is painted while the next gathers
        max_queued_requests=config.max_queued,
        backpressure_config=BackpressureConfig(status_code=503, retry_after_s=1),
        autoscaling_config=AutoscalingConfig(
            min_replicas=config.min_replicas,
            max_replicas=config.max_replicas,
            target_ongoing_requests=config.max_batch,
        ),
        ray_actor_options={"num_cpus": config.num_cpus, "num_gpus": int(config.use_gpu)},
        max_constructor_retry_count=3,
    )
    return deployment(ray_serve.ingress()(replica)).bind(config)


@contextmanager
def service(config: Serve, replica: type[Painter] = Painter) -> Iterator[str]:
    """The URL of the running service; takes Serve down at the end. Needs a Ray that is connected.

    ValueError when the port is taken, which Serve itself would only log.
    """
    app = application(config, replica)
    refuse_taken(config.host, config.port)
    ray_serve.start(
        proxy_location=ProxyLocation.HeadOnly,
        http_options=HTTPOptions(host=config.host, port=config.port, request_timeout_s=config.timeout_s),
    )
    try:
        ray_serve.run(app, name=NAME, route_prefix="/")
        yield f"http://{config.host}:{config.port}"
    finally:
        ray_serve.shutdown()  # type: ignore[no-untyped-call]


def run(config: Serve) -> None:
    """Serve from this machine until Ctrl-C."""
    application(config)
    refuse_taken(config.host, config.port)
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    environment = {"env_vars": {"PYTHONPATH": path}}
    ray.init(address="local", include_dashboard=False, log_to_driver=False, runtime_env=environment)
    try:
        with service(config) as url:
            print(f"serve: POST {url}/v1/paint, documentation at {url}/docs, Ctrl-C ends it", flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        print("serve: stopped", flush=True)
    finally:
        ray.shutdown()


def refuse_taken(host: str, port: int) -> None:
    """ValueError unless `host`:`port` can be bound."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise ValueError(f"port: expected a free port on {host}, got {port}: {error.strerror}") from error
