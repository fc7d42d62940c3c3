"""What is available is the least of what the machine and every group around the process leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs import Box, Cosmology
from sim import memory
from sim.agreement import Refused
from sim.memory import available_bytes, in_words, refuse_too_large
from sim.nbody import memory_bytes
from sim.parallel import SERIAL, ThreadComm

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
BOX = Box(cosmology=PLANCK, box_size=100.0, n_particles=512, seed=3)
GIB = 1 << 30


def machine(folder: Path, *, available: int, groups: dict[str, dict[str, object]], line: str) -> tuple[Path, Path]:
    """A /proc and a /sys/fs/cgroup."""
    proc, cgroup = folder / "proc", folder / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable: {available // 1024} kB\n")
    (proc / "self" / "cgroup").write_text(line)
    for name, files in groups.items():
        (cgroup / name).mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (cgroup / name / file).write_text(f"{content}\n")
    return proc, cgroup


def version_2(limit: object, used: int, pages: int = 0) -> dict[str, object]:
    return {"memory.max": limit, "memory.current": used, "memory.stat": f"anon 5\ninactive_file {pages}"}


def version_1(limit: int, used: int, pages: int = 0) -> dict[str, object]:
    stat = f"inactive_file 1\ntotal_inactive_file {pages}"
    return {"memory.limit_in_bytes": limit, "memory.usage_in_bytes": used, "memory.stat": stat}


@pytest.mark.parametrize(
    ("groups", "line", "expected"),
    [
        ({}, "0::/\n", 64),
        ({"job/step": version_2("max", 9)}, "0::/job/step\n", 64),
        ({"job/step": version_2(8 * GIB, 3 * GIB)}, "0::/job/step\n", 5),
        ({"job/step": version_2(8 * GIB, 3 * GIB, 2 * GIB)}, "0::/job/step\n", 7),
        ({"job/step": version_2("max", 0), "job": version_2(4 * GIB, GIB)}, "0::/job/step\n", 3),
        ({".": version_2(6 * GIB, GIB)}, "0::/not/in/this/container\n", 5),
        ({"memory/job": version_1(8 * GIB, 3 * GIB, GIB)}, "4:cpu:/job\n3:memory:/job\n0::/\n", 6),
        ({"memory/job": version_1(8 * GIB, 3 * GIB)}, "4:cpu:/job\n", 64),
        ({"job": version_2(2 * GIB, 3 * GIB)}, "0::/job\n", 0),
    ],
)
def test_the_tightest_limit_counts(
    tmp_path: Path, groups: dict[str, dict[str, object]], line: str, expected: int
) -> None:
    assert available_bytes(*machine(tmp_path, available=64 * GIB, groups=groups, line=line)) == expected * GIB


def test_this_machine_has_some() -> None:
    assert 10_000_000 < available_bytes() < 1 << 50


def test_where_nothing_is_told_all_memory_counts(tmp_path: Path) -> None:
    assert available_bytes(tmp_path, tmp_path) > 100_000_000


def test_ranks_of_a_host_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    need = memory_bytes(BOX, 2)
    monkeypatch.setattr(memory, "available_bytes", lambda: int(1.5 * need))
    with pytest.raises(Refused, match=r"512\^3 particles on a 1024\^3 mesh: .* \(2 of 2 ranks, .* each\), expected at"):
        ThreadComm.run(2, lambda comm: refuse_too_large(BOX, comm))
    monkeypatch.setattr(memory, "hosts_of", lambda _: ["one", "two"])
    ThreadComm.run(2, lambda comm: refuse_too_large(BOX, comm))


def test_the_numbers_are_in_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_230_000_000)
    need = in_words(memory_bytes(BOX))
    with pytest.raises(Refused, match=rf"its arrays take {need} on .*, expected at most the 1\.23 GB available there"):
        refuse_too_large(BOX, SERIAL)


@pytest.mark.parametrize(("n", "words"), [(0, "0 B"), (999, "999 B"), (999_600, "1 MB"), (12_345_678_901, "12.3 GB")])
def test_bytes_in_words(n: int, words: str) -> None:
    assert in_words(n) == words
