"""What a person may say of the galaxies of a lens system: the sources behind it, and the light of the lens."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from configs.frozen import Frozen, Location
from configs.priors import Choice, Prior, Uniform, between

SourceKind = Literal["sersic", "clumpy", "spiral", "bulge_disc", "image"]
AxisRatio = Annotated[Prior, between(0.1, 1)]
Index = Annotated[Prior, between(0.3, 8)]
Magnitude = Annotated[Prior, between(10, 40)]
Radius = Annotated[Prior, between(1e-3, 20)]
Share = Annotated[Prior, between(0, 1)]


class Clumps(Frozen):
    """Gaussian clumps on the disc of a clumpy source."""

    number: Annotated[Prior, between(1, 64)] = Field(Uniform(low=3, high=12), description="of clumps, rounded")
    share: Share = Field(Uniform(low=0.1, high=0.5), description="of the light")
    size: Annotated[Prior, between(0.01, 1)] = Field(
        Uniform(low=0.05, high=0.2), description="standard deviation of a clump over the half-light radius"
    )


class Arms(Frozen):
    """The arms of a spiral source."""

    number: Annotated[Prior, between(1, 8)] = Field(Choice(choice=(2.0, 3.0, 4.0)), description="of arms, rounded")
    contrast: Share = Field(Uniform(low=0.3, high=0.9), description="of the arms over the disc")
    winding: Annotated[Prior, between(-10, 10)] = Field(
        Uniform(low=1.5, high=4.0), description="angle of an arm [rad] for each factor e in radius"
    )


class Bulge(Frozen):
    """The bulge of a source with bulge and disc."""

    share: Share = Field(Uniform(low=0.1, high=0.7), description="of the light")
    size: Annotated[Prior, between(0.01, 1)] = Field(
        Uniform(low=0.1, high=0.5), description="half-light radius of the bulge over that of the disc"
    )
    n: Index = Field(Uniform(low=2.0, high=4.0), description="Sersic index")
    q: AxisRatio = Field(Uniform(low=0.6, high=1.0), description="axis ratio")


class Sources(Frozen):
    """The galaxies behind lenses."""

    kinds: dict[SourceKind, Annotated[float, Field(ge=0)]] = Field(
        min_length=1, description="kind (sersic, clumpy, spiral, bulge_disc, image) -> how often, beside the others"
    )
    magnitude: Magnitude = Field(description="before lensing")
    offset: Annotated[Prior, between(0, 10)] = Field(
        description="distance of the source from the lens, over the Einstein radius"
    )
    r_e: Radius = Field(description="half-light radius [arcsec], of a source with a bulge that of its disc")
    n: Index = Field(description="Sersic index of a sersic or clumpy source; discs have 1")
    q: AxisRatio = Field(description="axis ratio")
    clumps: Clumps = Field(default_factory=Clumps)
    arms: Arms = Field(default_factory=Arms)
    bulge: Bulge = Field(default_factory=Bulge)
    images: tuple[Location, ...] = Field((), description="FITS files of which each image is a galaxy, for kind image")

    @model_validator(mode="after")
    def has_its_images(self) -> Self:
        if sum(self.kinds.values()) <= 0:
            raise ValueError("kinds: at least one weight above 0, got none")
        if self.kinds.get("image", 0) > 0 and not self.images:
            raise ValueError("images: FITS files for the sources of kind image, got none")
        return self


class LensLight(Frozen):
    """The light of the lens: a Sersic profile around the centre of its mass."""

    magnitude: Magnitude = Field(description="of the lens")
    r_e: Radius = Field(description="half-light radius [arcsec]")
    n: Index = Field(description="Sersic index")
    q: AxisRatio = Field(description="axis ratio")
    misalignment: Annotated[Prior, between(-3.2, 3.2)] = Field(0.0, description="of light and mass [rad]")
