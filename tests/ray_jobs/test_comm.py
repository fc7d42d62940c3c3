"""RayComm keeps the contract of every Comm, and an N-body run on actors is that on threads, to the bit."""

from __future__ import annotations

import math
import os
import sys
import time

import numpy as np
import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed")

from configs import Box, Cosmology  # noqa: E402
from ray_jobs import comm  # noqa: E402
from ray_jobs.comm import label, pack, padded, parse, run_on_actors, unpack  # noqa: E402
from sim import nbody  # noqa: E402
from sim.nbody import State  # noqa: E402
from sim.parallel import Comm, SerialComm, ThreadComm  # noqa: E402
from tests import laws  # noqa: E402

# Workers cannot import test modules by name: other packages install a `tests` too.
for module in (laws, sys.modules[__name__]):
    ray.cloudpickle.register_pickle_by_value(module)

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_local")]

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
BOX = Box(cosmology=PLANCK, box_size=64.0, n_particles=16, seed=3, n_steps=3)


def last(comm: Comm, box: Box) -> State:
    *_, state = nbody.run(box, comm)
    return state


def contract_and_run(comm: Comm, box: Box) -> tuple[str, State]:
    laws.check_comm(comm)
    check_every_dtype(comm)
    return f"rank {comm.rank} of {comm.size}", last(comm, box)


def check_every_dtype(comm: Comm) -> None:
    for dtype in ("?", "i1", "u2", "<i8", ">f4", "f8", "c16"):
        for shape in ((), (0,), (3, 0, 2), (2, 1, 3)):
            for got in comm.alltoall([np.ones(shape, dtype)] * comm.size):
                np.testing.assert_array_equal(got, np.ones(shape, dtype), strict=True)


def test_the_contract_and_a_run_like_that_on_threads() -> None:
    serial = last(SerialComm(), BOX)
    results = run_on_actors(contract_and_run, 3, BOX, timeout_s=120)
    assert [name for name, _ in results] == [f"rank {rank} of 3" for rank in range(3)]
    found = np.sort(np.concatenate([state.ids for _, state in results]))
    np.testing.assert_array_equal(found, np.sort(serial.ids))
    for (_, ours), theirs in zip(results, ThreadComm.run(3, lambda comm: last(comm, BOX)), strict=True):
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        np.testing.assert_array_equal(ours.pos, theirs.pos)
        np.testing.assert_array_equal(ours.mom, theirs.mom)


@pytest.mark.gpu
def test_the_contract_by_nccl(cuda: str) -> None:
    """One rank: two need two GPUs."""
    store = comm.TCPStore("127.0.0.1", 0, 1, is_master=True)
    laws.check_comm(comm.RayComm(0, 1, store, "127.0.0.1", 60.0, device=cuda))


def one_rank_fails(comm: Comm, how: str) -> None:
    if comm.rank == 1 and how == "raises":
        raise ValueError("rank 1 cannot go on")
    if comm.rank == 1:
        os._exit(1)
    comm.alltoall([np.zeros(1)] * comm.size)


def test_a_rank_that_raises_is_heard_at_once() -> None:
    with pytest.raises(ValueError, match="rank 1 cannot go on"):
        run_on_actors(one_rank_fails, 2, "raises", timeout_s=120)


def test_a_rank_that_dies_is_an_error() -> None:
    # Either Ray says so first, or the rank that waits for the dead one.
    with pytest.raises((ray.exceptions.ActorDiedError, RuntimeError)):
        run_on_actors(one_rank_fails, 2, "dies", timeout_s=120)


def test_actors_without_room_are_given_up() -> None:
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match="expected rank 0 to start in time, still waiting for 1 of 1"):
        run_on_actors(one_rank_fails, 1, "", timeout_s=1, num_cpus=1000)
    assert time.monotonic() - begin < 10


def test_work_takes_as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comm, "PATIENCE_S", 0.05)
    slow = ray.remote(lambda: time.sleep(0.5) or "done")
    assert comm.gather([slow.remote()], math.inf, "a slow task") == ["done"]
    with pytest.raises(RuntimeError, match="expected a slow task in time, still waiting for 1 of 1"):
        comm.gather([slow.remote()], time.monotonic() + 0.2, "a slow task")


def test_labels_and_buffers_round_trip() -> None:
    blocks = [np.array(5, "i1"), np.arange(7, dtype="<u8"), np.ones((2, 3), ">c8"), np.zeros((0, 4), "f2")]
    kinds = [parse(label(block)) for block in blocks]
    sizes = [padded(block.nbytes) for block in blocks]
    for got, block in zip(unpack(pack(blocks, sizes), sizes, kinds), blocks, strict=True):
        np.testing.assert_array_equal(got, block, strict=True)
        assert got.flags.aligned


@pytest.mark.parametrize("block", [np.array([None]), np.array(["a"]), np.zeros((1,) * 7)])
def test_what_cannot_travel_is_refused(block: np.ndarray) -> None:
    with pytest.raises(ValueError, match="alltoall: expected numbers in at most 6 dimensions"):
        label(block)
