"""Brightness on a common scale: (image - offset) / scale; noise and lens light are divided by the same scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from configs.observing import Prepare
from sim.images.observation import Observation

MAD = 1.482602218505602
"""Standard deviation of a Gaussian in median absolute deviations."""


def robust(values: NDArray[np.float64]) -> tuple[float, float]:
    """Median and 1.48 MAD."""
    median = float(np.median(values))
    return median, MAD * float(np.median(np.abs(values - median)))


def minmax(values: NDArray[np.float64]) -> tuple[float, float]:
    """Lowest value and range."""
    return float(values.min()), float(values.max() - values.min())


def percentile(values: NDArray[np.float64]) -> tuple[float, float]:
    """1st percentile and the range to the 99th."""
    low, high = np.percentile(values, [1, 99])
    return float(low), float(high - low)


SCALES: Mapping[str, Callable[[NDArray[np.float64]], tuple[float, float]]] = {
    "robust": robust,
    "minmax": minmax,
    "percentile": percentile,
}


def normalized(seen: Observation, config: Prepare) -> Observation:
    """On the scale of its used pixels. ValueError if they have none."""
    if config.normalize == "none":
        return seen
    offset, scale = SCALES[config.normalize](seen.image[seen.mask])
    if not scale > 0:
        raise ValueError(f"{seen.name}: normalize={config.normalize}: expected pixels that differ, got scale {scale:g}")
    text = f"{config.normalize}: (image - {offset:.4g}) / {scale:.4g}"
    numbers = {"NORMOFF": offset, "NORMSCAL": scale}
    return _mapped(seen, offset, scale).after("normalize", text, numbers)


def denormalized(seen: Observation) -> Observation:
    """In the unit that it had; the same if it was not normalised."""
    numbers = seen.known("normalize")
    if not numbers:
        return seen
    offset, scale = float(numbers["NORMOFF"]), float(numbers["NORMSCAL"])
    history = tuple(step for step in seen.history if step.name != "normalize")
    return replace(_mapped(seen, -offset / scale, 1 / scale), history=history)


def _mapped(seen: Observation, offset: float, scale: float) -> Observation:
    divided = {
        name: value / scale
        for name in ("noise", "lens_light", "background_rms")
        if (value := getattr(seen, name)) is not None
    }
    return replace(seen, image=(seen.image - offset) / scale, **divided)
