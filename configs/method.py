"""What every configuration of a method says."""

from __future__ import annotations

from collections.abc import Sequence

from configs.frozen import Frozen


class Method(Frozen):
    """A method: what is learned, and how fields are written as logarithms for it."""

    def gaps(self, _channels: Sequence[str]) -> tuple[float, ...]:
        """Dex between an empty pixel and the faintest other, a channel; () where pixels are not told apart."""
        return ()
