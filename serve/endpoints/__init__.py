"""What can be served. `ENDPOINTS` is the one list, by the names that `configs.Serve.endpoints` has."""

from __future__ import annotations

from typing import Any

from configs import Serve
from serve.endpoints.counts import Counts
from serve.endpoints.endpoint import Endpoint, Route
from serve.endpoints.generate import Generate
from serve.endpoints.halos import Halos
from serve.endpoints.invert import Invert
from serve.endpoints.paint import Paint
from serve.schema import AnyServed

ENDPOINTS: dict[str, type[Endpoint[Any, Any, Any]] | type[Invert]] = {
    "paint": Paint,
    "generate": Generate,
    "halos": Halos,
    "counts": Counts,
    "invert": Invert,
}


def load(config: Serve, name: str) -> Endpoint[Any, Any, Any] | Invert:
    """The endpoint `name` of `config`, with its weights."""
    own: Any = config.endpoints[name]
    return ENDPOINTS[name].load(own)


def described(config: Serve) -> dict[str, AnyServed]:
    """What is served, by name; FileNotFoundError or ValueError for a checkpoint that cannot be."""
    every: dict[str, Any] = dict(config.endpoints)
    return {name: ENDPOINTS[name].described(own) for name, own in every.items()}


__all__ = ["ENDPOINTS", "Endpoint", "Route", "described", "load"]
