"""Random mass profiles, and the same for lenstronomy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sim.lensing.ellipse import ellipticity
from sim.lensing.profiles import EPL, NFW, SIE, SIS, Mass, Shear

Draw = Callable[[float, float], Tensor]


def drawn(n: int, seed: int) -> Draw:
    """Columns (n, 1) of uniform numbers, float64, for grids (n or 1, pixels)."""
    rng = torch.Generator().manual_seed(seed)
    return lambda low, high: low + (high - low) * torch.rand(n, 1, generator=rng, dtype=torch.float64)


def shape(draw: Draw) -> tuple[Tensor, Tensor]:
    """Ellipticities of axis ratios from .3 to 1 at any angle."""
    return ellipticity(draw(0.3, 1.0), draw(0.0, torch.pi))


def center(draw: Draw) -> tuple[Tensor, Tensor]:
    return draw(-0.2, 0.2), draw(-0.2, 0.2)


MASSES: Mapping[str, Callable[[Draw], Mass]] = {
    "SIE": lambda draw: SIE(draw(0.3, 2.0), *shape(draw), *center(draw)),
    "EPL": lambda draw: EPL(draw(0.3, 2.0), draw(1.5, 2.5), *shape(draw), *center(draw)),
    "SHEAR": lambda draw: Shear(draw(-0.2, 0.2), draw(-0.2, 0.2)),
    "NFW": lambda draw: NFW(draw(0.01, 0.3), draw(0.5, 10.0), *center(draw)),
    "SIS": lambda draw: SIS(*(column[..., None] for column in (draw(0.01, 0.1), *center(draw)))),
}


def keywords(mass: Mass, i: int) -> dict[str, float]:
    """What lenstronomy calls the parameters of the i-th of these."""
    names = {"theta_e": "theta_E", "slope": "gamma", "r_s": "Rs", "x": "center_x", "y": "center_y"}
    told = {names.get(name, name): float(value.reshape(-1)[i]) for name, value in vars(mass).items()}
    if "kappa_s" in told:
        told["alpha_Rs"] = 4 * told.pop("kappa_s") * told["Rs"] * (1 + float(torch.log(torch.tensor(0.5))))
    return told


def as_images(column: Tensor) -> Tensor:
    """(n, 1) -> (n, 1, 1), beside grids (1, rows, columns)."""
    return column[..., None]
