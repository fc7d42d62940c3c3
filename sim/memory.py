"""How much memory a run may take on this machine, and whether its arrays fit. Linux: /proc and control groups."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from configs import Box
from sim import nbody
from sim.agreement import Refused, decoded, encoded
from sim.parallel import Comm

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")


def refuse_too_large(box: Box, comm: Comm) -> None:
    """Refused on every rank unless the arrays of each host's ranks fit into its available memory.

    Collective: ranks that share a host share its memory.
    """
    hosts = hosts_of(comm)
    available = [int(there[0]) for there in comm.allgather(np.array([available_bytes()], np.int64))]
    need = nbody.memory_bytes(box, comm.size)
    for host in sorted(set(hosts)):
        ranks = [rank for rank in range(comm.size) if hosts[rank] == host]
        there = min(available[rank] for rank in ranks)
        if need * len(ranks) > there:
            where = f"{sized(box)}: its arrays take {in_words(need * len(ranks))} on {host}"
            shared = f" ({len(ranks)} of {comm.size} ranks, {in_words(need)} each)" if comm.size > 1 else ""
            raise Refused(f"memory: {where}{shared}, expected at most the {in_words(there)} available there")


def sized(box: Box) -> str:
    """What decides the memory of a box, in words."""
    return f"{box.n_particles}^3 particles on a {box.n_mesh}^3 mesh"


def in_words(n_bytes: int) -> str:
    """`n_bytes` to three digits."""
    value, units = float(n_bytes), ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}"


def hosts_of(comm: Comm) -> list[str]:
    """The host name of every rank."""
    return [decoded(name) for name in comm.allgather(encoded(socket.gethostname()))]


def available_bytes(proc: Path = PROC, cgroup: Path = CGROUP) -> int:
    """What this process can still allocate without swapping: the machine's memory and every enclosing group's limit."""
    return max(0, min(_of_machine(proc), *_of_groups(proc, cgroup), 1 << 62))


def _of_machine(proc: Path) -> int:
    """The kernel's estimate, or all physical memory where it gives none."""
    path = proc / "meminfo"
    fields = dict(line.split(":", 1) for line in path.read_text().splitlines()) if path.is_file() else {}
    if "MemAvailable" in fields:
        return int(fields["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _of_groups(proc: Path, cgroup: Path) -> Iterator[int]:
    """What is left of each limit on a control group that this process is in, version 1 or 2."""
    path = proc / "self" / "cgroup"
    for line in path.read_text().splitlines() if path.is_file() else ():
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            names = ("memory.max", "memory.current", "inactive_file")
            for folder in _upwards(cgroup, group):
                yield from _left(folder, *names)
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            for folder in _upwards(cgroup / "memory", group):
                yield from _left(folder, *names)


def _upwards(mount: Path, group: str) -> Iterator[Path]:
    """The folders of a group and of those around it; in a container the mount itself is its group."""
    folder = mount / group.lstrip("/")
    yield from (folder, *(parent for parent in folder.parents if parent == mount or mount in parent.parents))


def _left(folder: Path, limit: str, used: str, reclaimable: str) -> Iterator[int]:
    """Limit minus use of one group, where it has both; file pages that the kernel can drop are not in use."""
    try:
        most, now = (folder / limit).read_text().strip(), int((folder / used).read_text())
        pages = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except OSError:
        return
    if most != "max":
        yield int(most) - now + int(pages.get(reclaimable, 0))
