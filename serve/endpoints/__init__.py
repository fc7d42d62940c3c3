"""What can be served. `ENDPOINTS` is the one list, by the names that `configs.Serve.endpoints` has."""

from __future__ import annotations

from typing import Any

from configs import Serve
from serve.endpoints.counts import Counts
from serve.endpoints.endpoint import Endpoint, Route
from serve.endpoints.generate import Generate
from serve.endpoints.halos import Halos
from serve.endpoints.paint import Paint
from serve.schema import AnyModel

ENDPOINTS: dict[str, type[Endpoint[Any, Any, Any]]] = {
    "paint": Paint,
    "generate": Generate,
    "halos": Halos,
    "counts": Counts,
}


def load(config: Serve, name: str) -> Endpoint[Any, Any, Any]:
    """The endpoint `name` of `config`, with its weights."""
    return ENDPOINTS[name].load(config.endpoints[name])


def described(config: Serve) -> dict[str, AnyModel]:
    """What is served, by name; FileNotFoundError or ValueError for a checkpoint that cannot be."""
    return {name: ENDPOINTS[name].described(own) for name, own in config.endpoints.items()}


__all__ = ["ENDPOINTS", "Endpoint", "Route", "described", "load"]
