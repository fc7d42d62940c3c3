"""Halos on ranks and threads: the same bits on any of them, and only strips and shared halos travel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clumps import BOX, Counted, Positions, clump, clustered, field, filament, on_ranks, slab_owners
from found_halos import FIELDS, assert_identical, halos
from numpy.typing import NDArray

from sim import cells, friends
from sim.halos import Catalog, find
from sim.parallel import SERIAL, Comm, n_threads_of_rank, set_threads
from sim.units import RHO_CRITICAL


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("particles", ["clustered", "filament", "percolating", "shuffled", "described"])
def test_the_catalogue_does_not_depend_on_the_ranks(particles: str, size: int) -> None:
    """On every rank it is that of one rank, bit for bit, with halos and spheres across edges and round the box."""
    pos = np.concatenate([clustered(), filament(400), clump((15.99, 0.02, 5), 300, seed=30)])
    linking = {"percolating": 1.2, "filament": 0.8}.get(particles, 0.4)
    more = {"properties": True, "center": "most_bound"} if particles == "described" else {}
    rng = np.random.default_rng(8)
    vel, ids = rng.normal(0, 300, pos.shape).astype(np.float32), rng.permutation(len(pos)).astype(np.uint64)
    owner = rng.integers(0, size, len(pos)) if particles == "shuffled" else slab_owners(pos, size)

    def find_here(comm: Comm, pos: Positions, vel: Positions, ids: NDArray[np.uint64]) -> Catalog:
        return halos(pos, vel=vel, ids=ids, linking_length=linking, min_particles=10, m200m=True, comm=comm, **more)

    expected = find_here(SERIAL, pos, vel, ids)
    for found in on_ranks(owner, size, find_here, pos, vel, ids):
        assert_identical(found, expected)
    assert len(expected) > (0 if particles == "percolating" else 15)
    assert (expected.n_particles.max() > 0.5 * len(pos)) == (particles == "percolating")


def test_ranks_without_ids_and_velocities() -> None:
    pos = clustered()
    owner = slab_owners(pos, 3)
    expected = halos(pos[np.argsort(owner, kind="stable")])
    for found in on_ranks(owner, 3, lambda comm, mine: halos(mine, comm=comm), pos):
        assert_identical(found, expected)


def test_mpi_is_serial(repository: Path, tmp_path: Path) -> None:
    mpiexec = shutil.which("mpiexec", path=Path(sys.executable).parent)
    if mpiexec is None:
        pytest.skip("no mpiexec beside python")
    pos = clustered()
    np.savez(tmp_path / "all.npz", pos=pos, owner=slab_owners(pos, 3), ids=np.arange(len(pos)))
    script = (
        "import sys, numpy as np; from sim.halos import find; from sim.parallel import MpiComm; comm = MpiComm();"
        "data = np.load(sys.argv[1] + '/all.npz'); mine = data['owner'] == comm.rank;"
        "pos, ids, options = data['pos'][mine], data['ids'][mine], dict(omega_m=0.3, linking_length=0.4);"
        f"found = find(pos, 1e12, {BOX}, ids=ids, comm=comm, **options);"
        "np.savez(f'{sys.argv[1]}/{comm.rank}.npz', **{k: v for k, v in vars(found).items() if v is not None})"
    )
    command = [mpiexec, "-n", "3", sys.executable, "-c", script, str(tmp_path)]
    subprocess.run(command, env={"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}, check=True, timeout=200)
    expected = halos(pos)
    for rank in range(3):
        with np.load(tmp_path / f"{rank}.npz") as data:
            for name in FIELDS[:5]:
                np.testing.assert_array_equal(data[name], getattr(expected, name))


def test_the_catalogue_does_not_depend_on_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    pos = clustered()
    expected = halos(pos, vel=pos, m200m=True, properties=True)
    n_threads = n_threads_of_rank()
    set_threads(1)
    alone = halos(pos, vel=pos, m200m=True, properties=True)
    set_threads(n_threads)
    for module in (cells, friends):
        monkeypatch.setattr(module, "n_threads_of_rank", lambda: 5)
    for found in (alone, halos(pos, vel=pos, m200m=True, properties=True)):
        assert_identical(found, expected)


def test_ranks_exchange_strips_and_shared_halos_only() -> None:
    """A rank that sees an edge cut a halo of 1000 among 100000 particles sends less than a tenth of what it holds."""
    pos = np.concatenate([clump((8, 8, 8), 1000, size=0.08), clump((4, 8, 8), 1000, size=0.08, seed=1), field(98000)])
    owner = (pos[:, 0] > 8).astype(np.int64)

    def sent(comm: Comm, mine: Positions) -> int:
        counted = Counted(comm)
        found = halos(mine, linking_length=0.1, min_particles=100, comm=counted)
        assert len(found) == 2
        return counted.sent

    for n_bytes in on_ranks(owner, 2, sent, pos):
        assert 0 < n_bytes < 0.1 * 12 * len(pos) / 2


@pytest.mark.parametrize("gap", [0.5, 0.95, 1.2])
def test_a_sphere_takes_what_other_ranks_hold(nfw: Callable[..., Positions], gap: float) -> None:
    """A halo whose centre is `gap` R200c from the edge of its slab; what lies beyond counts for M200c and M200m."""
    pos = nfw(20000, 1.0, 4.0, center=(8 - gap, 15.9, 3))
    owner, mass = (pos[:, 0] > 8).astype(np.int64), 200 * RHO_CRITICAL * 4 / 3 * np.pi / 20000
    options: dict[str, Any] = {"omega_m": 0.3, "m200m": True}
    expected = find(pos, mass, BOX, ids=np.arange(len(pos)), **options)
    ids = np.arange(len(pos))
    for found in on_ranks(owner, 2, lambda comm, p, i: find(p, mass, BOX, ids=i, comm=comm, **options), pos, ids):
        assert_identical(found, expected)
    np.testing.assert_allclose(expected.r200c[0], 1.0, rtol=0.01)
