"""Baryons for the dark matter that a person has: a box, a snapshot or a map, painted by a checkpoint and kept.

Knows files; the painting is that of `learn.predict`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs import Baryons, provenance
from configs.files import replacing
from learn.figures import painted_figure
from learn.predict import Predictor
from sim.matter import Axis, read_matter

Maps = NDArray[np.float32]


@dataclass(frozen=True)
class Given:
    """A map (H, W) [Msun/h/(Mpc/h)^2], the side of its pixels [Mpc/h], and what is known of its universe by name."""

    map: Maps
    pixel_size: float
    known: Mapping[str, float]
    name: str


def paint(
    checkpoint: Path,
    source: Path,
    out: Path,
    *,
    values: Mapping[str, float] | None = None,
    n_draws: int = 1,
    seed: int = 0,
    redshift: float = 0.0,
    axis: Axis = 2,
) -> Path:
    """Write input.npy (H, W), painted.npy (draws, C, H, W), painted.png and paint.json to `out`; the folder.

    `source` is a box that `simulate` wrote, a snapshot, or a map (.npy) of the painter's pixels. `values` are
    parameters by name, before what the source says of itself, before the training means. FileNotFoundError or
    ValueError says what is missing or cannot be painted.
    """
    if n_draws < 1:
        raise ValueError(f"draws: at least 1, got {n_draws}")
    painter, values = Predictor.load(checkpoint), values or {}
    given = shown(painter, source, values, redshift=redshift, axis=axis)
    known = {name: value for name, value in given.known.items() if name in painter.meta.param_names}
    params = painter.params_from(known | dict(values))
    n_draws = n_draws if painter.is_stochastic else 1
    draws = painter.draws(given.map[None], params[None], n_draws, given.pixel_size, seed=seed)[:, 0]
    return write(out, painter, given, draws, params=params, seed=seed)


def shown(painter: Predictor, source: Path, values: Mapping[str, float], *, redshift: float, axis: Axis) -> Given:
    """What the painter is shown of `source`."""
    meta = painter.meta
    if source.suffix == ".npy":
        return Given(read_map(source), meta.pixel_size, {}, source.name)
    baryons = Baryons.model_validate({name: x for name, x in values.items() if name in Baryons.model_fields})
    matter = read_matter(source, baryons, redshift=redshift)
    density = matter.map(pixel_size=meta.pixel_size, depth=meta.depth, stride=painter.stride, axis=axis)
    return Given(density, matter.box_size / len(density), matter.known, matter.name)


def read_map(path: Path) -> Maps:
    """A map (H, W) in an .npy file; FileNotFoundError, or ValueError for anything else."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a map, found none")
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path}: expected a whole .npy file of numbers, got: {error}") from error
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise ValueError(f"{path}: expected a map (H, W) of numbers, got {values.dtype} {values.shape}")
    return np.array(values, np.float32)


def write(out: Path, painter: Predictor, given: Given, draws: Maps, *, params: Maps, seed: int) -> Path:
    """The files of a painting."""
    meta = painter.meta
    out.mkdir(parents=True, exist_ok=True)
    for name, maps in {"input": given.map, "painted": draws}.items():
        with replacing(out / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, maps, allow_pickle=False)
    with replacing(out / "painted.png") as temporary:
        side = given.pixel_size * given.map.shape[1]
        title = f"{given.name}, painted after {meta.step} training steps"
        painted_figure(given.map, draws[0], side, channels=meta.target_channels, title=title).savefig(temporary)
    about = {
        **provenance(),
        "source": given.name,
        "weights_sha256": meta.weights_sha256,
        "channels": meta.target_channels,
        "unit": meta.unit,
        "pixel_size": given.pixel_size,
        "n_draws": len(draws),
        "seed": seed,
        "params": dict(zip(meta.param_names, params.tolist(), strict=True)),
        "mean": {name: float(x) for name, x in zip(meta.target_channels, draws.mean((0, 2, 3)), strict=True)},
    }
    with replacing(out / "paint.json") as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n")
    return out
