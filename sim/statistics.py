"""Normalisation statistics of a set of cutouts: over the training split alone, and in the files of VDM-BIND."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from configs.files import replacing
from sim.moments import Moments, total
from sim.samples import PartRecord

STATISTICS = {
    "dark_matter_normalization_stats.npz": ("dm_mag", "target/dark_matter"),
    "gas_normalization_stats.npz": ("gas_mag", "target/gas"),
    "stellar_normalization_stats.npz": ("star_mag", "target/stars"),
}


def moments_of(parts: Sequence[PartRecord], simulations: Sequence[str]) -> dict[str, Moments]:
    """Moments of every channel over the shards of some simulations, in the order of the shards."""
    chosen = [one for one in parts if one.simulation in set(simulations)]
    return {name: total(one.moments[name] for one in chosen) for name in (chosen[0].moments if chosen else ())}


def write_statistics(folder: Path, moments: Mapping[str, Moments]) -> None:
    """Write mean and standard deviation of log10(1 + mass) of the three targets, each in the file of its name."""
    for name, (prefix, channel) in STATISTICS.items():
        found = moments[channel]
        values = {f"{prefix}_mean": found.mean, f"{prefix}_std": found.std, "n_pixels": found.n}
        with replacing(folder / name) as temporary:
            np.savez(temporary, allow_pickle=False, **{key: np.array(value) for key, value in values.items()})
