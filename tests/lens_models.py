"""Lens models as a file holds them, drawn at random or written out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from lens_systems import keywords

from configs.lens_model import LensModel
from sim.lensing.posterior import best


def parameter(value: float, error: float = 0.0, samples: list[float] | None = None) -> dict[str, Any]:
    return {"value": value, "error": error, "samples": samples or []}


def component(kind: str, **values: float) -> dict[str, Any]:
    """Without errors."""
    return {"kind": kind, "parameters": {name: parameter(value) for name, value in values.items()}}


def sie(theta_e: float = 1.2, q: float = 0.7, phi: float = 30.0, x: float = 0.0, y: float = 0.0) -> dict[str, Any]:
    return component("sie", theta_e=theta_e, q=q, phi=phi, x=x, y=y)


def tree(*components: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Of a lens on 80 pixels of .06 arcsec."""
    known = {"format": 1, "name": "toy", "z_lens": 0.3, "z_source": 1.5, "pixel_size": 0.06, "n_pixels": 80}
    return {**known, "components": list(components) or [sie()], **more}


def model(*components: dict[str, Any], **more: Any) -> LensModel:
    return LensModel.model_validate_json(json.dumps(tree(*components, **more)))


def random_model(seed: int) -> LensModel:
    """A power law in a shear with a satellite, or an ellipsoid in a halo, near the middle."""
    rng = np.random.default_rng(seed)

    def place() -> dict[str, float]:
        return {"x": rng.uniform(-0.1, 0.1), "y": rng.uniform(-0.1, 0.1)}

    shape = {"theta_e": rng.uniform(0.8, 1.4), "q": rng.uniform(0.5, 0.95), "phi": rng.uniform(0, 180), **place()}
    shear = component("shear", gamma=rng.uniform(0, 0.1), phi=rng.uniform(0, 180))
    if seed % 2:
        satellite = component("sis", theta_e=0.1, x=rng.uniform(-2, 2), y=rng.uniform(1.2, 2))
        return model(component("epl", slope=rng.uniform(1.8, 2.2), **shape), shear, satellite)
    halo = component("nfw", kappa_s=rng.uniform(0.02, 0.1), r_s=rng.uniform(2, 8), **place())
    return model(component("sie", **shape), shear, halo)


def for_lenstronomy(lens: LensModel) -> tuple[list[str], list[dict[str, float]]]:
    """Its names of the profiles, and their keywords."""
    parts = best(lens).mass.parts
    return [type(part).__name__.upper() for part in parts], [keywords(part, 0) for part in parts]
