from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from laws import check_comm

from sim.parallel import Comm, SerialComm, ThreadComm, n_threads_of_rank, set_threads, slab_bounds


def test_serial_keeps_the_contract() -> None:
    check_comm(SerialComm())


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_threads_keep_the_contract(size: int) -> None:
    ThreadComm.run(size, check_comm)


def test_mpi_keeps_the_contract(repository: Path) -> None:
    mpiexec = shutil.which("mpiexec", path=Path(sys.executable).parent)
    if mpiexec is None:
        pytest.skip("no mpiexec beside python")
    command = [mpiexec, "-n", "2", sys.executable, str(repository / "tests" / "laws.py")]
    subprocess.run(command, env={"PYTHONPATH": str(repository)}, check=True, timeout=120)


def test_threads_return_in_rank_order() -> None:
    assert ThreadComm.run(4, lambda comm: (comm.rank, comm.size)) == [(rank, 4) for rank in range(4)]


def test_a_rank_that_fails_fails_all() -> None:
    def function(comm: Comm) -> None:
        if comm.rank == 1:
            raise RuntimeError("rank 1 is out")
        comm.allreduce(np.ones(1))

    with pytest.raises(RuntimeError, match="rank 1 is out"):
        ThreadComm.run(3, function)


def test_a_block_for_every_rank_or_none() -> None:
    with pytest.raises(ValueError, match="one block for each of 1 ranks, got 2"):
        SerialComm().alltoall([np.ones(1)] * 2)


@pytest.mark.parametrize(("n", "size"), [(16, 1), (16, 4), (17, 4), (5, 3)])
def test_slabs_divide_the_planes_fairly(n: int, size: int) -> None:
    bounds = [slab_bounds(n, size, rank) for rank in range(size)]
    widths = [high - low for low, high in bounds]
    assert [plane for low, high in bounds for plane in range(low, high)] == list(range(n))
    assert max(widths) - min(widths) <= 1


def test_threads_are_set_within_what_numba_has() -> None:
    before = n_threads_of_rank()
    set_threads(1)
    assert n_threads_of_rank() == 1
    set_threads(before)
    with pytest.raises(ValueError, match="threads: expected 1 to"):
        set_threads(numba.config.NUMBA_NUM_THREADS + 1)
