"""What workers do for a set of cutouts: hold a simulation, or look at what is there.

Imports what a simulation needs and no more: a cluster starts one such process a core.
"""

from __future__ import annotations

from configs import Cutouts
from ray_jobs.threads import limit_threads
from sim import halosets, paired
from sim.paired import Outline, Paired
from sim.samples import PartRecord, SimulationRecord


class Holder:
    """An actor that holds one simulation in memory: the last it was asked about, loaded anew after a restart."""

    def __init__(self, config: Cutouts) -> None:
        limit_threads(1)
        self.config = config
        self._held: Paired | None = None
        self._source = ""

    def _simulation(self, name: str) -> Paired:
        if self._held is None or self._held.name != name:
            self._held = None  # two do not fit
            self._source = paired.source_hash(name, self.config)
            self._held = paired.load(name, self.config)
        return self._held

    def outline(self, name: str) -> tuple[Outline, str]:
        """The simulation without its particles, and the hash of its source."""
        return self._simulation(name).outline, self._source

    def part(self, name: str, i: int) -> PartRecord:
        """Make shard `i` of a simulation."""
        simulation = self._simulation(name)
        return halosets.part(simulation, i, self.config, self._source)


def completed(name: str, config: Cutouts) -> SimulationRecord | None:
    """As `halosets.completed`; what is damaged or missing is not complete, and is named when it is to be made."""
    try:
        return halosets.completed(name, config)
    except (ValueError, OSError):
        return None
