"""What the ranks of a run decide together, so that all go on, or all stop with the same words.

Knows nothing of what is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.parallel import Comm

Result = TypeVar("Result")


class Refused(ValueError):
    """What a user asked for cannot be done. Every rank raises it, with the same words."""


def together(comm: Comm, call: Callable[[], Result]) -> Result:
    """What `call()` returns here, once it has returned on every rank.

    Where it raises ValueError or FileNotFoundError on some of several ranks, every rank raises Refused with the words
    of the first.
    """
    if comm.size == 1:
        return call()
    words = ""
    try:
        result = call()
    except (ValueError, FileNotFoundError) as error:
        words = str(error) or type(error).__name__
    for said in comm.allgather(encoded(words)):
        if said.size:
            raise Refused(decoded(said))
    return result


def word_of_first(comm: Comm, words: str) -> str:
    """The `words` of rank 0, on every rank."""
    return decoded(comm.allgather(encoded(words if comm.rank == 0 else ""))[0])


def wait_for_all(comm: Comm) -> None:
    """Return when every rank has called this."""
    comm.allgather(np.empty(0, np.uint8))


def encoded(words: str) -> NDArray[np.uint8]:
    """`words` as bytes that a Comm can carry."""
    return np.frombuffer(words.encode(), np.uint8)


def decoded(said: NDArray[np.uint8]) -> str:
    """The inverse of `encoded`."""
    return said.tobytes().decode()
