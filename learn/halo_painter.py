"""A trained model of halos as a function of a box: density in, whole numbers of halos out, tile by tile.

Any periodic box on cells of the training size will do. What is drawn in a cell depends on the seed, on where the cell
is and on the density around it: not on the tiles. Knows nothing of training or of files.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from types import EllipsisType
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs import Frozen, HaloPainting
from learn.checkpoint import Meta
from learn.methods.halo_counts import Draw, HaloMethod
from learn.model import FarError, Floats, Model, check_seeds

CELL_TOLERANCE = 0.01
"""Largest relative difference between a cell and those of the training boxes."""
TILE = 48
"""Cells along a side that are counted at a time: what is around them costs a third more, and memory stays small."""

Halos = NDArray[np.int32]
Start = tuple[int, ...]


class HaloPainter(Model):
    """Density of a periodic box, over its mean, in; halos in each cell and mass bin out."""

    of: ClassVar[type[Frozen]] = HaloPainting

    def __call__(
        self,
        density: Floats,
        params: Floats | None = None,
        cell_size: float | None = None,
        *,
        seed: int = 0,
        tile: int = TILE,
    ) -> Halos:
        """Density (D, H, W) and parameters (p,), or None for the defaults -> halos (C, D, H, W), the draw of `seed`.

        `cell_size` [Mpc/h], where given, must be that of the training boxes within 1 %. ValueError says what is wrong:
        a side of fewer cells than a model sees around a cell to one side, cells without numbers or below 0; FarError
        where the model has no number of halos for a cell.
        """
        box = self._check(density)
        self.check_cell_size(cell_size)
        given = torch.tensor(self.check_params(None if params is None else np.asarray(params)[None], 1))
        halos = self._halo_method.halos
        seeds = check_seeds(seed, 1)
        drawn = halos.drawn(seeds, box.shape, box.shape)
        shown, normals = halos.wrapped(torch.tensor(box)[None, None]), halos.wrapped(drawn.normals)

        def count(seen: Tensor) -> Tensor:
            counts = torch.empty(1, halos.n_bins, *box.shape)
            for start, end in tiles(box.shape, tile):
                part = Draw(self._around(normals, start, end), drawn.uniforms[within(start, end)])
                counts[within(start, end)] = self._count(self._around(seen, start, end), given, part)
            return counts

        return halos.in_rounds(shown, drawn.normals, count, is_box=True)[0].round().int().numpy()

    def check_cell_size(self, cell_size: float | None) -> None:
        """ValueError unless `cell_size` [Mpc/h] is absent or that of the training boxes."""
        trained = self.meta.pixel_size
        if cell_size is not None and not abs(cell_size / trained - 1) <= CELL_TOLERANCE:
            raise ValueError(f"cell_size: expected {trained:g} Mpc/h within {CELL_TOLERANCE:.0%}, got {cell_size:g}")

    @property
    def _halo_method(self) -> HaloMethod:
        assert isinstance(self._method, HaloMethod)
        return self._method

    def _around(self, wrapped: Tensor, start: Start, end: Start) -> Tensor:
        """The cells from `start` to `end` of a box and those that decide what is in them."""
        wide = tuple(last + 2 * self._halo_method.halos.margin for last in end)
        return wrapped[within(start, wide)]

    def _count(self, shown: Tensor, params: Tensor, drawn: Draw) -> Tensor:
        """Halos (1, C, D, H, W) of one tile."""
        device = self._device
        moved = Draw(drawn.normals.to(device), drawn.uniforms.to(device))
        with torch.inference_mode():
            counts = self._halo_method.count(self._nets, shown.to(device), params.to(device), moved)
        if not torch.isfinite(counts).all():
            raise FarError("request: expected values near those of the training, got cells without a count")
        return counts.cpu()

    def _check(self, density: Floats) -> Floats:
        """(D, H, W) finite float32 >= 0."""
        box, least = np.ascontiguousarray(density, dtype=np.float32), min_side(self.meta)
        if box.ndim != 3 or min(box.shape) < least:
            raise ValueError(f"density: 3 axes of at least {least} cells, got shape {box.shape}")
        if not np.isfinite(box).all() or box.min() < 0:
            raise ValueError("density: finite numbers >= 0 in every cell, got others")
        return box


def over_mean(values: NDArray, where: str) -> NDArray[np.float32]:
    """A density of any unit over its mean; ValueError names `where` that is no number above 0."""
    mean = values.mean(dtype=np.float64)
    if not (np.isfinite(mean) and mean > 0):
        raise ValueError(f"{where}: expected a finite density above 0 in the mean, got {mean}")
    return np.asarray(values / mean, np.float32)


def min_side(meta: Meta) -> int:
    """Fewest cells along a side: what a model sees around a cell to one side."""
    return max(1, meta.config.inception.margin)


def tiles(shape: tuple[int, ...], side: int) -> Iterator[tuple[Start, Start]]:
    """First cell of each tile and the cell after its last: they cover `shape`, none twice. ValueError for no side."""
    if side < 1:
        raise ValueError(f"tile: at least 1 cell along each side, got {side}")
    for start in product(*(range(0, n, side) for n in shape)):
        yield start, tuple(min(first + side, n) for first, n in zip(start, shape, strict=True))


def within(start: Start, end: Start) -> tuple[EllipsisType | slice, ...]:
    """An index of the last three axes."""
    return (..., *(slice(first, last) for first, last in zip(start, end, strict=True)))
