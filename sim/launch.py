"""The ranks that a launcher such as mpiexec started, how they share the cores, and how they speak with one voice."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from configs.command import USER_ERROR, user_errors
from sim.agreement import Refused
from sim.memory import hosts_of
from sim.parallel import Comm, MpiComm, SerialComm, n_threads_of_rank, set_threads

PROG = "python -m sim"
MPI_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""Variables with which launchers tell a process how many ranks it is one of."""
FAILED = 1
LAST_WORDS_S = 0.5
"""A launcher that is told to end all ranks drops what they said and it has not passed on."""


def world() -> Comm:
    """The ranks that a launcher started, or one."""
    return MpiComm() if any(int(os.environ.get(name, 1)) > 1 for name in MPI_SIZES) else SerialComm()


@contextmanager
def one_voice(comm: Comm) -> Iterator[None]:
    """`user_errors` for ranks: what all refuse the first says; what only some raise ends all, with the same codes."""
    if not isinstance(comm, MpiComm):
        with user_errors(PROG):
            yield
        return
    try:
        yield
    except Refused as error:
        if comm.rank == 0:
            print(f"{PROG}: {error}", file=sys.stderr)
        raise SystemExit(USER_ERROR) from error
    except BaseException as error:
        is_users = isinstance(error, ValueError | FileNotFoundError) and not os.environ.get("DARKGLASS_TRACEBACK")
        words = f"{PROG}: rank {comm.rank}: {error}\n" if is_users else traceback.format_exc()
        print(words, end="", file=sys.stderr, flush=True)
        time.sleep(LAST_WORDS_S)
        comm.abort(USER_ERROR if is_users else FAILED)
        raise


def share_threads(comm: Comm) -> None:
    """Divide the cores of a host among its ranks."""
    hosts = hosts_of(comm)
    set_threads(max(1, n_threads_of_rank() // hosts.count(hosts[comm.rank])))


def announce(line: str, comm: Comm) -> None:
    """Print `line` once."""
    if comm.rank == 0:
        print(line)
