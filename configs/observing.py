"""What a person may say of an image of a lens, and how it is made ready for an inversion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from configs.frozen import Frozen, Location

Above0 = Annotated[FiniteFloat, Field(gt=0)]
Extension = Annotated[int, Field(ge=0)] | str
Pixel = tuple[FiniteFloat, FiniteFloat]
MAX_POINTS = 8


class Extensions(Frozen):
    """Names or numbers of the extensions of a FITS file; what is not told is found by its name."""

    image: Extension | None = Field(None, description="of the image")
    noise: Extension | None = Field(None, description="of its noise map")
    psf: Extension | None = Field(None, description="of its point spread function")
    mask: Extension | None = Field(None, description="of its mask")


class PointSpread(Frozen):
    """Where the point spread function comes from; without any of these, from the file or from beside it."""

    file: Location | None = Field(None, description="FITS or HDF5 file")
    fwhm: Above0 | None = Field(None, description="of a Gaussian [arcsec]")
    star: Pixel | None = Field(None, description="[x, y] of a star in the image [pixel, from 0]")
    size: int = Field(101, ge=3, le=201, description="pixels along its side, at most; odd")
    supersampling: int = Field(1, ge=1, le=20, description="its pixels in one of the image, if its header is silent")

    @model_validator(mode="after")
    def it_comes_from_one_place(self) -> Self:
        told = [name for name in ("file", "fwhm", "star") if getattr(self, name) is not None]
        if len(told) > 1:
            raise ValueError(f"one of file, fwhm and star, got {' and '.join(told)}")
        if self.size % 2 == 0:
            raise ValueError(f"an odd size, got {self.size}")
        return self


class Masks(Frozen):
    """Which pixels an inversion must not see."""

    file: Location | None = Field(None, description="FITS file of a mask, of the shape of the image")
    keeps: Literal[0, 1] | None = Field(
        None, description="which value of a mask is of pixels that are used; that of the middle if not told"
    )
    radius: Above0 | None = Field(None, description="only what is within that of the centre is used [arcsec]")
    neighbours: Above0 | None = Field(
        0.8, description="objects that peak beyond this part of half the frame are masked; null for none"
    )


class Prepare(Frozen):
    """Images of lenses, from the files that astronomers have to files that an inversion can use."""

    image: Location = Field(description="FITS or HDF5 file, or a folder of them")
    out: Location = Field(Path("out/prepared"), description="folder of the prepared images and summary.csv")
    catalog: Location | None = Field(None, description="CSV: lens_name, z_lens, z_source, pixel_scale_arcsec")
    band: str | None = Field(None, description="of the files that have several, this one; all if not told")
    extensions: Extensions = Field(default_factory=Extensions, description="where things are in FITS files")
    noise_file: Location | None = Field(None, description="FITS file of a noise map (standard deviations)")
    psf: PointSpread = Field(default_factory=PointSpread, description="point spread function")
    mask: Masks = Field(default_factory=Masks, description="pixels that are not used")
    pixel_scale: Above0 | None = Field(None, description="of the file [arcsec]; must agree with what the file says")
    exposure_time: Above0 | None = Field(None, description="[s]; before what the file says")
    gain: Above0 | None = Field(None, description="electrons a count; before what the file says")
    zero_point: FiniteFloat | None = Field(None, description="AB magnitude of one unit; before what the file says")
    background_rms: Above0 | None = Field(None, description="of an empty pixel, in the unit of the file")
    unit: str | None = Field(None, description="of the file, as BUNIT would say; before what the file says")
    sky: Literal["auto", "measure"] | FiniteFloat = Field(
        "auto",
        description="measure: subtract what is measured; auto: only if it is flat, so no light; a level, 0 for none",
    )
    center: Literal["brightness", "ring", "none"] | Pixel = Field(
        "brightness", description="what is put in the middle: lens galaxy, ring, nothing, or [x, y] [pixel, from 0]"
    )
    points: Literal["header"] | Annotated[tuple[Pixel, ...], Field(max_length=MAX_POINTS)] = Field(
        "header",
        description="point images, which are subtracted and hidden: [[x, y], ...] [pixel, from 0]; header: where QX1, "
        "QY1 ... of the file say [arcsec]; [] for none",
    )
    lens_light: Literal["subtract", "model", "keep"] = Field(
        "subtract", description="fitted and subtracted; fitted and stored, not subtracted; or not fitted"
    )
    n_profiles: Literal[1, 2] = Field(2, description="Sersic profiles of the light of the lens")
    n_pixels: int | None = Field(None, ge=8, le=4096, description="along the side of the result; as it is if not told")
    pixel_size: Above0 | None = Field(None, description="of the result [arcsec]; as it is if not told")
    normalize: Literal["none", "robust", "minmax", "percentile"] = Field(
        "none", description="median and MAD; lowest and highest; 1st and 99th percentile"
    )
