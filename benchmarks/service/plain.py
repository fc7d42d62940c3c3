"""The routes of `serve` under plain uvicorn, in one process without Ray: the peer of `benchmarks/serve.py`."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import uvicorn
from fastapi import FastAPI

from configs import Serve
from serve.desks import desk_of
from serve.endpoints import described, load
from serve.routes import front


def application(config: Serve) -> FastAPI:
    """What the replicas of `serve.app` run, in one process."""
    desks = [desk_of(load(config, name), own) for name, own in config.endpoints.items()]
    return front(described(config), desks)


def run(config: Serve) -> None:
    """Serve until killed."""
    torch.set_num_threads(max(1, int(config.num_cpus)))
    uvicorn.run(application(config), host=config.host, port=config.port, log_level="error", access_log=False)


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """The URL of `app` on loopback, served by a thread of this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
