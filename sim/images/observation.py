"""An image of a lens with all that is known of it, and what was done to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Number = float | int | str | bool


@dataclass(frozen=True)
class Step:
    """What was done, in words on one line, and its numbers under the keywords that a FITS header has for them."""

    name: str
    text: str
    numbers: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True)
class Observation:
    """Rows of `image` (n, m) go with y, columns with x; `mask` is true where a pixel is used.

    noise is a standard deviation, psf (k, k) has an odd side and sum 1, lens_light is what the fit gave to the lens
    galaxy, whether it was subtracted or not. pixel_size [arcsec], exposure_time and exposure_map [s], gain [electrons a
    count], background_rms in the unit of the image, zero_point the AB magnitude of one unit, center (x, y) [pixel, from
    0]. None is what is not known.
    """

    name: str
    image: Array
    mask: Mask
    noise: Array | None = None
    psf: Array | None = None
    lens_light: Array | None = None
    exposure_map: Array | None = None
    pixel_size: float | None = None
    unit: str = "unknown"
    band: str = ""
    z_lens: float | None = None
    z_source: float | None = None
    exposure_time: float | None = None
    gain: float | None = None
    zero_point: float | None = None
    background_rms: float | None = None
    center: tuple[float, float] | None = None
    wcs: WCS | None = None
    cards: tuple[tuple[str, Number, str], ...] = ()
    warnings: tuple[str, ...] = ()
    history: tuple[Step, ...] = ()

    @property
    def middle(self) -> tuple[float, float]:
        """(x, y) of the middle of the frame."""
        rows, columns = self.image.shape
        return (columns - 1) / 2, (rows - 1) / 2

    @property
    def sigma(self) -> Array:
        """The noise map; ValueError if there is none yet."""
        if self.noise is None:
            raise ValueError(f"{self.name}: noise: expected a noise map, got none")
        return self.noise

    def after(self, step: str, text: str, numbers: Mapping[str, Number] | None = None, **changes: Any) -> Observation:
        """The same with `changes`, and one step more."""
        return replace(self, **changes, history=(*self.history, Step(step, text, numbers or {})))

    def warned(self, *texts: str) -> Observation:
        """The same with warnings that it did not have."""
        return replace(self, warnings=tuple(dict.fromkeys((*self.warnings, *texts))))

    def known(self, step: str) -> Mapping[str, Number]:
        """The numbers of the last step of that name; none if it was not taken."""
        return next((one.numbers for one in reversed(self.history) if one.name == step), {})


def radii(shape: tuple[int, ...], center: tuple[float, float]) -> Array:
    """Distance [pixel] of every pixel from (x, y)."""
    rows, columns = np.indices(shape)
    return np.hypot(columns - center[0], rows - center[1])
