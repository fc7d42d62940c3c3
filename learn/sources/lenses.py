"""Strong lenses made while they are learned from: families of `configs/lenses`, a system an index.

An index stands for one system whoever asks for it, so nothing is kept on disk. Angles are in halves of the side of an
image, as `learn.lenses` has them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from configs import Lenses, LensSystems, load
from learn.data import About, Batch, Split
from learn.lenses import masks
from learn.lenses.latent import NAMES, Lens
from learn.lenses.likelihood import FRAME
from sim.lensing.einstein import einstein_radius_near, mean_deflection
from sim.lensing.ellipse import ellipticity
from sim.lensing.observations import TOGETHER, exposed, source_images
from sim.lensing.profiles import Deflector, Vector
from sim.lensing.scene import Columns, Scene, kernels_of, scene
from sim.lensing.selection import select
from sim.lensing.truth import Truths

FIRST = {"train": 0, "validation": 2**40, "test": 2**41}
"""Index of the first system of each split: no system is in two, and no two families have the same draws."""
ERRORS, MASKS = 2, 3
"""The streams of random numbers of a system that the errors of its observer are drawn from, and masks."""


class LensSource:
    """The systems of one split, as many of each family."""

    def __init__(self, config: LensSystems, split: Split) -> None:
        self.config, self._first = config, FIRST[split]
        self._n = {"train": config.n_train, "validation": config.n_validation, "test": config.n_test}[split]
        self._families = [family(path, config) for path in config.families]
        self.simulations: Mapping[str, range] = {
            one.family: range(i * self._n, (i + 1) * self._n) for i, one in enumerate(self._families)
        }
        if len(self.simulations) < len(self._families):
            raise ValueError(f"families: each once, got {', '.join(one.family for one in self._families)}")
        self.about = self._describe()

    def __len__(self) -> int:
        return self._n * len(self._families)

    def read(self, indices: Sequence[int]) -> Batch:
        """Image, noise map, infinite where masked, and assumed kernel; the source; the latent lens, by index."""
        rows: dict[int, tuple[Tensor, ...]] = {}
        family_of = np.asarray(indices) // self._n
        for which in np.unique(family_of):
            places = np.flatnonzero(family_of == which).tolist()
            for few in (places[i : i + TOGETHER] for i in range(0, len(places), TOGETHER)):
                made = self._made(self._families[which], [self._first + indices[i] for i in few])
                rows |= dict(zip(few, zip(*made, strict=True), strict=True))
        inputs, targets, params = zip(*(rows[i] for i in range(len(indices))), strict=True)
        return Batch(torch.stack(inputs), torch.stack(targets), torch.stack(params), torch.tensor(list(indices)))

    def truths(self, indices: Sequence[int]) -> tuple[Lenses, Truths]:
        """A family, and what is true of these systems of it; ValueError for systems of several."""
        of = sorted({index // self._n for index in indices})
        if len(of) != 1:
            raise ValueError(f"indices: systems of one family, got those of {len(of)}")
        config = self._families[of[0]]
        return config, select(config, [self._first + index for index in indices]).truths

    def close(self) -> None:
        """Nothing is open."""

    def _made(self, config: Lenses, systems: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs (B, 3, n, n), targets (B, 1, m, m) and params (B, 12) of systems of one family."""
        truths = select(config, systems).truths
        there = scene(truths, config)
        errors = self._errors(config, systems)
        image, noise = self._observed(there, truths, config, errors)
        columns = Columns(truths, torch.float32, "cpu")
        kernel = framed(kernels_of(columns, config, prefix="assumed"), config.n_pixels)
        told = torch.where(self._used(truths, config, systems), noise * torch.exp(-errors[:, 1, None, None]), torch.inf)
        inputs = torch.stack((image, told, kernel), dim=1)
        lens = sought(there.mass, truths, config, errors[:, 1])
        source = source_images(columns, config, unseen_shift(there.mass, lens, columns, config))
        return inputs, (source * columns("pixel_size").square())[:, None], lens.latent()

    def _errors(self, config: Lenses, systems: Sequence[int]) -> Tensor:
        """White noise (B, 2): share of the lens's light that is left, logarithm of the noise over the assumed one."""
        drawn = [np.random.default_rng([config.seed, system, ERRORS]).standard_normal(2) for system in systems]
        scale = np.array([self.config.light_error, self.config.noise_error])
        return torch.as_tensor(np.stack(drawn) * scale, dtype=torch.float32)

    def _used(self, truths: Truths, config: Lenses, systems: Sequence[int]) -> Tensor:
        """Which pixels (B, n, n) are not masked: all but in a share of the systems."""
        used = np.full((len(systems), config.n_pixels, config.n_pixels), True)
        half = truths["pixel_size"] * config.n_pixels / FRAME
        for i, system in enumerate(systems):
            rng = np.random.default_rng([config.seed, system, MASKS])
            if rng.random() < self.config.masked:
                used[i] = masks.drawn(rng, config.n_pixels, (truths["x"][i] / half[i], truths["y"][i] / half[i]))
        return torch.from_numpy(used)

    def _observed(self, there: Scene, truths: Truths, config: Lenses, errors: Tensor) -> tuple[Tensor, Tensor]:
        """Image without the light of the lens, but for an error of it, and the standard deviation of its noise."""
        image = there.camera.image(there.mass, there.source)
        shining = torch.zeros_like(image)
        if there.light is not None:
            shining = there.camera.recorded(there.light.brightness(*there.camera.rays))
        observed, noise = exposed((image + shining).numpy(), truths, config)
        left = torch.as_tensor(observed, dtype=torch.float32) - shining * (1 + errors[:, 0, None, None])
        return left, torch.as_tensor(noise, dtype=torch.float32)

    def _describe(self) -> About:
        side = FRAME * self.config.field
        return About(
            input_channels=("image", "noise", "psf"),
            target_channels=("source",),
            unit="electron / s",
            pixel_size=side / self.config.n_source_pixels,
            box_size=side,
            depth=side,
            periodic=False,
            oriented=True,
            param_names=NAMES,
            data_sha256=self._identity(),
        )

    def _identity(self) -> str:
        told = [self.config.model_dump_json(exclude={"families"})]
        told += [one.model_dump_json(exclude={"out", "n"}) for one in self._families]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


def family(path: Path, config: LensSystems) -> Lenses:
    """A family as it is learned from: with the pixels, the field and the seed of the training."""
    names = ("n_pixels", "n_source_pixels", "supersampling", "seed")
    read = load(Lenses, path, [f"{name}={getattr(config, name)}" for name in names])
    side = config.field * config.n_pixels
    instruments = (one.model_copy(update={"source_field": side * one.pixel_size}) for one in read.instruments)
    return read.model_copy(update={"instruments": tuple(instruments)})


def framed(kernel: Tensor, side: int) -> Tensor:
    """Kernels (B, k, k) with their middle in pixel side // 2 of (B, side, side), cut off where they are larger."""
    k = kernel.shape[-1]
    if k > side:
        rim = (k - side) // 2
        return kernel[:, rim : rim + side, rim : rim + side]
    rim = side // 2 - k // 2
    return torch.nn.functional.pad(kernel, (rim, side - k - rim) * 2)


def sought(mass: Deflector, truths: Truths, config: Lenses, noise: Tensor) -> Lens:
    """What a machine is to answer, in frames: the power law's numbers, but the Einstein radius of all of `mass`."""
    half = torch.as_tensor(truths["pixel_size"] * config.n_pixels / FRAME, dtype=torch.float32)
    lens = Lens(torch.cat((power_law(truths, half), noise[:, None]), dim=1))
    x, y, theta_e = (Columns(truths, torch.float32, "cpu")(name) for name in ("x", "y", "theta_e"))
    return lens.of_radius(einstein_radius_near(mass, (x, y), theta_e)[:, 0] / half)


def unseen_shift(mass: Deflector, lens: Lens, columns: Columns, config: Lenses) -> Vector:
    """(B, 1, 1) [arcsec], by which subhalos and other planes move a source as a whole: no image tells it.

    The mean on the ring of its ellipsoid of the deflection by `mass`, less that by the `lens` that a machine is to
    answer (Falco, Gorenstein & Shapiro 1985: only differences of positions in the plane of the source are seen).
    """
    half = columns("pixel_size") * config.n_pixels / FRAME
    ellipsoid, _, _ = lens.parts()
    x, y, radius = ellipsoid.x, ellipsoid.y, ellipsoid.theta_e
    whole = mean_deflection(mass, (x * half, y * half), radius * half)
    own = mean_deflection(lens.mass(), (x, y), radius)
    return whole[0] - own[0] * half, whole[1] - own[1] * half


def power_law(truths: Truths, half: Tensor) -> Tensor:
    """The first eleven of `learn.lenses.latent.NAMES` (B, 11), of images whose sides are twice `half` (B,) [arcsec]."""
    e1, e2 = ellipticity(*(torch.as_tensor(truths[name]) for name in ("q", "phi")))
    gamma, turn = truths["gamma"], 2 * truths["phi_gamma"]
    shear = (gamma * np.cos(turn), gamma * np.sin(turn))
    r_s = torch.as_tensor(truths["r_s"])
    r_s = torch.where(r_s > 0, r_s / half, TYPICAL_HALO)
    width = np.log(truths["psf_fwhm"] / truths["assumed_fwhm"])
    radius, x, y = (torch.as_tensor(truths[name]) / half for name in ("theta_e", "x", "y"))
    told = (radius, torch.as_tensor(truths["slope"]), e1, e2, x, y, *shear, truths["kappa_s"], r_s, width)
    return torch.stack([torch.as_tensor(one, dtype=torch.float32) for one in told], dim=1)


TYPICAL_HALO = 2.0
"""r_s of a lens without a halo, in halves of the side of an image."""
