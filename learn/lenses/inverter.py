"""A trained inference machine as a function of images: everything that inverts a lens goes through here.

Images in, sources and lenses with their errors out, in the units of the image and in arcsec. Knows nothing of training,
of files or of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs import Frozen, Rim
from learn.lenses.latent import LENS, NAMES, Lens, brightness
from learn.lenses.likelihood import FRAME, Observation
from learn.lenses.refine import Refiner
from learn.methods.rim import Estimate
from learn.methods.rim import Rim as Machine
from learn.model import Model, check_seeds

Floats = NDArray[np.float32]
LENGTHS = ("theta_e", "x", "y", "r_s")
"""Of `NAMES`, those in arcsec."""
ONE_SIGMA = (0.158655, 0.841345)


@dataclass(frozen=True)
class Effort:
    """How long an inversion may take: steps of the network, descent to the peak of the posterior, draws from it."""

    n_iterations: int | None = None
    n_refine: int = 0
    n_draws: int = 0


@dataclass(frozen=True)
class Inversion:
    """What images (B, n, n) say, in their unit; lenses (B, 11) in the order of `NAMES`, angles in arcsec.

    A source (B, m, m) is the flux in each pixel of the image if nothing bent its light; its own pixels have `source_pixel` (B,) [arcsec].
    draws (S, B, 11) of the lens; chi2 (B,) of a pixel of the image.
    """

    source: Floats
    source_error: Floats
    source_pixel: Floats
    lens: Floats
    lens_error: Floats
    draws: Floats
    model: Floats
    residual: Floats
    chi2: Floats


class Inverter(Model):
    """The inference machine of a checkpoint."""

    of: ClassVar[type[Frozen]] = Rim

    def __call__(
        self,
        images: Floats,
        noise: Floats,
        psf: Floats,
        pixel_size: Floats,
        effort: Effort = Effort(),
        *,
        seed: int = 0,
    ) -> Inversion:
        """Images and noise (B, n, n), infinite where masked; kernels (B, k, k), k odd; pixel sizes (B,) [arcsec].

        ValueError says what is wrong with them.
        """
        seen = self._seen(images, noise, psf)
        check_seeds(seed, 1)
        with torch.no_grad():
            *_, start = self._machine.estimates(self._nets, seen, effort.n_iterations or self.n_iterations)
        rng = torch.Generator().manual_seed(seed)
        best, draws = start, self._white_draws(start, rng)
        if effort.n_refine:
            refiner = Refiner(self._machine, self._nets, effort.n_refine)
            best = refiner.peak(start, seen)
            draws = refiner.draws(start, best, seen, effort.n_draws, rng)
        return self._told(seen, best, draws, np.asarray(pixel_size, np.float32))

    @property
    def n_iterations(self) -> int:
        """Steps of the network, as trained."""
        return self._machine.config.n_iterations
