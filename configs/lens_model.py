"""Lens models: the components of a thin lens and how well their parameters are known, as files hold them.

Angles are in arcsec from the middle of the field, x to the right and y up; phi is in degrees, counter-clockwise from x,
of the major axis of a mass or of the direction that shear stretches along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from configs.frozen import Frozen
from configs.schema import Interval

Kind = Literal["sie", "epl", "shear", "nfw", "sis"]
MAX_COMPONENTS = 64
MAX_SAMPLES = 20_000
MAX_IMAGES = 64

_RADIUS, _TURN = (0.0, 100.0), (-360.0, 360.0)
_PLACE: Mapping[str, Interval] = {"x": (-100.0, 100.0), "y": (-100.0, 100.0)}
RANGES: Mapping[Kind, Mapping[str, Interval]] = {
    "sie": {"theta_e": _RADIUS, "q": (0.05, 1.0), "phi": _TURN, **_PLACE},
    "epl": {"theta_e": _RADIUS, "slope": (1.05, 2.95), "q": (0.2, 1.0), "phi": _TURN, **_PLACE},
    "shear": {"gamma": (0.0, 0.9), "phi": _TURN},
    "nfw": {"kappa_s": (0.0, 10.0), "r_s": (1e-3, 1000.0), **_PLACE},
    "sis": {"theta_e": _RADIUS, **_PLACE},
}
"""Of every parameter of every kind; below an axis ratio of .2 the series of the power law is not exact to 1e-5."""


class LensParameter(Frozen):
    """A parameter of a component, and how well it is known: by samples of its posterior, or by an error."""

    value: float = Field(allow_inf_nan=False, description="best value")
    error: float = Field(0.0, ge=0.0, allow_inf_nan=False, description="standard deviation; 0 for a fixed one")
    samples: tuple[float, ...] = Field(
        (), max_length=MAX_SAMPLES, description="of the posterior, row by row with those of the other parameters"
    )
    at_bound: bool = Field(False, description="whether a fit ended at the end of its allowed range")


class LensComponent(Frozen):
    """A mass or a shear: which parameters it has and where they may lie is in RANGES."""

    kind: Kind = Field(description="sie, epl, shear, nfw or sis")
    parameters: dict[str, LensParameter] = Field(max_length=8, description="name -> value and error")

    @model_validator(mode="after")
    def has_its_parameters(self) -> Self:
        expected, got = RANGES[self.kind], self.parameters
        if set(got) != set(expected):
            raise ValueError(f"{', '.join(expected)} of a {self.kind}, got {', '.join(got) or 'none'}")
        for name, parameter in got.items():
            self._refuse_outside(name, (parameter.value, *parameter.samples))
        return self

    def _refuse_outside(self, name: str, values: tuple[float, ...]) -> None:
        low, high = RANGES[self.kind][name]
        wrong = next((value for value in values if not low <= value <= high), None)
        if wrong is not None:
            raise ValueError(f"{name} of a {self.kind} between {low:g} and {high:g}, got {wrong:g}")


class LensModel(Frozen):
    """One lens in one plane, as it was found on an image of `n_pixels` squared of `pixel_size`."""

    format: Literal[1] = Field(description="of this file: 1")
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=100, description="what files of this lens begin with"
    )
    z_lens: float | None = Field(None, gt=0, le=20, description="redshift of the lens")
    z_source: float | None = Field(None, gt=0, le=1200, description="redshift of the source")
    pixel_size: float = Field(gt=0, le=10, description="of its maps [arcsec]")
    n_pixels: int = Field(ge=8, le=1024, description="along one side of its maps")
    components: tuple[LensComponent, ...] = Field(
        min_length=1, max_length=MAX_COMPONENTS, description="the first that is no shear is the main one"
    )
    image_positions: tuple[tuple[float, float], ...] | None = Field(
        None, max_length=MAX_IMAGES, description="[x, y] of the images of one source [arcsec]"
    )
    source: tuple[float, float] | None = Field(None, description="[x, y] of that source without the lens [arcsec]")

    @model_validator(mode="after")
    def is_one_lens(self) -> Self:
        if self.z_lens is not None and self.z_source is not None and self.z_lens >= self.z_source:
            raise ValueError(f"z_lens below z_source={self.z_source:g}, got {self.z_lens:g}")
        if all(component.kind == "shear" for component in self.components):
            raise ValueError("a component with mass, got shear alone")
        lengths = sorted({len(parameter.samples) for _, _, parameter in self.parameters() if parameter.samples})
        if len(lengths) > 1:
            raise ValueError(f"as many samples of every parameter, got {lengths[0]} and {lengths[-1]}")
        return self

    @property
    def main(self) -> int:
        """Index of the component whose centre is that of the lens."""
        return next(i for i, component in enumerate(self.components) if component.kind != "shear")

    @property
    def field(self) -> float:
        """Side of its maps [arcsec]."""
        return self.n_pixels * self.pixel_size

    def parameters(self) -> Iterator[tuple[int, str, LensParameter]]:
        """(index of the component, name, parameter) of all."""
        for i, component in enumerate(self.components):
            for name in RANGES[component.kind]:
                yield i, name, component.parameters[name]
