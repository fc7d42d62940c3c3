"""The images of the one source of a lens model: where they are, how bright and how late, in every draw."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from configs.lens_model import LensModel
from sim.lensing.distortion import distortion
from sim.lensing.images import APART, Images, fermat_potential, polished, solve
from sim.lensing.posterior import Draws
from sim.lensing.profiles import Vector


@dataclass(frozen=True)
class Arrivals:
    """m images of a source (B, 1) in B draws, (B, m) in the order of `best`; nan where a draw has not this image.

    Fermat potentials [arcsec^2] are over that of the first image.
    """

    best: Images
    source: Vector
    x: Tensor
    y: Tensor
    magnification: Tensor
    fermat: Tensor


def arrivals(model: LensModel, best: Draws, draws: Draws, half: float) -> Arrivals | None:
    """Within the square of half the side `half` [arcsec] around the origin; None if no source is told of."""
    if model.source is None and not model.image_positions:
        return None
    x, y = (float(side) for side in source_of(model, best))
    return followed(solve(best.mass, (x, y), half), draws, source_of(model, draws))


def source_of(model: LensModel, draws: Draws) -> Vector:
    """(B, 1): that of the model, else the mean of where its image positions come from."""
    if model.source is not None:
        x, y = (torch.full((len(draws), 1), side, dtype=torch.float64) for side in model.source)
        return x, y
    x, y = origins(model, draws)
    return x.mean(1, keepdim=True), y.mean(1, keepdim=True)


def origins(model: LensModel, draws: Draws) -> Vector:
    """(B, m): where in the source plane the image positions of the model come from."""
    x, y = torch.tensor(model.image_positions or (), dtype=torch.float64).reshape(-1, 2).T[:, None]
    alpha_x, alpha_y = draws.mass.deflection(x, y)
    return x - alpha_x, y - alpha_y


def followed(images: Images, draws: Draws, source: Vector) -> Arrivals:
    """Where Newton's steps lead from `images` in each draw, as long as these are images of the same kinds."""
    start = (images.x[None].expand(len(draws), -1), images.y[None].expand(len(draws), -1))
    x, y, is_one = polished(draws.mass, start, source)
    magnification = 1 / distortion(draws.mass, x, y).inverse_magnification
    is_one = is_one & (magnification * images.magnification > 0)
    is_one = is_one & ~_met(x, y, is_one)
    fermat = fermat_potential(draws.mass, x, y, source)
    found = (torch.where(is_one, one, torch.nan) for one in (x, y, magnification, fermat - fermat[:, :1]))
    return Arrivals(images, source, *found)


def _met(x: Tensor, y: Tensor, is_one: Tensor) -> Tensor:
    """(B, m): whether an image has ended where another one has."""
    near = torch.hypot(x[:, :, None] - x[:, None], y[:, :, None] - y[:, None]) < APART
    return (near & is_one[:, None]).sum(-1) > 1
