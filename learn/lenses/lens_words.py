"""A lens as an inversion finds it, in the words of `configs.lens_model`, which `python -m learn mass` reads.

A parameter is at its bound where a number that it is made of is at, or beyond, an end of what the machine learned from:
what it says there is extrapolation, and its error says too little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from configs.lens_model import RANGES, Kind, LensModel
from configs.loader import validate
from learn.lenses.inverter import Inversion, Inverter, in_frames
from learn.lenses.latent import NAMES, Lens
from learn.lenses.likelihood import FRAME
from sim.images.observation import Observation
from sim.lensing.ellipse import axis_ratio

Array = NDArray[np.float64]
MARGIN = 0.01
"""Of the range of a number in training, within which of an end it is at its bound."""
HALF_TURN = 180.0
"""After which an ellipse and a shear are the same."""
MADE_OF: Mapping[Kind, Mapping[str, tuple[str, ...]]] = {
    "epl": {
        "theta_e": ("theta_e",),
        "slope": ("slope",),
        "q": ("e1", "e2"),
        "phi": (),
        "x": ("x",),
        "y": ("y",),
    },
    "shear": {"gamma": ("gamma1", "gamma2"), "phi": ()},
    "nfw": {"kappa_s": ("kappa_s",), "r_s": ("r_s",), "x": ("x",), "y": ("y",)},
}
"""Of each parameter, the numbers of `learn.lenses.latent`. An angle has no end."""
FLOORS = ("kappa_s",)
"""Numbers whose lower end is no bound: a lens without a halo is there."""


def lens_model(name: str, seen: Observation, found: Inversion, machine: Inverter) -> LensModel:
    """Of the one image of `found`; samples are the draws, row by row."""
    best, draws = parameters(found.lens[0]), parameters(found.draws[:, 0])
    ended = at_ends(found, machine, float(seen.pixel_size or 0))
    components = [
        {"kind": kind, "parameters": {one: parameter(kind, one, best, draws, ended) for one in MADE_OF[kind]}}
        for kind in MADE_OF
    ]
    sizes = {"n_pixels": len(seen.image), "pixel_size": seen.pixel_size}
    told = {"format": 1, "name": name, "z_lens": seen.z_lens, "z_source": seen.z_source, **sizes}
    return validate(LensModel, {**told, "components": components}, name)


def parameter(
    kind: Kind, name: str, best: Mapping[str, Array], draws: Mapping[str, Array], ended: frozenset[str]
) -> dict[str, Any]:
    """Value, error and samples, none beyond the range that a lens model may have."""
    low, high = RANGES[kind][name]
    key = f"{kind}.{name}"
    told, samples = float(best[key]), draws[key]
    if name == "phi":
        samples = told + (samples - told + HALF_TURN / 2) % HALF_TURN - HALF_TURN / 2
    value, samples = float(np.clip(told, low, high)), np.clip(samples, low, high)
    is_cut = name not in FLOORS and not low <= told <= high
    is_at_bound = is_cut or bool(ended.intersection(MADE_OF[kind][name]))
    error = float(samples.std(ddof=1))
    return {"value": value, "error": error, "samples": samples.tolist(), "at_bound": is_at_bound}


def parameters(lenses: NDArray[np.float32]) -> dict[str, Array]:
    """Those of lenses (..., 12) [arcsec], as kind.name, (...)."""
    of = dict(zip(NAMES, torch.from_numpy(lenses).double().unbind(-1), strict=True))
    q, phi = axis_ratio(of["e1"], of["e2"])
    turned = torch.atan2(of["gamma2"], of["gamma1"]) / 2
    places = {f"{kind}.{name}": of[name] for kind in ("epl", "nfw") for name in ("x", "y")}
    found = {
        "epl.theta_e": of["theta_e"],
        "epl.slope": of["slope"],
        "epl.q": q,
        "epl.phi": torch.rad2deg(phi),
        **places,
    }
    found |= {"shear.gamma": torch.hypot(of["gamma1"], of["gamma2"]), "shear.phi": torch.rad2deg(turned)}
    found |= {"nfw.kappa_s": of["kappa_s"], "nfw.r_s": of["r_s"], **places}
    return {name: values.numpy() for name, values in found.items()}


def at_ends(found: Inversion, machine: Inverter, pixel_size: float) -> frozenset[str]:
    """Of `NAMES`, the numbers of the one lens that are within `MARGIN` of an end of the training, or beyond."""
    scale = machine.meta.normalizer.params
    low, high = np.array(scale.low), np.array(scale.high)
    at = in_frames(found.lens, frame_of(pixel_size, machine)).latent()[0].double().numpy()
    room = MARGIN * (high - low)
    is_low = (at < low + room) & ~np.isin(NAMES, FLOORS)
    is_ended = (is_low | (at > high - room)) & (high > low)
    return frozenset(name for name, is_one in zip(NAMES, is_ended, strict=True) if is_one)


def learned_radii(machine: Inverter, pixel_size: float) -> tuple[float, float]:
    """Of the ellipsoids of the training [arcsec], were their images of such pixels."""
    scale = machine.meta.normalizer.params
    ends = torch.tensor([scale.low, scale.high])
    low, high = Lens.of(ends).values[:, NAMES.index("theta_e")] * float(frame_of(pixel_size, machine)[0])
    return float(low), float(high)


def frame_of(pixel_size: float, machine: Inverter) -> NDArray[np.float32]:
    """Half the side of an image of such pixels [arcsec], (1,)."""
    return np.array([pixel_size * machine.n_pixels / FRAME], np.float32)
