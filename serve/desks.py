"""The desk of an endpoint, whichever kind of body it reads."""

from __future__ import annotations

from configs import Replicas
from serve.desk import AnyEndpoint, Desk
from serve.endpoints.invert import Invert
from serve.file_desk import FileDesk

AnyDesk = Desk | FileDesk


def desk_of(endpoint: AnyEndpoint | Invert, config: Replicas) -> AnyDesk:
    """With a queue as `config` says."""
    return FileDesk.of(endpoint, config) if isinstance(endpoint, Invert) else Desk.of(endpoint, config)
