"""Batches of simulated observations: what a telescope records of lenses, beside the truth.

`observe` of `select` makes any systems of a family; a training loop calls both with indices it has not used. Images are
those of the one `Camera`, or of lenstronomy. Knows nothing of files.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs import Lenses
from sim.lensing.camera import Camera
from sim.lensing.exposure import Exposure, rate_of
from sim.lensing.profiles import Vector
from sim.lensing.scene import Columns, kernels_of, scene, source
from sim.lensing.truth import Truths, alike

TOGETHER = 8
"""Systems that are imaged at a time on a CPU."""
N_RAYS = 4
"""Along a side of a pixel of a source's own image."""
NOISE = 1
"""The stream of random numbers of a system that its noise is drawn from; priors are drawn from the first."""

Images = NDArray[np.float64]


class Observations(NamedTuple):
    """Of B systems, float32: n pixels along a side of an image, m of a source's own, k of a kernel.

    Images are electrons / s in a pixel, without the sky; sources electrons / s / arcsec^2, around the origin; psf is
    what the observer takes it for; parameters are those of `truth.NINE`.
    """

    noiseless: Tensor  # (B, n, n)
    image: Tensor  # (B, n, n)
    noise_map: Tensor  # (B, n, n), standard deviations
    psf: Tensor  # (B, k, k)
    source: Tensor  # (B, m, m)
    parameters: Tensor  # (B, 9)


def observe(truths: Truths, config: Lenses, *, device: torch.device | str = "cpu") -> Observations:
    """What is seen of systems that `select` has kept; noise is drawn on the CPU, the same for any device."""
    noiseless = images(truths, config, device)
    image, noise_map = exposed(noiseless.cpu().numpy(), truths, config)
    columns = Columns(truths, torch.float32, device)
    return Observations(
        noiseless=noiseless,
        image=torch.as_tensor(image, dtype=torch.float32, device=device),
        noise_map=torch.as_tensor(noise_map, dtype=torch.float32, device=device),
        psf=kernels_of(columns, config, prefix="assumed"),
        source=source_images(columns, config),
        parameters=torch.as_tensor(truths.nine(), dtype=torch.float32, device=device),
    )


def images(truths: Truths, config: Lenses, device: torch.device | str = "cpu") -> Tensor:
    """Flux in each pixel (B, n, n), without noise, by the engine of the family."""
    if config.engine == "lenstronomy":
        reference = importlib.import_module("sim.lensing.reference")  # lenstronomy takes seconds to import
        return torch.as_tensor(reference.images(truths, config), dtype=torch.float32, device=device)
    groups = alike(truths, TOGETHER if str(device) == "cpu" else len(truths))
    shown = torch.cat([seen(truths.take(group), config, device) for group in groups])
    return shown[torch.as_tensor(np.argsort(np.concatenate(groups)), device=device)]


def seen(truths: Truths, config: Lenses, device: torch.device | str) -> Tensor:
    there = scene(truths, config, device=device)
    return there.camera.image(there.mass, there.source, there.light)


def source_images(columns: Columns, config: Lenses, shift: Vector | None = None) -> Tensor:
    """The sources (B, m, m) in the middle of their field, as they are without a lens; `shift` [arcsec] moves them."""
    pixel = columns("source_field") / config.n_source_pixels
    own = Camera(config.n_source_pixels, pixel, N_RAYS, dtype=columns.dtype)
    x, y = own.rays[0][:, :1], own.rays[1][..., :1]
    if shift:
        x, y = x - shift[0], y - shift[1]
    return own.recorded(source(columns, config).brightness(x, y)) / pixel.square()


def exposed(noiseless: Images, truths: Truths, config: Lenses) -> tuple[Images, Images]:
    """An exposure of each image and its noise map."""
    both = [one(image, truths.take(slice(i, i + 1)), config) for i, image in enumerate(noiseless)]
    return np.stack([seen for seen, _ in both]), np.stack([noise for _, noise in both])


def one(image: Images, truths: Truths, config: Lenses) -> tuple[Images, Images]:
    exposure = exposure_of({name: float(values[0]) for name, values in truths.numbers.items()})
    which = int(truths["index"][0]), int(truths["attempt"][0])
    observed = exposure.observed(image.astype(np.float64), np.random.default_rng([config.seed, *which, NOISE]))
    return observed, exposure.noise_map(observed)


def exposure_of(truth: dict[str, float]) -> Exposure:
    """Of one system."""
    sky = rate_of(truth["sky_magnitude"], truth["zero_point"]) * truth["pixel_size"] ** 2
    return Exposure(
        time=truth["exposure_time"],
        read_noise=truth["read_noise"],
        n_reads=int(truth["n_reads"]),
        sky=sky,
        correlation=truth["correlation"],
        cosmic_rays=truth["cosmic_rays"],
        ray_charge=truth["ray_charge"],
    )
