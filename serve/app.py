"""The service on Ray Serve: replicas that load a checkpoint once and answer requests in batches.

The only file of `serve` that knows Ray. Every endpoint is an application of its own, with its own replicas, so that a
slow one holds up no other; that of the painter is at the root, and tells of the others. Each replica reads HTTP itself:
no hop of the arrays between processes but the proxy's. `import_path: serve.app:build` is what a Serve configuration
file names.
"""

from __future__ import annotations

import math
import os
import signal
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
from ray.serve import Application, RunTarget
from ray.serve.config import AutoscalingConfig, BackpressureConfig, HTTPOptions, ProxyLocation

from configs import Replicas, Serve, validate
from serve.desks import AnyDesk, desk_of
from serve.endpoints import ENDPOINTS, described, load
from serve.routes import api, front

ROOT = "paint"
"""The application that answers at / ; without a painter it only tells of the others."""
REPOSITORY = Path(__file__).resolve().parents[1]


class Replica:
    """One process: a model, a queue in front of it, and the HTTP routes."""

    def __init__(self, config: Serve, name: str) -> None:
        self._config, self._is_root = config, name == ROOT
        self._desks: list[AnyDesk] = []
        if name in config.endpoints:
            own = config.endpoints[name]
            torch.set_num_threads(max(1, int(own.num_cpus)))
            self._desks = [desk_of(load(config, name), own)]

    def __serve_build_asgi_app__(self) -> FastAPI:
        return front(described(self._config), self._desks) if self._is_root else api(self._desks[0])

    def batch_sizes(self) -> dict[int, int]:
        """How many batches of each size this replica has answered."""
        return {size: n for desk in self._desks for size, n in desk.queue.sizes.items()}

    def check_health(self) -> None:
        """Ray replaces a replica whose last forward pass failed: a lost GPU does not come back."""
        for desk in self._desks:
            if desk.queue.failure is not None:
                raise RuntimeError("the last forward pass failed") from desk.queue.failure


def build(args: dict[str, Any]) -> Application:
    """The application that `args` describe: a `configs.Serve` tree, and which `endpoint` of it, that at / by default.

    ConfigError in one line for an unknown key or a wrong value; FileNotFoundError where there is no checkpoint.
    """
    tree = dict(args)
    name = tree.pop("endpoint", ROOT)
    every = applications(validate(Serve, tree, "serve.app:build"))
    if name not in every:
        raise ValueError(f"serve.app:build: endpoint: expected one of {', '.join(every)}, got {name!r}")
    return every[name]


def applications(config: Serve, replica: type[Replica] = Replica) -> dict[str, Application]:
    """The applications of `replica`s for `config`, by name, that at / first.

    FileNotFoundError or ValueError, before anything starts, for a bad checkpoint.
    """
    described(config)
    return {name: bound(config, name, own, replica) for name, own in replicas(config).items()}


def replicas(config: Serve) -> dict[str, Replicas]:
    """Of each application, that at / first."""
    return {ROOT: Replicas(max_replicas=1, num_cpus=0.1), **config.endpoints}


def bound(config: Serve, name: str, own: Replicas, replica: type[Replica]) -> Application:
    """One of them."""
    deployment = ray_serve.deployment(
        name=name.capitalize(),
        max_ongoing_requests=2 * own.max_batch,  # one batch is answered while the next gathers
        max_queued_requests=own.max_queued,
        backpressure_config=BackpressureConfig(status_code=503, retry_after_s=1),
        autoscaling_config=AutoscalingConfig(
            min_replicas=own.min_replicas,
            max_replicas=own.max_replicas,
            target_ongoing_requests=own.max_batch,
        ),
        ray_actor_options={"num_cpus": own.num_cpus, "num_gpus": int(own.use_gpu)},
        max_constructor_retry_count=3,
    )
    return deployment(ray_serve.ingress()(replica)).bind(config, name)


@contextmanager
def service(config: Serve, replica: type[Replica] = Replica) -> Iterator[str]:
    """The URL of the running service; takes Serve down at the end. Needs a Ray that is connected.

    ValueError when the port is taken, which Serve itself would only log.
    """
    every = applications(config, replica)
    refuse_taken(config.host, config.port)
    ray_serve.start(
        proxy_location=ProxyLocation.HeadOnly,
        http_options=HTTPOptions(host=config.host, port=config.port, request_timeout_s=config.timeout_s),
    )
    try:
        ray_serve.run_many([RunTarget(app, name, prefix_of(name)) for name, app in every.items()])
        yield f"http://{config.host}:{config.port}"
    finally:
        ray_serve.shutdown()  # type: ignore[no-untyped-call]


def prefix_of(name: str) -> str:
    """Of the addresses that the application `name` answers."""
    return "/" if name == ROOT else ENDPOINTS[name].route.path


def run(config: Serve) -> None:
    """Serve from this machine until Ctrl-C."""
    applications(config)
    refuse_taken(config.host, config.port)
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    ray.init(
        address="local",
        num_cpus=cores(config),
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": path}},
    )
    try:
        with service(config) as url:
            print(f"serve: documentation at {url}/docs, Ctrl-C ends it", flush=True)
            for name in config.endpoints:
                print(f"serve: POST {url}{ENDPOINTS[name].route.path}", flush=True)
            wait_for_interrupt()
    except KeyboardInterrupt:  # before it waits
        pass
    finally:
        ray.shutdown()
    print("serve: stopped", flush=True)


def wait_for_interrupt() -> None:
    """Return at SIGINT. The kernel may hand it to a thread of Ray's, where it would not wake the main one."""
    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        while not stop.wait(timeout=1):
            pass
    finally:
        signal.signal(signal.SIGINT, before)


def cores(config: Serve) -> int:
    """What Ray is told this machine has: what it has, or what the least replicas ask for, which then share it."""
    least = sum(own.min_replicas * own.num_cpus for own in replicas(config).values())
    return max(os.cpu_count() or 1, math.ceil(least))


def refuse_taken(host: str, port: int) -> None:
    """ValueError unless `host`:`port` can be bound."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise ValueError(f"port: expected a free port on {host}, got {port}: {error.strerror}") from error
