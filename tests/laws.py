"""Laws that every member of a family must keep, whoever brings it."""

from __future__ import annotations

import numpy as np

from sim.parallel import Comm, MpiComm
from sim.snapshot import Snapshot


def check_comm(comm: Comm) -> None:
    """The contract of `sim.parallel.Comm`; call it on every rank at once."""
    check_alltoall(comm)
    check_shift(comm)
    check_sums(comm)


def check_alltoall(comm: Comm) -> None:
    """Block s of rank r has s + 1 rows that hold 10 r + s; one is empty; the types differ."""
    for dtype in (np.float32, np.complex64, np.uint64):
        blocks = [np.full((other + 1, 3), 10 * comm.rank + other, dtype) for other in range(comm.size)]
        for other, got in enumerate(comm.alltoall(blocks)):
            assert got.shape == (comm.rank + 1, 3)
            assert got.dtype == dtype
            assert (got == 10 * other + comm.rank).all()
            got += 1  # what arrived is the receiver's own
        assert all((block == 10 * comm.rank + other).all() for other, block in enumerate(blocks))
    empty = comm.alltoall([np.empty((0, 2), np.float32)] * comm.size)
    assert [block.shape for block in empty] == [(0, 2)] * comm.size
    strided = comm.alltoall([np.arange(12.0).reshape(3, 4).T] * comm.size)
    assert all((block == np.arange(12.0).reshape(3, 4).T).all() for block in strided)


def check_shift(comm: Comm) -> None:
    """A ring: rank r receives from r - by; arrays of unequal length keep their shape."""
    for by in (-2, -1, 0, 1, 3):
        source = (comm.rank - by) % comm.size
        got = comm.shift(np.full((comm.rank + 1, 2), comm.rank, np.int32), by)
        assert got.shape == (source + 1, 2)
        assert (got == source).all()


def check_sums(comm: Comm) -> None:
    """Sums and gathers are the same on every rank, in rank order, and leave their argument alone."""
    mine = np.array([comm.rank, 1.0])
    np.testing.assert_array_equal(comm.allreduce(mine), [comm.size * (comm.size - 1) / 2, comm.size])
    np.testing.assert_array_equal(mine, [comm.rank, 1.0])
    gathered = comm.allgather(np.full(comm.rank, comm.rank))
    assert [len(part) for part in gathered] == list(range(comm.size))


def check_same_snapshot(found: Snapshot, expected: Snapshot) -> None:
    """Positions and ids bit for bit; what is multiplied by a unit that is no power of two to the last place."""
    assert {**vars(found), "particles": None} == {**vars(expected), "particles": None}
    assert list(found.particles) == list(expected.particles)
    for name, part in found.particles.items():
        other = expected.particles[name]
        np.testing.assert_array_equal(part.pos, other.pos)
        np.testing.assert_array_equal(part.ids, other.ids)
        np.testing.assert_allclose(part.vel, other.vel, rtol=2e-7, atol=0)
        np.testing.assert_allclose(part.mass, other.mass, rtol=2e-7, atol=0)
        assert (part.pos.dtype, part.vel.dtype, part.ids.dtype) == (np.float32, np.float32, np.uint64)
        assert np.ndim(part.mass) == np.ndim(other.mass)


if __name__ == "__main__":
    check_comm(MpiComm())
