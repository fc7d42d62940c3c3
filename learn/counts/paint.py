"""Halos for the box that a person has: its density as the model knows it, and draws of the halos in it, kept.

Knows files; the counting is that of `learn.halo_painter`. A draw is a function of the configuration and its number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs import FoundHalos, PaintHalos, provenance
from configs.counting import MAX_CELLS
from configs.files import replacing
from learn.counts.boxes_figure import boxes_figure
from learn.halo_painter import HaloPainter, Halos, over_mean
from learn.portfolio import png
from sim import sides, snapshot
from sim.count_grids import RECORD, density_in, density_of, n_cells_of

Density = NDArray[np.float32]
DENSITY, ABOUT, PICTURE = "density.npy", "paint.json", "halos.png"
SHOWN = 2
"""Draws in the picture."""


@dataclass(frozen=True)
class Given:
    """Density (N, N, N) over its mean, and what is known of its universe by name."""

    density: Density
    known: Mapping[str, float]


def paint(config: PaintHalos) -> Iterator[Path]:
    """Write every draw that is not there, one after the other, what they are and a picture; yields the files of all."""
    begin(config)
    for i in range(config.n_draws):
        path = draw_path(config, i)
        yield path if path.is_file() else paint_one(i, config)
    picture(config)


def picture(config: PaintHalos) -> Path:
    """Write a slab of the density and of the first draws, to look at."""
    about = json.loads((config.out / ABOUT).read_text())
    halos = {f"halos, draw {i}": np.load(draw_path(config, i)) for i in range(min(SHOWN, config.n_draws))}
    figure = boxes_figure(np.load(config.out / DENSITY), halos, about["cell_size"], title=about["source"])
    path = config.out / PICTURE
    with replacing(path) as temporary:
        temporary.write_bytes(png(figure))
    return path


def begin(config: PaintHalos) -> None:
    """Write the density and paint.json; ValueError where `out` holds draws of something else."""
    painter = HaloPainter.load(config.checkpoint)
    given = given_by(config, painter)
    about = described(config, painter, given)
    path = config.out / ABOUT
    if path.is_file() and json.loads(path.read_text())["made_from"] != about["made_from"]:
        raise ValueError(
            f"{config.out}: expected draws of the same model in the same box, got others; choose another out"
        )
    keep(config.out / DENSITY, given.density)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n")


def paint_one(i: int, config: PaintHalos) -> Path:
    """Write draw `i`: halos (C, N, N, N), int32."""
    painter = HaloPainter.load(config.checkpoint)
    given = given_by(config, painter)
    halos: Halos = painter(given.density, params_of(config, painter, given), seed=seed_of(config, i), tile=config.tile)
    return keep(draw_path(config, i), halos)


def draw_path(config: PaintHalos, i: int) -> Path:
    return config.out / f"halos_{i:06d}.npy"


def given_by(config: PaintHalos, painter: HaloPainter) -> Given:
    """The density of the source on cells of the painter's size."""
    cell, path = painter.meta.pixel_size, config.source
    if path.suffix == ".npy":
        return Given(read_density(path), {})
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected the folder of a box, a snapshot or a density, found nothing")
    if (path / RECORD).is_file():
        kind = painter.meta.input_channels[0].removeprefix("density").removeprefix("_") or "particles"
        told = {"kind": "own", "simulations": path.parent, "redshift": config.redshift, "density": kind}
        known = {**sides.read_box(path).cosmology.model_dump(), "redshift": config.redshift}
        return Given(density_in(path, FoundHalos.model_validate(told), cell), known)
    found = snapshot.read(path)
    n_cells = n_cells_of(found.box_size, cell, str(path))
    density = density_of(found.particles["dark_matter"].pos, found.box_size, n_cells)
    return Given(density, {"omega_m": found.omega_m, "h": found.h, "redshift": found.redshift})


def read_density(path: Path) -> Density:
    """Numbers (D, H, W) over their mean; FileNotFoundError, or ValueError for anything else."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a density, found none")
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path}: expected a whole .npy file of numbers, got: {error}") from error
    if values.ndim != 3 or values.dtype.kind not in "fiu" or max(values.shape) > MAX_CELLS:
        raise ValueError(f"{path}: expected numbers (D, H, W) of at most {MAX_CELLS} cells, got {values.shape}")
    return over_mean(values, str(path))


def params_of(config: PaintHalos, painter: HaloPainter, given: Given) -> NDArray[np.float32]:
    """Parameters (p,): as told, else of the source, else the training means."""
    known = {name: value for name, value in given.known.items() if name in painter.meta.param_names}
    return painter.params_from(known | config.params)


def seed_of(config: PaintHalos, i: int) -> int:
    """Of draw `i`: below what painters take."""
    return int(np.random.SeedSequence((config.seed, i)).generate_state(1, np.uint64)[0] >> np.uint64(25))


def described(config: PaintHalos, painter: HaloPainter, given: Given) -> dict[str, object]:
    """What paint.json holds; `made_from` decides every draw."""
    meta, params = painter.meta, params_of(config, painter, given)
    return {
        **provenance(),
        "source": config.source.name,
        "channels": meta.target_channels,
        "unit": meta.target_unit,
        "cell_size": meta.pixel_size,
        "n_draws": config.n_draws,
        "made_from": {
            "weights_sha256": meta.weights_sha256,
            "seed": config.seed,
            "params": dict(zip(meta.param_names, params.tolist(), strict=True)),
            "cells": list(given.density.shape),
            "density": float(given.density.astype(np.float64).var()),
        },
    }


def keep(path: Path, values: NDArray) -> Path:
    """Write an .npy file, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, values, allow_pickle=False)
    return path
