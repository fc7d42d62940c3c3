"""What is judged: a checkpoint, or a folder of maps that any other emulator painted. Both are asked map by map."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from configs import Evaluate
from learn.checkpoint import Meta
from learn.data import About, Batch, Source
from learn.predict import Predictor
from learn.predictions import Predictions

Maps = NDArray[np.float32]


class Subject(Protocol):
    """A painter of maps, in Msun/h/(Mpc/h)^2."""

    n_draws: int
    """Answers to a map; 1 of a deterministic painter."""

    def draws(self, simulation: str, batch: Batch, i_map: int) -> Maps:
        """Answers (n_draws, C, P, P) to the i-th map of a simulation, all of whose maps are `batch`."""
        ...

    def record(self) -> dict[str, Any]:
        """What it is, for metrics.json."""
        ...


class Checkpoint:
    """A trained painter. ValueError if it was trained on maps of another kind than `about`."""

    def __init__(self, folder: Path, about: About, *, n_draws: int) -> None:
        self.folder, self.pixel_size = folder, about.pixel_size
        self.predictor = Predictor.load(folder)
        refuse_different(self.predictor.meta, about, folder)
        self.n_draws = n_draws if self.predictor.is_stochastic else 1

    def draws(self, _simulation: str, batch: Batch, i_map: int) -> Maps:
        """The seed of the draws of a map is its own, so no two maps share their noise."""
        maps, params = batch.inputs[i_map : i_map + 1].numpy(), batch.params[i_map : i_map + 1].numpy()
        seed = int(batch.seeds[i_map])
        return self.predictor.draws(maps, params, self.n_draws, pixel_size=self.pixel_size, seed=seed)[:, 0]

    def record(self) -> dict[str, Any]:
        meta = self.predictor.meta
        found = {"step": meta.step, "commit": meta.commit, "weights_sha256": meta.weights_sha256}
        return {"kind": "checkpoint", "where": str(self.folder), **found}


class Folder:
    """Maps that were painted before."""

    def __init__(self, folder: Path, source: Source) -> None:
        n_pixels = source.about.n_pixels
        n_maps = {name: len(indices) for name, indices in source.simulations.items()}
        self.predictions = Predictions(folder, n_maps, (len(source.about.target_channels), n_pixels, n_pixels))
        self.n_draws = self.predictions.n_draws

    def draws(self, simulation: str, _batch: Batch, i_map: int) -> Maps:
        return self.predictions.draws(simulation, i_map)

    def record(self) -> dict[str, Any]:
        return {"kind": "predictions", "where": str(self.predictions.folder), "step": None, "commit": None}


def open_subject(config: Evaluate, source: Source) -> Subject:
    """What `config` names, if it paints maps like those of `source`."""
    if config.checkpoint is not None:
        return Checkpoint(config.checkpoint, source.about, n_draws=config.n_draws)
    assert config.predictions is not None
    return Folder(config.predictions, source)


def refuse_different(meta: Meta, about: About, folder: Path) -> None:
    """ValueError if the maps are not of the kind the painter was trained on."""
    for name in ("param_names", "pixel_size", "depth", "input_channels", "target_channels"):
        trained, given = getattr(meta, name), getattr(about, name)
        same = bool(np.isclose(trained, given, rtol=1e-3)) if isinstance(given, float) else trained == given
        if not same:
            raise ValueError(f"data: expected {name} {trained} as in {folder}, got {given}")
