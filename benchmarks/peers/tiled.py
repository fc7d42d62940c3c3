"""Cutouts as the predecessor makes them, written down plainly: every particle of every species through a tiled box.

For each rotation each species is centred, faces of the box are copied within a margin, everything is rotated, what is
inside the cube is kept, projected with Pylians' CIC on a map of the whole box, and cropped or averaged. Faces alone,
10 Mpc/h deep in a box of 50, leave corners empty (SCIENCE): ours does more, and is compared where nothing is missing.
"""

from __future__ import annotations

import time
from typing import Any

import MAS_library
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.faces import tiled
from benchmarks.peers.worker import memory, peak_memory, serve

Array = NDArray[Any]


def projected(pos: Array, mass: Array, center: Array, turn: Array, box_size: float, n_fine: int) -> Array:
    """Mass a fine pixel (n_fine, n_fine) of the turned cube."""
    around, masses = tiled(pos, mass, center, box_size)
    turned = around @ turn.T.astype(np.float32) + np.float32(box_size / 2)
    inside = ((turned >= 0) & (turned < box_size)).all(axis=1)
    image = np.zeros((n_fine, n_fine), np.float32)
    flat = np.ascontiguousarray(turned[inside][:, :2])
    MAS_library.MA(flat, image, box_size, MAS="CIC", W=np.ascontiguousarray(masses[inside]), verbose=False)
    return image


def windows(image: Array, factors: list[int], n_pixels: int) -> Array:
    """The middle of a map, cropped and averaged (windows, n_pixels, n_pixels)."""
    maps = []
    for factor in factors:
        start = (len(image) - n_pixels * factor) // 2
        part = image[start : start + n_pixels * factor, start : start + n_pixels * factor]
        maps.append(part.reshape(n_pixels, factor, n_pixels, factor).mean(axis=(1, 3)))
    return np.array(maps)


def cut(folder: str, factors: list[int], n_pixels: int, n_target: int, n_timed: int, out: str) -> dict[str, Any]:
    """Seconds of each cutout of four species, and what one holds beyond the particles."""
    data = np.load(f"{folder}/species.npz")
    species = [(data[f"pos{i}"], data[f"mass{i}"]) for i in range(4)]
    box_size, n_fine = float(data["box_size"]), factors[-1] * n_pixels
    before, found, last = memory(), [], []
    for center, turn in list(zip(data["centers"], data["turns"], strict=True))[: n_timed + 1]:
        begin = time.perf_counter()
        last = []
        for i, (pos, mass) in enumerate(species):
            image = projected(pos, mass, center, turn, box_size, n_fine)
            last.append(windows(image, factors if i == 0 else factors[:n_target], n_pixels))
        found.append(time.perf_counter() - begin)
    np.save(out, np.array([maps[0] for maps in last]))
    own = sum(pos.nbytes + mass.nbytes for pos, mass in species)
    return {"seconds": found[1:], "held_bytes": peak_memory() - before, "own_bytes": own}


if __name__ == "__main__":
    serve({"cut": cut})
