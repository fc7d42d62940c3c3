"""Density of our own boxes as what is generated: no inputs, one target, parameters by name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from configs import Fields
from learn.data import About, Batch, Split
from learn.sources.stock import MANIFEST, Boxes, Cubes, ShardMaps, Stock
from sim.splits import split as parted

Array = NDArray[np.float32]


class FieldSource:
    """The fields of one split; simulations are parted by the shares and the seed of the configuration."""

    def __init__(self, config: Fields, split: Split) -> None:
        self.config, self._stock = config, open_stock(config)
        names = parted(self._stock.names, config.split, config.seed)[split]
        self._fields: list[tuple[str, int]] = []
        self.simulations: Mapping[str, range] = {name: self._list_fields(name) for name in names}
        if not self._fields:
            raise ValueError(
                f"{config.folder}: simulations in the {split} split, found none with shares {config.split}"
            )
        refuse_unknown(config, self._stock.parameters(*self._fields[0]))
        self.about = self._describe()

    def __len__(self) -> int:
        return len(self._fields)

    def read(self, indices: Sequence[int]) -> Batch:
        """The fields with these indices. ValueError names the file of one that is not as it should be."""
        return Batch.stacked((self._read_one(i) for i in indices), indices)

    def close(self) -> None:
        """Close the files; reading opens them again."""
        self._stock.close()

    def _list_fields(self, name: str) -> range:
        """Add the fields of a simulation; their indices."""
        start = len(self._fields)
        self._fields += [(name, i) for i in range(self._stock.n_fields(name))]
        return range(start, len(self._fields))

    def _read_one(self, index: int) -> tuple[Array, ...]:
        name, i_field = self._fields[index]
        where = f"{self.config.folder / name}: field {i_field}"
        field = averaged(self._stock.read(name, i_field), self.config.n_pixels, where=where)
        found = self._stock.parameters(name, i_field)
        params = np.array([found[key] for key in self.config.param_names], np.float32)
        return np.empty((0, *field.shape), np.float32), field[None], params

    def _describe(self) -> About:
        stock = self._stock
        return About(
            input_channels=(),
            target_channels=("dmo",),
            unit=stock.unit,
            n_dims=self.config.n_dims,
            pixel_size=stock.box_size / self.config.n_pixels,
            box_size=stock.box_size,
            depth=stock.depth,
            periodic=True,
            param_names=self.config.param_names,
            data_sha256=self._identity(),
        )

    def _identity(self) -> str:
        """Of what was read and how it is parted, not of where it is."""
        told = self.config.model_dump_json(exclude={"folder"})
        parts = [told, *(f"{name} {self._stock.identity(name)}" for name in self._stock.names)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def open_stock(config: Fields) -> Stock:
    """What `folder` holds. FileNotFoundError for neither simulations nor shards; ValueError for cubes of shards."""
    if not (config.folder / MANIFEST).is_file():
        boxes = (config.folder, config.redshift)
        return Cubes(*boxes, config.n_pixels) if config.n_dims == 3 else Boxes(*boxes)
    if config.n_dims == 3:
        raise ValueError(f"{config.folder}: expected simulations for n_dims=3, got shards of maps")
    return ShardMaps(config.folder, config.redshift)


def averaged(field: Array, n_pixels: int, *, where: str) -> Array:
    """`field` in `n_pixels` a side: means over squares or cubes. ValueError unless they divide and are densities."""
    factor = field.shape[-1] // n_pixels
    if set(field.shape) != {factor * n_pixels} or not factor:
        raise ValueError(f"{where}: expected sides that are multiples of {n_pixels} pixels, got {field.shape}")
    blocks = field.reshape(*(part for _ in field.shape for part in (n_pixels, factor)))
    mean: Array = blocks.mean(axis=tuple(range(1, 2 * field.ndim, 2)), dtype=np.float64).astype(np.float32)
    if not (np.isfinite(mean).all() and mean.min() >= 0):
        raise ValueError(f"{where}: expected densities >= 0, got others")
    return mean


def refuse_unknown(config: Fields, known: Mapping[str, float]) -> None:
    """ValueError unless the simulations have the parameters that are asked for."""
    unknown = sorted(set(config.param_names) - set(known))
    if unknown:
        raise ValueError(f"param_names: some of {', '.join(known)}, got {unknown[0]}")
