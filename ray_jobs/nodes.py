"""What the live nodes of the cluster have for us. Knows nothing of what is run on them."""

from __future__ import annotations

from dataclasses import dataclass

import ray


@dataclass(frozen=True)
class Node:
    """What a live node of the cluster has for us."""

    n_cpus: int
    memory: int

    @property
    def share(self) -> int:
        """Bytes of memory a core."""
        return self.memory // self.n_cpus


def live_nodes() -> list[Node]:
    """The nodes that have cores."""
    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [Node(int(has["CPU"]), int(has.get("memory", 0))) for has in found if has.get("CPU", 0) >= 1]
