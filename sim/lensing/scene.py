"""From the truth about lenses to what bends, what shines and what records: `Scene`, tensors on any device.

The same functions make training pairs and answer inside an inversion. Knows nothing of priors, noise or files.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs import Lenses
from sim.lensing import psf
from sim.lensing.camera import Camera
from sim.lensing.ellipse import ellipticity
from sim.lensing.exposure import rate_of
from sim.lensing.light import Gaussians, Light, Pixels, Sersic, Spiral, Together
from sim.lensing.planes import Planes
from sim.lensing.profiles import EPL, NFW, SIE, SIS, Mass, Shear, Sum
from sim.lensing.stamps import Stamps, images, stamps
from sim.lensing.truth import PSF_KINDS, Truths

Bent = Planes | Sum


class Scene(NamedTuple):
    """Of a batch: what bends light, the source, the light of the lens if the family has it, and the camera."""

    mass: Bent
    source: Light
    light: Light | None
    camera: Camera


class Columns:
    """The numbers of truths as tensors that broadcast with angles (B, n, n)."""

    def __init__(self, truths: Truths, dtype: torch.dtype, device: torch.device | str) -> None:
        self.truths, self.dtype, self.device = truths, dtype, device

    def __call__(self, name: str) -> Tensor:
        return self.of(self.truths[name])

    def of(self, values: NDArray[np.float64]) -> Tensor:
        """(B, ...) -> (B, 1, 1, ...)."""
        tensor = torch.as_tensor(np.ascontiguousarray(values), dtype=self.dtype, device=self.device)
        return tensor.reshape(len(tensor), 1, 1, *tensor.shape[1:])

    def flat(self, name: str) -> Tensor:
        """(B,)."""
        return self(name).reshape(-1)

    def present(self, name: str) -> Tensor:
        """As a call, with 1 for what a system has not."""
        return self.of(np.where(self.truths[name] > 0, self.truths[name], 1.0))

    def shape(self, prefix: str) -> tuple[Tensor, Tensor]:
        """Ellipticities of an axis ratio and an angle."""
        return ellipticity(self(f"{prefix}q"), self(f"{prefix}phi"))


def scene(
    truths: Truths, config: Lenses, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> Scene:
    """What `truths` of the family `config` say is there."""
    columns = Columns(truths, dtype, device)
    shining = None if config.lens_light is None else lens_light(columns)
    return Scene(mass(columns, config), source(columns, config), shining, camera(columns, config))


def mass(columns: Columns, config: Lenses) -> Bent:
    """Of the lens, and of another plane where the family has one."""
    macro = plane_of_lens(columns, config)
    return macro if config.mass.line_of_sight is None else beside(macro, columns)


def smooth(columns: Columns, config: Lenses) -> Bent:
    """The mass without subhalos."""
    macro = smooth_mass(columns, config)
    return macro if config.mass.line_of_sight is None else beside(macro, columns)


def plane_of_lens(columns: Columns, config: Lenses) -> Sum:
    """The mass at the redshift of the lens."""
    macro = smooth_mass(columns, config)
    if config.mass.subhalos is None:
        return macro
    spheres = columns.of(columns.truths.subhalos)
    return Sum([*macro.parts, SIS(spheres[..., 0], spheres[..., 1], spheres[..., 2])])


def smooth_mass(columns: Columns, config: Lenses) -> Sum:
    """Of the plane of the lens, without subhalos."""
    radius, shape, center = columns("theta_e"), columns.shape(""), (columns("x"), columns("y"))
    main: Mass = SIE(radius, *shape, *center)
    if not config.mass.is_isothermal:
        main = EPL(radius, columns("slope"), *shape, *center)
    gamma, turn = columns("gamma"), 2 * columns("phi_gamma")
    parts = [main, Shear(gamma * torch.cos(turn), gamma * torch.sin(turn))]
    if config.mass.halo is not None:
        parts.append(NFW(columns("kappa_s"), columns("r_s"), *center))
    return Sum(parts)


def beside(macro: Sum, columns: Columns) -> Planes:
    """`macro` between two planes, in one of which the other mass is: in front of it or behind it."""
    truths = columns.truths
    in_front = truths["z_los"] < truths["z_lens"]
    spheres = [
        SIS(columns.of((truths["theta_e_los"] * here)[:, None]), *(columns.of(truths[key][:, None]) for key in XY_LOS))
        for here in (in_front, ~in_front)
    ]
    factors = torch.zeros(3, 3, len(truths), 1, 1, dtype=columns.dtype, device=columns.device)
    factors[0, 1] = factors[1, 2] = columns("between_los")
    return Planes([spheres[0], macro, spheres[1]], factors)


XY_LOS = ("x_los", "y_los")


def source(columns: Columns, config: Lenses) -> Light:
    """A disc, and of bulge, clumps and image what a source of the batch has."""
    truths, center = columns.truths, (columns("source_x"), columns("source_y"))
    flux, is_image = source_flux(truths), truths["source_kind"] == 4
    shares = {name: truths[f"{name}_share"] for name in ("bulge", "clump")} | {"image": is_image.astype(float)}
    parts: list[Light] = []
    if not is_image.all():
        parts.append(disc(columns, flux * (1 - sum(shares.values()))))
    if shares["bulge"].any():
        shape = ellipticity(columns.present("bulge_q"), columns("source_phi"))
        told = (columns.present("bulge_r_e"), columns.present("bulge_n"), *shape, *center)
        parts.append(sersic(columns.of(flux * shares["bulge"]), *told))
    if shares["clump"].any():
        parts.append(clumps(columns, flux * shares["clump"]))
    if is_image.any():
        parts.append(galaxies(columns, flux * shares["image"], stamps(config.sources.images)))
    return Together(parts)


def source_flux(truths: Truths) -> NDArray[np.float64]:
    """Of the unlensed sources (B,) [electrons / s]."""
    return rates(truths["source_magnitude"], truths["zero_point"])


def rates(magnitudes: NDArray[np.float64], zero_points: NDArray[np.float64]) -> NDArray[np.float64]:
    pairs = zip(magnitudes, zero_points, strict=True)
    return np.array([rate_of(float(magnitude), float(zero_point)) for magnitude, zero_point in pairs])


def disc(columns: Columns, flux: NDArray[np.float64]) -> Light:
    """The Sersic profiles of sources, with the arms of spirals if there are any."""
    told = (columns("source_r_e"), columns("source_n"), *columns.shape("source_"))
    plain = sersic(columns.of(flux), *told, columns("source_x"), columns("source_y"))
    if not columns.truths["arm_contrast"].any():
        return plain
    return Spiral(**vars(plain), contrast=columns("arm_contrast"), arms=columns("n_arms"), winding=columns("winding"))


def sersic(flux: Tensor, r_e: Tensor, n: Tensor, e1: Tensor, e2: Tensor, x: Tensor, y: Tensor) -> Sersic:
    """Of a whole flux."""
    unit = Sersic(torch.ones_like(flux), r_e, n, e1, e2, x, y)
    return Sersic(flux / unit.flux(), r_e, n, e1, e2, x, y)


def clumps(columns: Columns, flux: NDArray[np.float64]) -> Gaussians:
    table = columns.truths.clumps
    sigma = np.where(table[..., 1] > 0, table[..., 1], 1.0)
    at = [columns.of(table[..., i]) + columns(name)[..., None] for i, name in ((2, "source_x"), (3, "source_y"))]
    return Gaussians(columns.of(flux[:, None] * table[..., 0]), columns.of(sigma), *at)


def galaxies(columns: Columns, flux: NDArray[np.float64], of: Stamps) -> Pixels:
    """Images, each as large as its half-light radius says."""
    truths = columns.truths
    which = truths["source_image"].astype(np.intp) % len(of.images)
    pixel = truths["source_r_e"] / of.half_light[which]
    turned = np.stack([laid(of.images[i], int(turn)) for i, turn in zip(which, truths["source_turn"], strict=True)])
    shown = columns.of(turned * (flux / pixel**2)[:, None, None]).squeeze((1, 2))
    return Pixels(shown, columns.of(pixel), columns("source_x"), columns("source_y"))


def laid(image: NDArray[np.float64], turn: int) -> NDArray[np.float64]:
    """`image` in one of the eight ways to lay a square."""
    return np.rot90(image[:, ::-1] if turn >= 4 else image, turn % 4)


def lens_light(columns: Columns) -> Sersic:
    flux = rates(columns.truths["lens_magnitude"], columns.truths["zero_point"])
    told = (columns("lens_r_e"), columns("lens_n"), *columns.shape("lens_"))
    return sersic(columns.of(flux), *told, columns("x"), columns("y"))


def camera(columns: Columns, config: Lenses, *, as_assumed: bool = False) -> Camera:
    """With the true point spread functions, or with those that the observer takes them for."""
    kernels = kernels_of(columns, config, prefix="assumed" if as_assumed else "psf")
    return Camera(config.n_pixels, columns("pixel_size"), config.supersampling, kernels, columns.dtype)


def kernels_of(columns: Columns, config: Lenses, *, prefix: str) -> Tensor:
    """Point spread functions (B, k, k); `prefix` says whether the true or the assumed ones."""
    truths, side = columns.truths, config.psf_side
    kernels = torch.empty(len(truths), side, side, dtype=columns.dtype, device=columns.device)
    for i, kind in enumerate(PSF_KINDS):
        which = np.flatnonzero(truths["psf_kind"] == i)
        if len(which):
            some = Columns(truths.take(which), columns.dtype, columns.device)
            kernels[torch.as_tensor(which, device=columns.device)] = kernel(kind, some, config, prefix)
    return kernels


def kernel(kind: str, columns: Columns, config: Lenses, prefix: str) -> Tensor:
    """Of systems of one kind."""
    fwhm, pixel, side = columns.flat(f"{prefix}_fwhm"), columns.flat("pixel_size"), config.psf_side
    if kind == "gaussian":
        return psf.gaussian(fwhm, pixel, side)
    if kind == "airy":
        return psf.airy(fwhm, pixel, side)
    if kind == "moffat":
        shape = (columns.flat("psf_beta"), columns.flat(f"{prefix}_e1"), columns.flat(f"{prefix}_e2"))
        return psf.moffat(fwhm, *shape, pixel, side)
    given = {i: config.instruments[i].psf.kernel for i in np.unique(columns.truths["instrument"]).astype(int).tolist()}
    read = {i: given_kernel(path, side) for i, path in given.items() if path is not None}
    return columns.of(np.stack([read[int(i)] for i in columns.truths["instrument"]])).squeeze((1, 2))


@lru_cache(maxsize=8)
def given_kernel(path: Path, side: int) -> NDArray[np.float64]:
    """The first image of a FITS file, cut or filled up to `side`, of sum 1; ValueError unless its sides are odd."""
    image = next(images(path), None)
    if image is None or image.shape[0] != image.shape[1] or len(image) % 2 == 0 or not image.sum() > 0:
        told = "no image" if image is None else f"one of {image.shape} and sum {image.sum():g}"
        raise ValueError(f"{path}: expected a kernel of an odd number of pixels along both sides, got {told}")
    rim = (side - len(image)) // 2
    fitted = np.pad(image, rim) if rim >= 0 else image[-rim:rim, -rim:rim]
    return fitted / fitted.sum()
