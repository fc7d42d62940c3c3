"""What to look at before an inversion is believed: each flag is a name and a sentence with its numbers.

Knows nothing of files or of networks.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from learn.lenses.inverter import Floats
from sim.images.observation import Observation

GOOD_CHI2 = (0.8, 1.3)
"""Of a pixel, by the noise map as it is told; 64 x 64 pixels of white noise scatter by .02."""
RIM = 16
"""Part of the side of a source that its rim is, one over this."""
RIM_LIGHT = 0.2
"""Of the peak of a source, above which there is light in its rim: its field is too small, say."""
LEAST_USED = 0.5
"""Of the pixels of a frame."""


def of_bounds(names: Iterable[str]) -> dict[str, str]:
    """Parameters at their bounds."""
    listed = ", ".join(names)
    return {"at_bound": f"{listed}: at the end of what the machine learned from, or beyond"} if listed else {}


def of_chi2(chi2: float) -> dict[str, str]:
    low, high = GOOD_CHI2
    if low <= chi2 <= high:
        return {}
    return {"chi2": f"{chi2:.2f} reduced, expected {low:g} to {high:g}: the noise map is wrong, or the model is"}


def of_radius(theta_e: float, learned: tuple[float, float]) -> dict[str, str]:
    """Of the ellipsoid [arcsec]."""
    low, high = learned
    if low <= theta_e <= high:
        return {}
    where = f"the machine learned from {low:.2f} to {high:.2f} in such a frame; change field"
    return {"theta_e": f"{theta_e:.2f} arcsec, {where}"}


def of_source(source: Floats) -> dict[str, str]:
    """Light in the rim of a source (m, m)."""
    width = max(1, len(source) // RIM)
    is_rim = np.ones(source.shape, bool)
    is_rim[width:-width, width:-width] = False
    part = float(source[is_rim].max() / source.max()) if source.max() > 0 else 0.0
    if part <= RIM_LIGHT:
        return {}
    return {"source_rim": f"{part:.0%} of the peak of the source is in the rim of its field"}


def of_image(seen: Observation) -> dict[str, str]:
    """What the image lacks."""
    told: dict[str, str] = {}
    missing = [name for name in ("z_lens", "z_source") if getattr(seen, name) is None]
    if missing:
        told["redshifts"] = f"{' and '.join(missing)} unknown: no masses"
    if (used := float(seen.mask.mean())) < LEAST_USED:
        told["masked"] = f"{used:.0%} of the pixels of the frame are used"
    if (ratio := float(seen.known("frame").get("RATIO", 1.0))) < 1:
        told["finer"] = f"pixels of {ratio:.2f} of the image's: noise is correlated, chi2 and errors are too small"
    return told
