"""What one rank is refused all are; nobody waits for one that left."""

from __future__ import annotations

import pytest

from sim.agreement import Refused, together, wait_for_all, word_of_first
from sim.parallel import SERIAL, Comm, ThreadComm


def complaint(comm: Comm, *complainers: int) -> str:
    def call() -> int:
        if comm.rank in complainers:
            raise (ValueError if comm.rank % 2 else FileNotFoundError)(f"rank {comm.rank} has none")
        return comm.rank

    try:
        return f"got {together(comm, call)}"
    except Refused as error:
        wait_for_all(comm)
        return str(error)


def test_all_hear_the_first_complaint() -> None:
    assert ThreadComm.run(4, lambda comm: complaint(comm, 1, 2)) == ["rank 1 has none"] * 4
    assert ThreadComm.run(4, lambda comm: complaint(comm, 2)) == ["rank 2 has none"] * 4


def test_without_a_complaint_each_has_its_own() -> None:
    assert ThreadComm.run(3, complaint) == ["got 0", "got 1", "got 2"]


def test_one_rank_complains_in_its_own_way() -> None:
    with pytest.raises(FileNotFoundError, match="rank 0 has none"):
        complaint(SERIAL, 0)


def test_what_is_not_the_users_fault_is_not_caught() -> None:
    with pytest.raises(ZeroDivisionError):
        ThreadComm.run(2, lambda comm: together(comm, lambda: 1 // comm.rank))


def test_the_first_speaks_for_all() -> None:
    assert ThreadComm.run(3, lambda comm: word_of_first(comm, f"é {comm.rank}")) == ["é 0"] * 3
