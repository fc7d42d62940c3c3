"""The lenses of benchmarks/lenses.py, by caustics, run by its own interpreter: a simulator mapped over a batch.

Its simulator blurs at the supersampled pixels. Here it makes the image without a PSF, which is then blurred as it does
that, but at the pixels, where the other codes do and where it costs less.
"""

from __future__ import annotations

from typing import Any

import caustics
import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from benchmarks.peers.imaging import Columns, Setup, work

NAMES = {"gamma1": "gamma_1", "gamma2": "gamma_2", "theta_e": "Rein", "x": "x0", "y": "y0", "amplitude": "Ie"}
SEMI_MAJOR = "Re"
"""Their effective radius lies along the major axis."""


class Painter:
    def __init__(self, setup: Setup) -> None:
        torch.set_num_threads(1)
        self.setup, self.simulator = setup, simulator(setup)
        self.kernel = torch.from_numpy(np.load(setup.kernel)).float()
        self.side = next_fast_len(setup.n_pixels + 2 * (len(self.kernel) // 2), real=True)

    def prepared(self, columns: Columns) -> Tensor:
        """(B, parameters) in the order in which the simulator asks for them."""
        wanted = [(next(iter(one.parents)).name, one.name) for one in self.simulator.dynamic_params]
        told = named(columns)
        return torch.from_numpy(np.stack([told[f"{part}.{name}"] for part, name in wanted], 1)).float()

    @torch.no_grad()
    def images(self, batch: Tensor) -> Any:
        return self.blurred(torch.vmap(self.simulator)(batch)).numpy() * self.setup.pixel_size**2

    def blurred(self, images: Tensor) -> Tensor:
        sides, rim, n = (self.side, self.side), len(self.kernel) // 2, self.setup.n_pixels
        product = torch.fft.rfft2(images, sides) * torch.fft.rfft2(self.kernel, sides)
        return torch.fft.irfft2(product, sides)[..., rim : rim + n, rim : rim + n]


def named(columns: Columns) -> Columns:
    """Under their names."""
    told = {}
    for key, value in columns.items():
        part, name = key.split(".")
        told[f"{part}.{NAMES.get(name, name)}"] = value
        if name == "r_e":
            told[f"{part}.{SEMI_MAJOR}"] = value / np.sqrt(columns[f"{part}.q"])
    return told


def simulator(setup: Setup) -> Any:
    cosmology = caustics.FlatLambdaCDM(name="cosmology")
    planes = {"cosmology": cosmology, "z_l": 0.5, "z_s": 1.0}
    lens = caustics.SIE(name="lens", **planes)
    shear = caustics.ExternalShear(name="shear", x0=0.0, y0=0.0, **planes)
    source, light = (caustics.Sersic(name=name, use_lenstronomy_k=True) for name in ("source", "light"))
    return caustics.LensSource(
        lens=caustics.SinglePlane(name="both", lenses=[lens, shear], **planes),
        source=source,
        lens_light=light,
        pixelscale=setup.pixel_size,
        pixels_x=setup.n_pixels,
        upsample_factor=setup.supersampling,
    )


if __name__ == "__main__":
    work(Painter)
