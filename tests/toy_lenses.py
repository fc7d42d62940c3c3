"""A few simulated lenses and a tiny inference machine, for the tests of inversion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from configs import Train
from learn.data import About, Batch
from learn.lenses.latent import NAMES, Lens
from learn.methods.rim import Rim
from learn.normalize import LinearScale, LogScale, Normalizer
from sim.lensing.camera import Camera
from sim.lensing.light import Sersic
from sim.lensing.psf import gaussian

N, M, K = 32, 24, 9
FIELD = 0.5
LOW = torch.tensor([0.3, 1.9, -0.15, -0.15, -0.05, -0.05, -0.05, -0.05, 0.0, 2.0, -0.02, -0.05])
HIGH = torch.tensor([0.6, 2.1, 0.15, 0.15, 0.05, 0.05, 0.05, 0.05, 0.01, 3.0, 0.02, 0.05])

ABOUT = About(
    input_channels=("image", "noise", "psf"),
    target_channels=("source",),
    unit="electron / s",
    pixel_size=2 * FIELD / M,
    box_size=2 * FIELD,
    depth=2 * FIELD,
    periodic=False,
    oriented=True,
    param_names=NAMES,
    data_sha256="toy",
)


def toy_lenses(n: int, seed: int = 0) -> Batch:
    """`n` systems of one disc each, at a signal-to-noise ratio of 50."""
    rng = torch.Generator().manual_seed(seed)
    lens = Lens(LOW + (HIGH - LOW) * torch.rand(n, len(NAMES), generator=rng))
    own = Camera(M, 2 * FIELD / M, 4)
    light = disc(n, rng)
    psf = gaussian(torch.full((n,), 2.0), 1.0, K)
    clean = Camera(N, 2 / N, 4, psf).image(lens.mass(), light)
    noise = torch.ones_like(clean) * clean.amax((1, 2), keepdim=True) / 50
    image = clean + noise * torch.randn(clean.shape, generator=rng)
    rim = N // 2 - K // 2
    kernel = torch.nn.functional.pad(psf, (rim, N - K - rim) * 2)
    source = own.recorded(light.brightness(*own.rays)) * (2 / N / own.pixel_size) ** 2
    return Batch(torch.stack((image, noise, kernel), dim=1), source[:, None], lens.latent(), torch.arange(n))


def disc(n: int, rng: torch.Generator) -> Sersic:
    """A round one near the middle."""

    def between(low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(n, generator=rng))[:, None, None]

    none = torch.zeros(n, 1, 1)
    return Sersic(none + 1, between(0.1, 0.15), none + 1, none, none, between(-0.1, 0.1), between(-0.1, 0.1))


def toy_rim(**method: Any) -> Rim:
    """Its networks are not built yet."""
    config = Train.model_validate(
        {
            "method": {"kind": "rim", "n_iterations": 3, "psf_side": K, **method},
            "data": {"kind": "lenses", "families": (Path("none.yaml"),), "n_pixels": N, "n_source_pixels": M},
            "net": {"kind": "recurrent", "width": 8, "n_levels": 2, "n_read": 3, "n_vector": 32},
            "out": Path("none"),
            "n_steps": 1,
            "batch_size": 4,
        }
    )
    latent = toy_lenses(64, seed=9).params
    seen = [tuple(x.tolist()) for x in (latent.mean(0), latent.std(0), latent.amin(0), latent.amax(0))]
    none = LogScale(x0=(), mean=(), std=())
    params = LinearScale(mean=seen[0], std=seen[1], low=seen[2], high=seen[3])
    return Rim(config, Normalizer(inputs=none, targets=none, params=params), ABOUT)
