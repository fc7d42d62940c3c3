"""What a painter without fault would score: another draw of the same halos differs from the truth by chance.

Both are what the density says, of power S, and a residue of power E that it does not say: the stochasticity, all of it,
so that this is an upper bound where bias is not linear. Modes are taken as Gaussian, N of them in a bin independent.
Of n draws averaged, P of them less P of the truth scatters by

    sqrt((2 S E + E^2) (1 + 1 / n) / N),

and E by that without S; the number of halos in a volume V by sqrt(E / V) of itself. Knows arrays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from learn.scores.halo_scores import Means, means_of
from learn.scores.halo_statistics import Measured

Array = NDArray[np.float64]
N_TRIALS = 4000
SEED = 0
CLUSTERED = 1e-9
"""Share of the power below which its two-halo part is rounding."""


def by_chance(
    truth: Measured, i_channel: int, used: NDArray[np.bool_], n_modes: Array, *, n_draws: int
) -> dict[str, float] | None:
    """Mean power_worst, two_halo, shot_noise and stochasticity_worst of painters without fault; None without halos.

    n_modes (K,) are those of a box of which a half are independent; `used` (K,) the bins that are scored. What has no
    finite number is left out: a single halo has no two-halo part.
    """
    n_boxes = len(truth.number)
    true = means_of(truth, i_channel, drawn=False)
    if not (true.number[0] > 0 and used.any()):
        return None
    apart = np.sqrt((1 + 1 / n_draws) / n_boxes)
    power, residue = (x[0, used] for x in (true.power, true.stochasticity))
    per_mode = apart / np.sqrt(n_modes[used] / 2)
    power_error = np.sqrt(np.maximum(power**2 - (power - residue) ** 2, 0)) * per_mode
    signs = np.abs(np.random.default_rng(SEED).standard_normal((N_TRIALS, int(used.sum()))))
    clustered = float(np.abs(true.two_halo[0, used]).sum())
    is_clustered = clustered > CLUSTERED * power.sum()
    found = {
        "power_worst": worst(signs * power_error / power),
        "two_halo": float((signs * power_error).sum(axis=1).mean()) / clustered if is_clustered else np.inf,
        "shot_noise": number_error(true, used, n_modes) * apart * float(np.sqrt(2 / np.pi)),
        "stochasticity_worst": worst(signs * per_mode),
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def worst(found: Array) -> float:
    """The mean over trials (T, K) of the largest."""
    return float(found.max(axis=1).mean())


def number_error(true: Means, used: NDArray[np.bool_], n_modes: Array) -> float:
    """Relative scatter of the number of halos in a box: the residue is white."""
    residue = np.average(true.stochasticity[0, used], weights=n_modes[used])
    return float(np.sqrt(max(residue, 0.0) / true.shot[0] / true.number[0]))
