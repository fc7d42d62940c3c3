"""One simulation on many machines: a rank an actor, blocks by torch.distributed, not by the object store.

Actors without a GPU talk by gloo, those with one by NCCL.

The object store is ten times slower at an all-to-all (FACTS: 64 MB a rank, 2 ranks: 53 ms against 400-800 ms). Each
rank binds to the address that Ray knows its node by, whatever the host name resolves to.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from torch.distributed import AllToAllOptions, ProcessGroupGloo, TCPStore  # type: ignore[attr-defined]

from ray_jobs.threads import limit_threads
from sim.parallel import Array, Comm, as_bytes, refuse_wrong_count

MAX_NDIM = 6
ALIGNMENT = 64
"""Blocks begin at multiples of it in the buffer that travels, so that what arrives is aligned for any dtype."""
PATIENCE_S = 3600.0
"""Longest single wait for Ray's word, which has to be a finite number."""

Result = TypeVar("Result")
Bytes = NDArray[np.uint8]


class RayComm(Comm):
    """`sim.parallel.Comm` between actors. Every rank must be made with the same `store` for the ranks to meet.

    Blocks travel by way of `device`, "cpu" or "cuda". A rank that waits longer than `timeout_s` for another raises
    RuntimeError.
    """

    rank = 0
    size = 1

    def __init__(
        self, rank: int, size: int, store: TCPStore, host: str, timeout_s: float, *, device: str = "cpu"
    ) -> None:
        self.rank, self.size, self._device = rank, size, device
        timeout = timedelta(seconds=timeout_s)
        if device == "cpu":
            self._group = gloo(rank, size, store, host, timeout)
        else:
            self._group = nccl(rank, size, store, timeout)

    def alltoall(self, blocks: Sequence[Array]) -> list[Array]:
        """Send blocks[r] to rank r; what every rank sent here, in rank order. ValueError for dtypes of no numbers."""
        refuse_wrong_count(blocks, self.size)
        contiguous = [np.asarray(block, order="C") for block in blocks]
        own, contiguous[self.rank] = contiguous[self.rank].copy(), np.empty(0)  # a block for oneself need not travel
        labels = as_bytes(np.stack([label(block) for block in contiguous]))
        share = [labels.nbytes // self.size] * self.size
        kinds = [parse(row) for row in self._exchange(labels, share, share).view(np.int64).reshape(self.size, -1)]
        outgoing = [padded(block.nbytes) for block in contiguous]
        incoming = [padded(n_bytes(shape, dtype)) for shape, dtype in kinds]
        arrived = unpack(self._exchange(pack(contiguous, outgoing), outgoing, incoming), incoming, kinds)
        arrived[self.rank] = own
        return arrived

    def _exchange(self, buffer: Bytes, outgoing: list[int], incoming: list[int]) -> Bytes:
        """Send `buffer`, cut into `outgoing` bytes for each rank; what arrives, cut into `incoming`."""
        sent = torch.from_numpy(buffer).to(self._device)
        arrived = torch.empty(sum(incoming), dtype=torch.uint8, device=self._device)
        work = self._group.alltoall_base(arrived, sent, incoming, outgoing, AllToAllOptions())
        work.wait()
        return arrived.cpu().numpy()


def gloo(rank: int, size: int, store: TCPStore, host: str, timeout: timedelta) -> Any:
    """A process group for host memory, bound to the address `host`."""
    options = ProcessGroupGloo._Options()  # type: ignore[attr-defined]
    options._devices = [ProcessGroupGloo.create_device(hostname=host)]
    options._timeout = timeout
    return ProcessGroupGloo(store, rank, size, options)


def nccl(rank: int, size: int, store: TCPStore, timeout: timedelta) -> Any:
    """A process group for the memory of the GPU that Ray gave to this actor; NCCL finds its own network."""
    group: Any = torch.distributed.ProcessGroupNCCL
    options = group.Options()
    options._timeout = timeout
    return group(store, rank, size, options)


def run_on_actors(
    function: Callable[..., Result],
    n_ranks: int,
    *args: object,
    timeout_s: float = 600.0,
    num_cpus: float = 1.0,
    num_gpus: float = 0.0,
) -> list[Result]:
    """What `function(comm, *args)` returned on each of `n_ranks` actors, spread over the nodes, in rank order.

    An actor takes `num_cpus` cores and `num_gpus` GPUs. Raises what the first rank to fail raised (where one dies, that
    is ActorDiedError, or RuntimeError from a rank that waited for it), and RuntimeError when the actors have not met
    within `timeout_s` (one that the cluster has no room for waits for ever) or one has waited that long for a message
    of another. The work itself takes as long as it takes. The actors are gone when this returns.
    """
    takes = {"num_cpus": num_cpus, "num_gpus": num_gpus}
    actor: Any = ray.remote(Rank).options(**takes, scheduling_strategy="SPREAD")
    ranks = [actor.remote(rank, n_ranks, timeout_s, **takes) for rank in range(n_ranks)]
    deadline = time.monotonic() + timeout_s
    try:
        (address,) = gather([ranks[0].listen.remote()], deadline, "rank 0 to start")
        gather([rank.join.remote(address) for rank in ranks], deadline, f"{n_ranks} ranks to meet")
        shared = ray.put((function, args))
        return gather([rank.call.remote(shared) for rank in ranks], math.inf, f"{n_ranks} ranks to finish")
    finally:
        for rank in ranks:
            ray.kill(rank)


class Rank:
    """The actor: a rank and the process it lives in."""

    def __init__(self, rank: int, size: int, timeout_s: float, num_cpus: float, num_gpus: float) -> None:
        limit_threads(max(1, int(num_cpus)))
        self._device = "cuda" if num_gpus else "cpu"
        self._rank, self._size, self._timeout_s = rank, size, timeout_s
        self._host = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        self._store: TCPStore | None = None
        self._comm: RayComm | None = None

    def listen(self) -> tuple[str, int]:
        """Open the meeting point, on rank 0; its address."""
        listener = socket.create_server((self._host, 0))
        port = listener.getsockname()[1]
        self._store = self._meeting_point(self._host, port, master_listen_fd=listener.detach())
        return self._host, port

    def join(self, address: tuple[str, int]) -> None:
        """Meet the other ranks."""
        store = self._store or self._meeting_point(*address)
        self._comm = RayComm(self._rank, self._size, store, self._host, self._timeout_s, device=self._device)

    def call(self, work: tuple[Callable[..., Any], tuple[Any, ...]]) -> Any:
        function, args = work
        return function(self._comm, *args)

    def _meeting_point(self, host: str, port: int, *, master_listen_fd: int | None = None) -> TCPStore:
        return TCPStore(
            host,
            port,
            self._size,
            is_master=master_listen_fd is not None,
            timeout=timedelta(seconds=self._timeout_s),
            wait_for_workers=False,
            master_listen_fd=master_listen_fd,
        )


def gather(futures: list[ray.ObjectRef], deadline: float, awaited: str) -> list[Any]:
    """The values of `futures`, in order; raises as soon as one fails, RuntimeError at `deadline`."""
    pending = futures
    while pending:
        done, pending = ray.wait(pending, timeout=min(PATIENCE_S, max(0.0, deadline - time.monotonic())))
        if not done and time.monotonic() >= deadline:
            raise RuntimeError(
                f"actors: expected {awaited} in time, still waiting for {len(pending)} of {len(futures)}"
            )
        ray.get(done)
    return ray.get(futures)


def label(block: Array) -> NDArray[np.int64]:
    """Kind and shape of `block` as integers: what a receiver must know first."""
    if block.dtype.kind not in "biufc" or block.ndim > MAX_NDIM:
        raise ValueError(
            f"alltoall: expected numbers in at most {MAX_NDIM} dimensions, got {block.dtype} {block.shape}"
        )
    kind = int.from_bytes(block.dtype.str.encode().ljust(8), "little")
    return np.array([kind, block.ndim, *block.shape, *[0] * (MAX_NDIM - block.ndim)], dtype=np.int64)


def parse(row: NDArray[np.int64]) -> tuple[tuple[int, ...], np.dtype]:
    """The inverse of `label`: shape and dtype."""
    kind, n_dim, *sides = row.tolist()
    return tuple(sides[:n_dim]), np.dtype(kind.to_bytes(8, "little").decode().strip())


def n_bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize


def padded(n: int) -> int:
    """`n` rounded up to ALIGNMENT."""
    return -(-n // ALIGNMENT) * ALIGNMENT


def pack(blocks: Sequence[Array], sizes: Sequence[int]) -> Bytes:
    """One buffer with a block every `sizes` bytes."""
    buffer = np.empty(sum(sizes), dtype=np.uint8)
    begin = 0
    for block, size in zip(blocks, sizes, strict=True):
        buffer[begin : begin + block.nbytes] = as_bytes(block)
        buffer[begin + block.nbytes : begin + size] = 0
        begin += size
    return buffer


def unpack(buffer: Bytes, sizes: Sequence[int], kinds: Sequence[tuple[tuple[int, ...], np.dtype]]) -> list[Array]:
    """The inverse of `pack`: views of `buffer`."""
    begins = np.cumsum([0, *sizes])
    return [
        buffer[begin : begin + n_bytes(shape, dtype)].view(dtype).reshape(shape)
        for begin, (shape, dtype) in zip(begins, kinds, strict=False)
    ]
