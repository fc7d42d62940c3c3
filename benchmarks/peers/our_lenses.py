"""The lenses of benchmarks/lenses.py, by this project."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.peers.imaging import Columns, Setup, work
from sim.lensing.camera import Camera
from sim.lensing.ellipse import ellipticity
from sim.lensing.fast import fast_image
from sim.lensing.light import Sersic
from sim.lensing.profiles import SIE, Shear, Sum


class Painter:
    def __init__(self, setup: Setup) -> None:
        torch.set_num_threads(1)
        kernel = torch.from_numpy(np.load(setup.kernel)).float()[None]
        self.camera = Camera(setup.n_pixels, setup.pixel_size, setup.supersampling, kernel)

    def prepared(self, columns: Columns) -> tuple[Sum, Sersic, Sersic]:
        told = {name: torch.from_numpy(value).float()[:, None, None] for name, value in columns.items()}
        mass = Sum([SIE(**of("lens", told)), Shear(**of("shear", told))])
        return mass, Sersic(**of("source", told)), Sersic(**of("light", told))

    @torch.no_grad()
    def images(self, batch: tuple[Sum, Sersic, Sersic]) -> Any:
        return fast_image(self.camera, *batch).numpy()


def of(prefix: str, told: dict[str, Tensor]) -> dict[str, Tensor]:
    """What belongs to a part, its axis ratio and angle as an ellipticity."""
    found = {name.split(".")[1]: value for name, value in told.items() if name.startswith(prefix + ".")}
    if "q" in found:
        found["e1"], found["e2"] = ellipticity(found.pop("q"), found.pop("phi"))
    return found


if __name__ == "__main__":
    work(Painter)
