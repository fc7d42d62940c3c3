"""What a person may say of a telescope and its camera. Angles in arcsec; rates in electrons / s."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from configs.frozen import Frozen, Location
from configs.priors import Prior, between, highest

PsfKind = Literal["gaussian", "moffat", "airy", "kernel"]


class Psf(Frozen):
    """Point spread functions, and how well the observer knows them."""

    kinds: tuple[PsfKind, ...] = Field(min_length=1, description="gaussian, moffat, airy or kernel, each as often")
    fwhm: Annotated[Prior, between(1e-3, 10)] = Field(description="full width at half maximum [arcsec]")
    beta: Annotated[Prior, between(1.2, 20)] = Field(3.0, description="of a Moffat profile")
    ellipticity: Annotated[Prior, between(0, 0.5)] = Field(0.0, description="(1 - q) / (1 + q) of a Moffat profile")
    kernel: Location | None = Field(None, description="FITS image of a kernel on the pixels of the instrument")
    fwhm_error: float = Field(0.0, ge=0, le=0.3, description="standard error of the assumed fwhm, over the fwhm")
    ellipticity_error: float = Field(0.0, ge=0, le=0.1, description="standard error of each assumed ellipticity")

    @model_validator(mode="after")
    def has_its_kernel(self) -> Self:
        if ("kernel" in self.kinds) != (self.kernel is not None):
            raise ValueError(f"kernel: a FITS file where kinds has `kernel`, none elsewhere, got {self.kernel}")
        return self


class Instrument(Frozen):
    """A camera and its exposures."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,32}$", description="what it is called")
    weight: float = Field(1.0, gt=0, description="how often it is drawn, beside the others")
    pixel_size: float = Field(gt=0, le=10, description="side of a pixel [arcsec]")
    source_field: float = Field(gt=0, le=100, description="side of the field that the source is shown in [arcsec]")
    psf: Psf
    zero_point: float = Field(ge=10, le=40, description="magnitude of one electron / s")
    exposure_time: Annotated[Prior, between(1, 1e7)] = Field(description="of all exposures together [s]")
    n_reads: int = Field(1, ge=1, le=1000, description="how often the detector is read")
    read_noise: Annotated[Prior, between(0, 1000)] = Field(description="of one read [electrons]")
    sky_magnitude: Annotated[Prior, between(10, 40)] = Field(description="of a square arcsec of sky")
    correlation: Annotated[Prior, between(0, 10)] = Field(0.0, description="blur of the noise by resampling [pixel]")
    cosmic_rays: Annotated[Prior, between(0, 100)] = Field(0.0, description="mean number in an image")
    ray_charge: float = Field(2000.0, gt=0, description="mean number of electrons of a cosmic ray")

    @model_validator(mode="after")
    def samples_its_kernel(self) -> Self:
        if highest(self.psf.fwhm) > 20 * self.pixel_size:
            raise ValueError(f"psf.fwhm: at most 20 pixels, got {highest(self.psf.fwhm):g} arcsec")
        return self
