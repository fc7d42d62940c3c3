"""Squares of pixels, or cubes of voxels, as the cells of a coarser map. Knows shapes only."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def into_cells(x: Tensor, patch: int) -> Tensor:
    """(B, C, H, W) -> (B, C p^2, H/p, W/p); cubes (B, C, D, H, W) -> (B, C p^3, D/p, H/p, W/p)."""
    if x.ndim == 4:
        return functional.pixel_unshuffle(x, patch)
    n, channels, *sides = x.shape
    split = x.reshape(n, channels, *(part for side in sides for part in (side // patch, patch)))
    return split.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(n, channels * patch**3, *(side // patch for side in sides))


def into_pixels(cells: Tensor, patch: int) -> Tensor:
    """The inverse of `into_cells`."""
    if cells.ndim == 4:
        return functional.pixel_shuffle(cells, patch)
    n, channels, *sides = cells.shape
    split = cells.reshape(n, channels // patch**3, patch, patch, patch, *sides)
    return split.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(n, channels // patch**3, *(side * patch for side in sides))


def refuse_indivisible(x: Tensor, stride: int) -> None:
    """ValueError unless `stride` divides all sides of the maps."""
    sides = x.shape[2:]
    if any(side % stride for side in sides):
        raise ValueError(f"map: sides divisible by {stride}, got {' x '.join(map(str, sides))} pixels")
