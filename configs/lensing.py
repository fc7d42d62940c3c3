"""What a person may ask for when strong lenses are simulated: a family of systems, and what becomes of them.

Angles in arcsec and rad, velocities in km/s, rates in electrons / s.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from configs.frozen import Frozen, Location
from configs.galaxies import AxisRatio, LensLight, Radius, Sources
from configs.instruments import Instrument
from configs.priors import Prior, between
from configs.schema import Cosmology, Interval

MAX_SUBHALOS = 256
"""Of one lens."""


class Halo(Frozen):
    """A spherical NFW halo around the lens."""

    kappa_s: Annotated[Prior, between(0, 1)] = Field(description="rho_s r_s / Sigma_crit")
    r_s: Radius = Field(description="scale radius [arcsec]")


class Subhalos(Frozen):
    """Singular isothermal spheres in the lens, dN / dm ~ m^slope with m ~ theta_e^1.5."""

    number: Annotated[Prior, between(0, 128)] = Field(description="mean of their number, which is Poisson's")
    slope: float = Field(-1.9, ge=-4, le=0, description="of the mass function")
    theta_e: Interval = Field(description="least and greatest Einstein radius [arcsec]")
    radius: Annotated[Prior, between(0, 10)] = Field(description="distance from the lens, over its Einstein radius")

    @model_validator(mode="after")
    def rises(self) -> Self:
        if not 0 < self.theta_e[0] < self.theta_e[1]:
            raise ValueError(f"theta_e: [low, high] with 0 < low < high, got {list(self.theta_e)}")
        return self


class Perturber(Frozen):
    """A singular isothermal sphere in another plane."""

    theta_e: Annotated[Prior, between(0, 2)] = Field(description="Einstein radius [arcsec]")
    radius: Annotated[Prior, between(0, 10)] = Field(description="distance from the lens, over its Einstein radius")
    redshift: Annotated[Prior, between(0.01, 10)] = Field(description="in front of the lens or behind it")


class LensMass(Frozen):
    """An elliptical power law with external shear, and what may be around it."""

    theta_e: Annotated[Prior, between(1e-3, 20)] | None = Field(None, description="Einstein radius [arcsec]")
    sigma_v: Annotated[Prior, between(10, 1000)] | None = Field(
        None, description="velocity dispersion [km/s], from which and from the redshifts theta_e follows"
    )
    slope: Annotated[Prior, between(1.3, 2.7)] = Field(2.0, description="of the power law; 2: isothermal")
    q: AxisRatio = Field(description="axis ratio")
    x: Annotated[Prior, between(-5, 5)] = Field(0.0, description="of the centre [arcsec]")
    y: Annotated[Prior, between(-5, 5)] = Field(0.0, description="of the centre [arcsec]")
    gamma: Annotated[Prior, between(0, 0.5)] = Field(0.0, description="external shear")
    halo: Halo | None = None
    subhalos: Subhalos | None = None
    line_of_sight: Perturber | None = None

    @model_validator(mode="after")
    def has_one_size(self) -> Self:
        if (self.theta_e is None) == (self.sigma_v is None):
            raise ValueError("theta_e, or sigma_v: one of the two, got " + ("none" if self.theta_e is None else "both"))
        return self

    @property
    def is_isothermal(self) -> bool:
        """Whether all lenses of the family are."""
        return self.slope == 2.0


class Reject(Frozen):
    """Which systems are drawn again."""

    theta_e: Interval = Field((0.0, 100.0), description="Einstein radii outside of this are rejected [arcsec]")
    in_field: bool = Field(True, description="all images of the source's centre in the field, and it in its own")
    min_images: int = Field(2, ge=1, le=5, description="fewest images of the source's centre")
    min_magnification: float = Field(0.0, ge=0, description="least flux in the field, over that of the source")


class Lenses(Frozen):
    """A family of simulated strong lenses; system i of a seed is the same however many there are, and whoever made it."""

    family: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$", description="what the family is called")
    out: Location = Field(description="folder of the files and of manifest.json")
    n: int = Field(ge=1, le=2**24, description="how many systems")
    seed: int = Field(0, ge=0, lt=2**31, description="which systems")
    format: Literal["shards", "fits"] = Field("shards", description="HDF5 shards, or two FITS files a system")
    engine: Literal["darkglass", "lenstronomy"] = Field("darkglass", description="what makes the images")
    systems_per_task: int = Field(500, ge=1, le=65536, description="systems that are made and kept together")
    n_retries: int = Field(2, ge=0, le=10, description="how often a failed task is tried again")
    n_pixels: int = Field(96, ge=8, le=1024, description="pixels along a side of an image")
    supersampling: int = Field(4, ge=1, le=16, description="rays along a side of a pixel")
    psf_side: int = Field(25, ge=1, le=255, description="pixels along a side of the point spread functions, odd")
    n_source_pixels: int = Field(64, ge=8, le=1024, description="pixels along a side of the source's own image")
    instruments: tuple[Instrument, ...] = Field(min_length=1, max_length=32, description="what observes them")
    mass: LensMass
    sources: Sources
    lens_light: LensLight | None = None
    z_lens: Annotated[Prior, between(0.01, 10)] = Field(description="redshift of the lens")
    z_source: Annotated[Prior, between(0.01, 20)] = Field(description="redshift of the source")
    cosmology: Cosmology
    reject: Reject = Field(default_factory=Reject)

    @model_validator(mode="after")
    def has_a_middle(self) -> Self:
        if self.psf_side % 2 == 0:
            raise ValueError(f"psf_side: an odd number, got {self.psf_side}")
        names = [one.name for one in self.instruments]
        if len(set(names)) < len(names):
            raise ValueError(f"instruments: each name once, got {', '.join(names)}")
        return self
