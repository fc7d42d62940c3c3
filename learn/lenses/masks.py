"""Masks as those who prepare real images draw them: over neighbours, the core of the lens, and what is far from it.

Angles are in halves of the side of an image. Knows nothing of systems or of files.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

N_DISCS = 5  # fewer than that are drawn
DISC = (0.03, 0.15)  # radii of neighbours and point images
CORE = (0.03, 0.2)
RIM = (0.8, 1.3)


def drawn(rng: np.random.Generator, n: int, centre: tuple[float, float]) -> NDArray[np.bool_]:
    """Which pixels (n, n) are used of an image whose lens is at `centre`."""
    x, y = np.meshgrid(*[(np.arange(n) + 0.5) * 2 / n - 1] * 2)
    used = np.full((n, n), True)
    for _ in range(rng.integers(N_DISCS)):
        used &= np.hypot(x - rng.uniform(-1, 1), y - rng.uniform(-1, 1)) > rng.uniform(*DISC)
    from_lens = np.hypot(x - centre[0], y - centre[1])
    if rng.random() < 0.5:
        used &= from_lens > rng.uniform(*CORE)
    if rng.random() < 0.5:
        used &= from_lens < rng.uniform(*RIM)
    return used
