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
from learn.predict import Predictor
from serve.batch import Batcher
from serve.routes import api


def application(config: Serve) -> FastAPI:
    """What a replica of `serve.app` runs."""
    predictor = Predictor.load(config.checkpoint)
    batcher = Batcher(
        predictor, max_batch=config.max_batch, wait_s=config.batch_wait_s, max_pixels=config.max_pixels**2
    )
    return api(batcher.paint, predictor, config)


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
