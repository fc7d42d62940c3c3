"""Small periodic fields to learn to generate, maps or cubes, as a `Source` and on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs import Box, Cosmology, Diffusion, Fields, Train, UNet
from learn.data import About, Batch
from learn.methods import Diffusion as Method
from learn.normalize import Normalizer
from sim.outputs import maps_path, write_maps


def about(n_dims: int = 2, *, n_pixels: int = 8, n_params: int = 2, inputs: tuple[str, ...] = ()) -> About:
    return About(
        input_channels=inputs,
        target_channels=("dmo",),
        unit="Msun/h/(Mpc/h)^2",
        n_dims=2 if n_dims == 2 else 3,
        pixel_size=0.5,
        box_size=0.5 * n_pixels,
        depth=0.5 * n_pixels,
        periodic=True,
        param_names=("omega_m", "sigma8")[:n_params],
        data_sha256="abc",
    )


def smooth(n: int, sides: Sequence[int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Log-normal periodic fields (n, 1, ...) with more power on large scales."""
    k = np.sqrt(sum(np.square(np.meshgrid(*(np.fft.fftfreq(s, 1 / s) for s in sides), indexing="ij"))))
    axes = tuple(range(2, 2 + len(sides)))
    white = np.fft.fftn(rng.normal(size=(n, 1, *sides)), axes=axes)
    field = np.fft.ifftn(white / (1 + k), axes=axes).real
    return (1e12 * np.exp(field / field.std())).astype(np.float32)


def batch(kind: About, n: int = 4, *, seed: int = 0) -> Batch:
    """`n` fields, their inputs and their parameters."""
    rng = np.random.default_rng(seed)
    sides = (kind.n_pixels,) * kind.n_dims
    targets = smooth(n, sides, rng)
    inputs = np.repeat(targets[::-1], len(kind.input_channels), axis=1)
    params = rng.uniform(0.2, 0.4, (n, len(kind.param_names))).astype(np.float32)
    return Batch.stacked(zip(inputs, targets, params, strict=True), range(n))


def method(kind: About, *, net: object = None, **fields: object) -> Method:
    """A tiny diffusion model of such fields."""
    net = UNet(width=8, n_levels=2, n_embedding=8) if net is None else net
    told = Diffusion.model_validate({"kind": "diffusion", **fields})
    config = Train.model_construct(method=told, net=net)
    return Method(config, Normalizer.fit([batch(kind, 8, seed=9)], **told.scales(kind.target_channels)), kind)


def write_boxes(folder: Path, n: int = 10, *, n_pixels: int = 16) -> Path:
    """Simulations as `simulate` leaves them with map_pixels: maps whose contrast and mean follow the cosmology."""
    rng = np.random.default_rng(1)
    for i in range(n):
        omega_m, sigma8 = rng.uniform(0.2, 0.4), rng.uniform(0.6, 1.0)
        cosmology = Cosmology(omega_m=omega_m, omega_b=0.045, h=0.7, n_s=0.96, sigma8=sigma8)
        box = Box(cosmology=cosmology, box_size=8.0, n_particles=16, seed=i, redshifts=(1.0, 0.0), map_pixels=n_pixels)
        (folder / f"box_{i:04d}").mkdir(parents=True)
        (folder / f"box_{i:04d}" / "box.json").write_text(json.dumps({"box": json.loads(box.model_dump_json())}))
        for number, redshift in enumerate(box.redshifts):
            images = (smooth(3, (n_pixels, n_pixels), rng)[:, 0] / 1e12) ** sigma8 * 1e12 * omega_m
            write_maps(maps_path(folder / f"box_{i:04d}", number), images.astype(np.float32), box, redshift)
    return folder


def fields(folder: Path, **changes: object) -> Fields:
    told = {"kind": "fields", "folder": folder, "n_pixels": 16, "split": (0.6, 0.2, 0.2), **changes}
    return Fields.model_validate(told)
