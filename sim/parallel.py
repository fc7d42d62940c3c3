"""Communication between the ranks that share one simulation, and the threads within a rank.

Knows nothing of meshes or particles. A rank owns one slab of whatever is divided along x.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Result = TypeVar("Result")
WAITING = "OMP_WAIT_POLICY"


class Comm(Protocol):
    """Ranks 0 to size-1 that call the same methods in the same order.

    `alltoall` is all that a new kind of Comm must bring; the rest follows from it, or is replaced by something faster.
    """

    rank: int
    size: int

    def alltoall(self, blocks: Sequence[Array]) -> list[Array]:
        """Send blocks[r] to rank r; return what every rank sent here, in rank order, with its shape and dtype."""
        ...

    def shift(self, array: Array, by: int) -> Array:
        """Send `array` to rank + by and return that of rank - by, on a ring."""
        blocks = [array[:0]] * self.size
        blocks[(self.rank + by) % self.size] = array
        return self.alltoall(blocks)[(self.rank - by) % self.size]

    def allgather(self, array: Array) -> list[Array]:
        """The arrays of all ranks, in rank order."""
        return self.alltoall([array] * self.size)

    def allreduce(self, array: Array) -> Array:
        """The sum over ranks, added in rank order so that it is the same everywhere."""
        total, *others = self.allgather(np.asarray(array))
        for other in others:
            total = total + other
        return total


class SerialComm(Comm):
    """One rank, its own neighbour."""

    rank = 0
    size = 1

    def alltoall(self, blocks: Sequence[Array]) -> list[Array]:
        refuse_wrong_count(blocks, self.size)
        return [np.array(block) for block in blocks]


SERIAL = SerialComm()


class ThreadComm(Comm):
    """Ranks that are threads of this process: for tests and for looking at a parallel run under a debugger."""

    def __init__(self, rank: int, boxes: list[list[SimpleQueue[Array | None]]]) -> None:
        self.rank = rank
        self.size = len(boxes)
        self._boxes = boxes

    @classmethod
    def run(cls, size: int, function: Callable[[Comm], Result]) -> list[Result]:
        """Call `function(comm)` on `size` ranks and return what each returned; the first exception is raised here."""
        boxes: list[list[SimpleQueue[Array | None]]] = [[SimpleQueue() for _ in range(size)] for _ in range(size)]
        results: dict[int, Result] = {}
        errors: list[BaseException] = []
        n_threads = max(1, n_threads_of_rank() // size)

        def one_rank(rank: int) -> None:
            set_threads(n_threads)
            try:
                results[rank] = function(cls(rank, boxes))
            except _NeighbourFailed:
                pass
            except BaseException as error:
                errors.append(error)
                wake_all(boxes)

        threads = [threading.Thread(target=one_rank, args=(rank,), daemon=True) for rank in range(size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return [results[rank] for rank in range(size)]

    def alltoall(self, blocks: Sequence[Array]) -> list[Array]:
        refuse_wrong_count(blocks, self.size)
        for other, block in enumerate(blocks):
            self._boxes[other][self.rank].put(np.array(block))
        return [received(box) for box in self._boxes[self.rank]]


class _NeighbourFailed(Exception):
    """Another rank raised: this one has nothing left to wait for."""


def received(box: SimpleQueue[Array | None]) -> Array:
    """The next array in `box`; _NeighbourFailed when none will come."""
    array = box.get()
    if array is None:
        raise _NeighbourFailed
    return array


def wake_all(boxes: list[list[SimpleQueue[Array | None]]]) -> None:
    """Tell every rank that waits, or will wait, that one has failed."""
    for box in [box for row in boxes for box in row]:
        box.put(None)


class MpiComm(Comm):
    """The ranks of `mpiexec -n N python -m ...`."""

    def __init__(self) -> None:
        from mpi4py import MPI

        self._world = MPI.COMM_WORLD
        self._wait_all = MPI.Request.Waitall
        self.rank = self._world.Get_rank()
        self.size = self._world.Get_size()

    def alltoall(self, blocks: Sequence[Array]) -> list[Array]:
        refuse_wrong_count(blocks, self.size)
        contiguous = [np.ascontiguousarray(block) for block in blocks]
        kinds = self._world.alltoall([(block.shape, block.dtype.str) for block in contiguous])
        incoming = [np.empty(shape, dtype) for shape, dtype in kinds]
        others = [other for other in range(self.size) if other != self.rank]
        requests = [self._world.Irecv(as_bytes(incoming[other]), other) for other in others]
        requests += [self._world.Isend(as_bytes(contiguous[other]), other) for other in others]
        incoming[self.rank][...] = contiguous[self.rank]
        self._wait_all(requests)
        return incoming

    def abort(self, code: int) -> None:
        """End all ranks at once: those that wait for this one would wait for ever."""
        self._world.Abort(code)


def as_bytes(array: Array) -> NDArray[np.uint8]:
    """The memory of a contiguous array."""
    return array.reshape(-1).view(np.uint8)


def refuse_wrong_count(blocks: Sequence[Array], size: int) -> None:
    """ValueError unless there is a block for every rank."""
    if len(blocks) != size:
        raise ValueError(f"alltoall: expected one block for each of {size} ranks, got {len(blocks)}")


def slab_bounds(n: int, size: int, rank: int) -> tuple[int, int]:
    """First and one past the last of the n planes of `rank`: widths differ by one when size does not divide n."""
    return n * rank // size, n * (rank + 1) // size


def set_threads(n: int) -> None:
    """Let the kernels and FFTs called from this thread use `n` threads; ValueError beyond what numba started with."""
    most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    if not 1 <= n <= most:
        raise ValueError(f"threads: expected 1 to {most} (NUMBA_NUM_THREADS), got {n}")
    launch()
    numba.set_num_threads(n)


class Pools(threading.local):
    """The thread pools of a rank, by their size: their threads live as long as it does, and what they have planned."""

    def __init__(self) -> None:
        self.known: dict[int, ThreadPoolExecutor] = {}

    def get(self, n_threads: int) -> ThreadPoolExecutor:
        if n_threads not in self.known:
            self.known[n_threads] = ThreadPoolExecutor(n_threads)
        return self.known[n_threads]


POOLS = Pools()


def in_threads(work: Callable[[int, int], None], n: int) -> None:
    """Call work(begin, end) on each thread of this rank, for its share of range(n)."""
    n_threads = min(n_threads_of_rank(), n)
    if n_threads <= 1:
        work(0, n)
        return
    bounds = [n * i // n_threads for i in range(n_threads + 1)]
    list(POOLS.get(n_threads).map(work, bounds[:-1], bounds[1:]))


def n_threads_of_rank() -> int:
    """How many threads `set_threads` allowed; all of NUMBA_NUM_THREADS if it was not called."""
    launch()
    return int(numba.get_num_threads())


@cache
def launch() -> None:
    """Start the threads of the kernels; between kernels they sleep, where OpenMP would have them spin on a core.

    A step of 128^3 particles takes a quarter less: the cores are those of the Fourier transforms, too.
    """
    policy = os.environ.get(WAITING)
    os.environ[WAITING] = policy or "passive"
    numba.get_num_threads()
    if policy is None:
        del os.environ[WAITING]
