"""Which simulations are for training, validation and test. Knows nothing of what is learned from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SPLITS = ("train", "validation", "test")


def split(names: Sequence[str], shares: Sequence[float], seed: int) -> dict[str, tuple[str, ...]]:
    """Names of the simulations of each part, at least one where the share is not zero; the same for any order."""
    wanted = sum(share > 0 for share in shares)
    if len(names) < wanted:
        raise ValueError(f"split: expected at least {wanted} simulations for shares {tuple(shares)}, got {len(names)}")
    counts = [max(1, round(share * len(names))) if share > 0 else 0 for share in shares]
    largest = int(np.argmax(shares))
    counts[largest] += len(names) - sum(counts)
    shuffled = np.random.default_rng(seed).permutation(sorted(names)).tolist()
    parts = np.split(np.array(shuffled), np.cumsum(counts)[:-1])
    return {part: tuple(sorted(chosen.tolist())) for part, chosen in zip(SPLITS, parts, strict=True)}
