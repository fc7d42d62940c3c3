"""What every configuration of a method says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from configs.frozen import Frozen


class Scales(TypedDict):
    """How targets are written as logarithms, which a normaliser is fitted with; of each channel, or () without.

    x0 of log10(1 + x / x0) is `offset` times their mean; `gaps` are dex between an empty pixel and the faintest other;
    `residual` channels are told as what they differ by from a share of the input map.
    """

    offset: float
    gaps: tuple[float, ...]
    residual: tuple[bool, ...]


class Method(Frozen):
    """A method: what is learned, and how fields are written as logarithms for it."""

    def scales(self, _channels: Sequence[str]) -> Scales | None:
        """Those of targets of these channels; None where each map brings its own."""
        return Scales(offset=1.0, gaps=(), residual=())
