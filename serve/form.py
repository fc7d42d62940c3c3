"""What an array of a request may be: its axes, and how long they, and the body that holds it, may be.

Knows nothing of bytes, of HTTP or of what the numbers mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MAX_HEADER = 1024  # of a .npy body: one of numpy's own is 118 bytes long
OVERHEAD = 65536  # keys, names and white space beside the numbers of a JSON body
JSON_BYTES_PER_NUMBER = 26  # sign, 17 digits, point, exponent, comma and a space


@dataclass(frozen=True)
class Form:
    """An array called `name` with `axes`, each from 1 to `sides` long, or as long as they where `is_exact`."""

    name: str
    axes: tuple[str, ...]
    sides: tuple[int, ...]
    is_exact: bool = False

    @property
    def max_bytes_npy(self) -> int:
        """The longest .npy body that may hold one."""
        return MAX_HEADER + 8 * prod(self.sides)

    @property
    def max_bytes_json(self) -> int:
        """The longest JSON body that may hold one."""
        return OVERHEAD + JSON_BYTES_PER_NUMBER * prod(self.sides)

    @property
    def max_lists(self) -> int:
        """Most lists in a JSON body that holds one."""
        return sum(prod(self.sides[:i]) for i in range(len(self.sides)))

    @property
    def words(self) -> str:
        """How large it may be."""
        sides = " x ".join(map(str, self.sides))
        return sides if self.is_exact else f"at most {sides}"

    def refuse(self, shape: Sequence[int]) -> None:
        """ValueError unless `shape` is that of one."""
        if len(shape) != len(self.axes):
            axes = f"{len(self.axes)} axes ({', '.join(self.axes)})"
            raise ValueError(f"{self.name}: expected {axes}, got {len(shape)}: shape {tuple(shape)}")
        least = self.sides if self.is_exact else (1,) * len(self.sides)
        if not all(low <= side <= high for low, side, high in zip(least, shape, self.sides, strict=True)):
            raise ValueError(f"{self.name}: expected {self.words} ({', '.join(self.axes)}), got shape {tuple(shape)}")

    def single_precision(self, numbers: NDArray) -> Floats:
        """`numbers` as contiguous float32; ValueError unless all are finite, also after the conversion."""
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(numbers, dtype=np.float32)
        strange = np.argwhere(~np.isfinite(array))
        if len(strange):
            first = tuple(strange[0].tolist())
            where = ", ".join(f"{axis} {i}" for axis, i in zip(self.axes, first, strict=True))
            raise ValueError(
                f"{self.name}: expected finite numbers below 3.4e38, got {len(strange)} others, "
                f"the first {numbers[first]} at {where}"
            )
        return array


NOTHING = Form("nothing", (), ())
"""A request without an array."""
