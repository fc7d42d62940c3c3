"""Classical fits that are kept: minutes each, so that no image is fitted twice when systems are judged again.

Knows files.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np

from configs.files import replacing
from learn.lenses.classical import LIGHTS, MASSES, N_FITTED, Classical, Grid, parameters
from learn.lenses.inverter import Exposures
from learn.lenses.scores import Answer

ARRAYS = ("source", "lens", "einstein_radius", "model")


def fitted(folder: Path, fit: Classical, given: Exposures, grid: Grid, seed: int) -> tuple[Answer, bool]:
    """Of the one system of `given`; whether it was made before. `folder` has a file for each."""
    path = folder / f"{named(fit, given, grid, seed)}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ARRAYS}
            return Answer(**arrays, seconds=float(file["seconds"]), n_fitted=N_FITTED), True
    made = fit(*given, grid, seed)
    with replacing(path) as temporary:
        np.savez(temporary, **made._asdict())
    return made, False


def named(fit: Classical, given: Exposures, grid: Grid, seed: int) -> str:
    """By everything that a fit depends on."""
    model = f"{MASSES} {LIGHTS} {parameters()} {version('lenstronomy')}"
    told = f"{model} {asdict(fit)} {asdict(grid)} {seed}".encode()
    return hashlib.sha256(told + b"".join(np.ascontiguousarray(x).tobytes() for x in given)).hexdigest()[:32]


def together(answers: list[Answer]) -> Answer:
    """Of as many systems; seconds are the mean."""
    arrays = {name: np.concatenate([getattr(one, name) for one in answers]) for name in ARRAYS}
    return Answer(**arrays, seconds=float(np.mean([one.seconds for one in answers])), n_fitted=answers[0].n_fitted)
