"""Lines of sight through a box: its maps, and how the halos in it are cut to be pasted back into them.

Knows nothing of files, or of what is painted. The frame of a view is that of the cutouts: its rows and columns are the
axes that follow the line of sight in cyclic order. Everything in a view is cut by `sim.cutouts.cutouts`, as the
training sets are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.blocks import Blocks
from sim.cutouts import Windows, cutouts
from sim.paste import nearest_corner
from sim.rotations import AXES

Array = NDArray[np.float64]
Maps = NDArray[np.float32]

DEPTH_TOLERANCE = 0.01
"""Largest relative difference between the depth of a slab and that of the maps a model was trained on."""
PIXEL_TOLERANCE = 1e-6
"""Largest relative difference between a whole number of pixels and a box."""


@dataclass(frozen=True)
class View:
    """Slab number `slab` of `n_slabs` of a box of side box_size [Mpc/h], seen along `axis`."""

    axis: int
    slab: int
    n_slabs: int
    box_size: float

    @property
    def name(self) -> str:
        return f"axis_{self.axis}_slab_{self.slab}"

    @property
    def depth(self) -> float:
        return self.box_size / self.n_slabs

    @property
    def middle(self) -> float:
        """Of the slab, along the line of sight [Mpc/h]."""
        return (self.slab + 0.5) * self.depth

    @property
    def plane(self) -> list[int]:
        """The axes of rows and columns."""
        return [(self.axis + 1) % 3, (self.axis + 2) % 3]

    def holds(self, center: Array) -> NDArray[np.bool_]:
        """Which of `center` (h, 3) [Mpc/h] lie in the slab."""
        return np.asarray(np.floor(center[:, self.axis] / self.depth).astype(int) % self.n_slabs == self.slab)

    def aimed(self, center: Array, pixel: float | None) -> Array:
        """Where halos at `center` (h, 3) are cut: at the nearest corner of the pixels of the map, if `pixel` is given.

        Along the line of sight that is the middle of the slab, where there are several.
        """
        aim = np.array(center, np.float64)
        if pixel is not None:
            aim[:, self.plane] = nearest_corner(aim[:, self.plane], pixel)
        if self.n_slabs > 1:
            aim[:, self.axis] = self.middle
        return aim

    def cut(self, blocks: Blocks, aim: Array, windows: Windows) -> Maps:
        """Mass a fine pixel [Msun/h] around each of `aim` (h, 3) through the slab: (h, windows, P, P)."""
        return cutouts(blocks, aim, np.tile(AXES[self.axis], (len(aim), 1, 1)), self._through(windows))

    def whole(self, blocks: Blocks, n_pixels: int) -> Array:
        """Mass a pixel [Msun/h] of the whole slab, (n_pixels, n_pixels); pixel i covers [i, i+1) box_size / n."""
        middle = np.full((1, 3), self.box_size / 2)
        middle[:, self.axis] = self.middle
        windows = Windows((self.box_size,), n_pixels, self.box_size)
        return self.cut(blocks, middle, windows)[0, 0].astype(np.float64)

    def upright(self, maps: NDArray) -> NDArray:
        """Maps (..., n, n) of this view with rows and columns in increasing order of the axes, as in `sim.maps`."""
        return maps.swapaxes(-1, -2) if self.axis == 1 else maps

    def _through(self, windows: Windows) -> Windows:
        depth = None if self.n_slabs == 1 else self.depth
        return Windows(windows.scales, windows.n_pixels, self.box_size, depth)


def views(axes: Sequence[int], n_slabs: int, box_size: float) -> list[View]:
    return [View(axis, slab, n_slabs, box_size) for axis in axes for slab in range(n_slabs)]


def pixels_across(box_size: float, pixel: float) -> int:
    """Pixels of side `pixel` along a box; ValueError unless that is a whole number."""
    n = round(box_size / pixel)
    if n < 1 or abs(n * pixel / box_size - 1) > PIXEL_TOLERANCE:
        raise ValueError(f"box: expected a whole number of pixels of {pixel:g} Mpc/h across {box_size:g} Mpc/h")
    return n


def refuse_other_depth(depth: float, trained: float) -> None:
    """ValueError unless maps `depth` deep are like those of `trained` [Mpc/h]."""
    if abs(depth / trained - 1) > DEPTH_TOLERANCE:
        raise ValueError(f"n_slabs: expected slabs {trained:g} Mpc/h deep, as the model was trained on, got {depth:g}")
