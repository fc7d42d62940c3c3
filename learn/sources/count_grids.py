"""Grids of particles and halos as others keep them: {name}_particle_counts.npy and {name}_halo_counts.npy."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from configs import CountGrids
from configs.counting import MAX_CELLS
from learn.data import About, Split
from learn.sources.patches import Cube, PatchSource
from sim.count_shards import COUNT_UNIT, INPUT_CHANNELS, PARAM_NAMES, UNIT
from sim.splits import split as parted

PARTICLES, HALOS = "_particle_counts.npy", "_halo_counts.npy"


@dataclass(frozen=True)
class StoredGrids:
    """The two files of a box."""

    particles: Path
    halos: Path
    n_bins: int
    params: tuple[float, ...]

    def load(self) -> Cube:
        """ValueError names the file whose numbers are no counts, or which holds no particle at all."""
        particles, halos = checked(self.particles), checked(self.halos)
        mean = particles.mean(dtype=np.float64)
        if not mean > 0:
            raise ValueError(f"{self.particles}: expected particles, found none")
        halos = halos.reshape(-1, *halos.shape[-3:])
        if len(halos) != self.n_bins:
            raise ValueError(f"{self.halos}: expected {self.n_bins} bins of halos (channels), got {len(halos)}")
        if (halos != np.rint(halos)).any():
            raise ValueError(f"{self.halos}: expected whole numbers of halos, got others")
        return Cube((particles / mean).astype(np.float32), halos, np.array(self.params, np.float32))


def open_grids(config: CountGrids, split: Split) -> PatchSource:
    """The boxes of one split; FileNotFoundError or ValueError names what is missing or does not fit."""
    every = sorted(path.name.removesuffix(PARTICLES) for path in config.folder.glob(f"*{PARTICLES}"))
    if not every:
        raise FileNotFoundError(f"{config.folder}: expected NAME{PARTICLES} and NAME{HALOS}, found none")
    params = tuple(float(getattr(config, name)) for name in PARAM_NAMES)
    files = {name: [StoredGrids(*pair_of(config.folder, name), len(config.channels), params)] for name in every}
    names = parted(every, config.split, config.seed)[split]
    if not names:
        raise ValueError(f"{config.folder}: simulations in the {split} split, found none with shares {config.split}")
    n_cells = shape_of(files[names[0]][0].particles)[-1]
    about = About(
        input_channels=INPUT_CHANNELS,
        target_channels=config.channels,
        unit=UNIT,
        target_unit=COUNT_UNIT,
        n_dims=3,
        pixel_size=config.box_size / n_cells,
        box_size=config.box_size,
        depth=config.box_size,
        periodic=True,
        param_names=PARAM_NAMES,
        data_sha256=identity(config, every),
    )
    return PatchSource({name: files[name] for name in names}, config, about)


def pair_of(folder: Path, name: str) -> tuple[Path, Path]:
    """The two files of a box; FileNotFoundError without that of the halos."""
    particles, halos = folder / f"{name}{PARTICLES}", folder / f"{name}{HALOS}"
    if not halos.is_file():
        raise FileNotFoundError(f"{halos}: expected the halos of {particles.name}, found none")
    return particles, halos


def shape_of(path: Path) -> tuple[int, ...]:
    """Of the array in an .npy file, from its header alone: ValueError unless it is (..., N, N, N) of numbers."""
    try:
        with path.open("rb") as file:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read(file)
            size = file.tell() + dtype.itemsize * int(np.prod(shape, dtype=object))
    except ValueError as error:
        raise ValueError(f"{path}: expected an .npy file, got: {error}") from error
    if dtype.hasobject or dtype.kind not in "iuf" or len(shape) not in (3, 4) or len(set(shape[-3:])) > 1:
        raise ValueError(f"{path}: expected numbers (N, N, N) or (bins, N, N, N), got {dtype} {shape}")
    if not 0 < shape[-1] <= MAX_CELLS or size != path.stat().st_size:
        raise ValueError(f"{path}: expected {size} bytes of at most {MAX_CELLS}^3 cells, got {path.stat().st_size}")
    return tuple(shape)


def checked(path: Path) -> NDArray[Any]:
    """The counts of a file; ValueError where they are negative or no numbers."""
    shape_of(path)
    counts = np.load(path, allow_pickle=False)
    if not (np.isfinite(counts).all() and counts.min() >= 0):
        raise ValueError(f"{path}: expected counts >= 0 in every cell, got others")
    return counts


def identity(config: CountGrids, names: list[str]) -> str:
    """Of what is read and how it is parted, not of where it is: names, sizes and shares."""
    told = config.model_dump_json(exclude={"folder", "patch", "spacing", "margin"})
    sizes = [f"{name} {path.stat().st_size}" for name in names for path in pair_of(config.folder, name)]
    return hashlib.sha256("\n".join([told, *sizes]).encode()).hexdigest()
