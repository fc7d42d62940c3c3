"""A lens model in the words of lenstronomy: a list of its profiles, their parameters, and where its samplers may start.

The e1, e2 of both are those of `sim.lensing.ellipse`, Einstein radii are product-averaged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from configs.lens_model import Kind
from learn.mass.analysis import Analysis
from sim.lensing.ellipse import ellipticity
from sim.lensing.posterior import Columns, Draws, drawn

Array = NDArray[np.float64]
Keywords = dict[str, float]

PROFILES: Mapping[Kind, str] = {"sie": "SIE", "epl": "EPL", "shear": "SHEAR", "nfw": "NFW", "sis": "SIS"}
LIMITS: Mapping[str, tuple[float, float]] = {
    "theta_E": (0.001, 100.0),
    "gamma": (1.05, 2.95),
    "e1": (-0.8, 0.8),
    "e2": (-0.8, 0.8),
    "center_x": (-100.0, 100.0),
    "center_y": (-100.0, 100.0),
    "gamma1": (-0.9, 0.9),
    "gamma2": (-0.9, 0.9),
    "Rs": (0.001, 1000.0),
    "alpha_Rs": (0.0, 1000.0),
}
SPREAD: Mapping[str, float] = {"e1": 0.05, "e2": 0.05, "gamma1": 0.02, "gamma2": 0.02, "gamma": 0.1}
"""Of the first walkers where the model has no error: else 5 % of the value, or .05 arcsec of a place."""
N_ALONG = 15
NEAREST = 0.05
"""Of the points where both codes are compared, to a centre [arcsec]: what is singular there cannot be."""


def export(analysis: Analysis) -> dict[str, Any]:
    """What `FittingSequence` takes, and deflections and convergences for `recheck` to compare with."""
    model = analysis.model
    start = keywords(analysis.lens)
    return {
        "format": 1,
        "name": model.name,
        "lens_model_list": [PROFILES[one.kind] for one in model.components],
        "kwargs_lens": [{name: float(values[0]) for name, values in one.items()} for one in start],
        "z_lens": model.z_lens,
        "z_source": model.z_source,
        "kwargs_params": {"lens_model": starting_point(analysis, start)},
        "check": checkpoints(analysis.lens, analysis.half),
    }


def keywords(draws: Draws) -> list[dict[str, Array]]:
    """Lenstronomy's parameters of every component, (B,) each."""
    return [
        {name: values.reshape(-1).numpy() for name, values in TRANSLATIONS[kind](columns).items()}
        for kind, columns in zip(draws.kinds, draws.columns, strict=True)
    ]


def starting_point(analysis: Analysis, start: Sequence[Mapping[str, Array]]) -> list[list[Keywords]]:
    """[init, sigma, fixed, lower, upper] for the particle swarm and for emcee; a centre of shear is fixed."""
    spread = keywords(spread_of(analysis))
    free = [{name: float(values[0]) for name, values in one.items() if name not in FIXED} for one in start]
    sigma = [
        {name: width(name, value, other[name]) for name, value in one.items()}
        for one, other in zip(free, spread, strict=True)
    ]
    fixed = [dict.fromkeys((name for name in one if name in FIXED), 0.0) for one in start]
    lower, upper = ([{name: LIMITS[name][end] for name in one} for one in free] for end in (0, 1))
    return [free, sigma, fixed, lower, upper]


def spread_of(analysis: Analysis) -> Draws:
    """Draws whose scatter is that of the posterior, the same in every export."""
    return drawn(analysis.model, 1000, np.random.default_rng(0))


def width(name: str, value: float, draws: Array) -> float:
    """Of the first walkers around a value."""
    told = float(np.std(draws))
    if told > 0:
        return told
    return SPREAD.get(name, 0.05 if name.startswith("center") else max(0.05 * abs(value), 1e-3))


def checkpoints(lens: Draws, half: float) -> dict[str, list[float]]:
    """Points within `half` [arcsec] and the deflection and convergence there, away from centres."""
    side = torch.linspace(-half, half, N_ALONG, dtype=torch.float64) + 0.0123
    y, x = (one.reshape(1, -1) for one in torch.meshgrid(side, side, indexing="ij"))
    for columns in lens.columns:
        if "x" in columns:
            far = torch.hypot(x - columns["x"], y - columns["y"])[0] > NEAREST
            x, y = x[:, far], y[:, far]
    values = (x, y, *lens.mass.deflection(x, y), lens.mass.convergence(x, y))
    return {name: one[0].tolist() for name, one in zip(CHECKED, values, strict=True)}


def _place(of: Columns) -> Columns:
    return {"center_x": of["x"], "center_y": of["y"]}


def _ellipse(of: Columns) -> Columns:
    e1, e2 = ellipticity(of["q"], torch.deg2rad(of["phi"]))
    return {"theta_E": of["theta_e"], "e1": e1, "e2": e2, **_place(of)}


def _shear(of: Columns) -> Columns:
    angle = of["phi"] * (math.pi / 90)
    zero = torch.zeros_like(angle)
    return {"gamma1": of["gamma"] * angle.cos(), "gamma2": of["gamma"] * angle.sin(), "ra_0": zero, "dec_0": zero}


def _nfw(of: Columns) -> Columns:
    """alpha_Rs is the deflection at Rs [arcsec]."""
    return {"Rs": of["r_s"], "alpha_Rs": 4 * of["kappa_s"] * of["r_s"] * (1 - math.log(2)), **_place(of)}


FIXED = ("ra_0", "dec_0")
CHECKED = ("x", "y", "alpha_x", "alpha_y", "kappa")
TRANSLATIONS: Mapping[Kind, Callable[[Columns], Columns]] = {
    "sie": _ellipse,
    "epl": lambda of: {"gamma": of["slope"], **_ellipse(of)},
    "shear": _shear,
    "nfw": _nfw,
    "sis": lambda of: {"theta_E": of["theta_e"], **_place(of)},
}
