"""Small families of lenses: those of configs/lenses with fewer pixels and rays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from configs import Lenses, load

FAMILIES = ("foundation", "enhanced", "multi_instrument", "expanded", "weak", "realistic")
FOLDER = Path(__file__).resolve().parents[1] / "configs" / "lenses"


def family(name: str, **told: Any) -> Lenses:
    """A family with images of 48 pixels, twice as large, and what is `told`."""
    config = load(Lenses, FOLDER / f"{name}.yaml", ["n_pixels=48", "supersampling=2", "n_source_pixels=24"])
    instruments = [one.model_copy(update={"pixel_size": 2 * one.pixel_size}) for one in config.instruments]
    return config.model_copy(update={"instruments": tuple(instruments), **told})


def with_galaxies(config: Lenses, *paths: Path) -> Lenses:
    """All sources images of the files."""
    return config.model_copy(
        update={"sources": config.sources.model_copy(update={"kinds": {"image": 1.0}, "images": paths})}
    )


def write_galaxies(path: Path) -> Path:
    """Two noisy images of round Gaussians of 4 and 6 pixels, the second off its middle."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:61, :51] - 25.0
    units = [fits.PrimaryHDU()]
    for sigma, (up, right) in ((4.0, (5.0, 0.0)), (6.0, (8.0, 3.0))):
        light = np.exp(-((x - right) ** 2 + (y - up) ** 2) / (2 * sigma**2))
        units.append(fits.ImageHDU((0.3 + light + 0.003 * rng.standard_normal(light.shape)).astype(np.float32)))
    fits.HDUList(units).writeto(path)
    return path
