"""The words of the HTTP interface: what requests may say, what answers say, what models say of themselves.

Knows nothing of HTTP itself, of Ray or of how anything is answered. What a request says beside its array is an `Asked`:
it may stand in the query of an address, or with the array in a JSON body, a `...Request`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field

from configs.lens_model import LensModel
from learn.model import MAX_SEED


class Message(BaseModel):
    """What travels: immutable, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Row = Annotated[list[float], FailFast()]
Rows = Annotated[list[Row], FailFast()]
Cube = Annotated[list[Rows], FailFast()]
Steps = Annotated[int | None, Field(ge=1, description="steps of the sampler; the model's own where it is not given")]
Guidance = Annotated[
    float | None, Field(ge=0, le=20, description="guidance of the sampler; the model's own where it is not given")
]
PixelSize = Annotated[float | None, Field(description="side of a pixel [Mpc/h]; refused where the model has another")]


class Asked(Message):
    """What every request may say."""

    params: dict[str, float] = Field(
        default_factory=dict, description="parameter -> value; the others take their default"
    )
    seed: int = Field(0, ge=0, lt=MAX_SEED, description="of the draw, where the model has many answers")


class PaintAsked(Asked):
    """Beside a map to paint."""

    pixel_size: PixelSize = None


class PaintRequest(PaintAsked):
    """A map to paint."""

    map: Rows = Field(description="surface density, rows of columns [Msun/h / (Mpc/h)^2]")


class SampleAsked(Asked):
    """How samples are drawn."""

    n_samples: int = Field(1, ge=1, description="how many")
    n_steps: Steps = None
    guidance: Guidance = None


class GenerateRequest(SampleAsked):
    """Fields to generate, from nothing but parameters."""


class HaloAsked(SampleAsked):
    """Beside the dark matter of a halo."""

    mass: float = Field(gt=0, lt=1e20, description="M200c of the halo [Msun/h]")
    pixel_size: PixelSize = None


class HaloRequest(HaloAsked):
    """A halo to give baryons to."""

    windows: Cube = Field(
        description="dark matter around it, windows of rows of columns: mass a fine pixel [Msun/h], the narrowest "
        "window first, wider ones as means over the area of their pixels"
    )


class CountAsked(Asked):
    """Beside the density of a box."""

    cell_size: float | None = Field(None, description="side of a cell [Mpc/h]; refused where the model has another")


class CountRequest(CountAsked):
    """A periodic box whose halos are to be drawn."""

    density: Cube = Field(description="of the cells, >= 0, in any unit: the model is shown it over its mean")


Angle = Annotated[float | None, Field(gt=0, lt=1e4)]
Redshift = Annotated[float | None, Field(gt=0, le=1200)]


class InvertAsked(Asked):
    """Beside an image of a lens; what is not told here is read from its headers."""

    field: Angle = Field(None, description="side of the square that is inverted [arcsec]; the shorter of the image's")
    n_iterations: int | None = Field(None, ge=1, le=64, description="steps of the network; as trained if not told")
    n_refine: int = Field(0, ge=0, description="steps of a fit after it; 0 for its own answer")
    n_draws: int | None = Field(None, ge=2, description="draws that the errors are from; 32, or the most if fewer")
    z_lens: Redshift = Field(None, description="redshift of the lens")
    z_source: Redshift = Field(None, description="redshift of the source")
    pixel_scale: Angle = Field(None, description="of the image [arcsec]; must agree with what its header says")
    psf_fwhm: Angle = Field(None, description="of a Gaussian point spread function [arcsec], before the file's own")
    exposure_time: float | None = Field(None, gt=0, description="[s]; before what the header says")
    gain: float | None = Field(None, gt=0, description="electrons a count; before what the header says")
    background_rms: float | None = Field(None, gt=0, description="of an empty pixel, in the unit of the image")


class Answer(Message):
    """What every answer says of its numbers."""

    channels: list[str] = Field(description="names of the channels, in order")
    unit: str = Field(description="unit of every channel")


class PaintAnswer(Answer):
    """The painted maps, one a channel."""

    maps: list[list[list[float]]] = Field(description="channels of rows of columns")


class GenerateAnswer(Answer):
    """The samples."""

    samples: list[list[list[list[float]]]] | list[list[list[list[list[float]]]]] = Field(
        description="samples of channels of rows of columns, or of planes of them where the model makes cubes"
    )


class HaloAnswer(Answer):
    """The draws of the components."""

    samples: list[list[list[list[float]]]] = Field(description="samples of channels of rows of columns")


class CountAnswer(Answer):
    """The halos of a draw."""

    counts: list[list[list[list[int]]]] = Field(description="mass bins of planes of rows of columns")


class InvertAnswer(Message):
    """The parameters of a lens, and how far they are to be believed; angles in arcsec."""

    format: int
    name: str
    lens_model: LensModel = Field(description="as `python -m learn mass` reads it")
    theta_e: dict[str, float] = Field(description="Einstein radius of the whole lens: value, error, central 68 %")
    chi2: float = Field(description="reduced, by the noise map as it is told")
    n_fitted: float = Field(description="as how many free numbers the fit counts")
    noise_raised: float = Field(description="factor of the noise by which it was fitted, for a first fit's chi2 of 1")
    n_used: int = Field(description="pixels that are not masked")
    nuisance: dict[str, dict[str, float]] = Field(description="true over assumed width of the psf, and noise")
    flags: dict[str, str] = Field(description="what to look at before it is believed")
    frame: dict[str, Any] = Field(description="what was inverted: pixels, their size, the field, the unit")
    source: dict[str, Any] = Field(description="pixels of the source and their size")
    preparation: dict[str, Any] = Field(description="the steps of the preparation, and its warnings")
    machine: dict[str, Any] = Field(description="steps it was trained for, and by which code")
    made: dict[str, Any] = Field(description="hashes of the image and of the machine, and the options")
    project: str
    commit: str = Field(description="of the code that answered")


class Parameter(Message):
    """One number that conditions a model."""

    name: str
    default: float = Field(description="used when a request does not give it")


class Served(Message):
    """One model that is served."""

    path: str = Field(description="where requests are sent")
    name: str = Field(description="the folder it was trained in")
    method: str
    params: list[Parameter]
    step: int = Field(description="optimiser steps it was trained for")
    commit: str = Field(description="commit of the code that trained it")


class Model(Served):
    """One model of maps or boxes, and what it accepts."""

    is_stochastic: bool = Field(description="whether another seed gives another answer")
    input_channels: list[str]
    channels: list[str] = Field(description="names of the channels of an answer, in order")
    unit: str = Field(description="unit of an answer")
    pixel_size: float = Field(description="side of a pixel or cell [Mpc/h]")
    box_size: float = Field(description="side of a training map or box [Mpc/h]")
    depth: float = Field(description="thickness of a training map along the line of sight [Mpc/h]")


class PaintModel(Model):
    """A painter of maps."""

    stride: int = Field(description="each side of a map is a multiple of it")
    min_pixels: int = Field(description="shortest side of a map")
    max_pixels: int = Field(description="longest side of a map")


class SampleModel(Model):
    """What is drawn by diffusion."""

    sampler: str = Field(description="how noise becomes a sample")
    n_steps: int = Field(description="steps of the sampler, unless a request asks for others")
    guidance: float = Field(description="of the sampler, unless a request asks for another; 1: as learned")
    max_steps: int = Field(description="most steps a request may ask for")
    max_samples: int = Field(description="most samples of a request")


class GenerateModel(SampleModel):
    """A generator of fields."""

    shape: list[int] = Field(description="of a sample: channels and sides")


class HaloModel(SampleModel):
    """A model of the baryons of halos."""

    scales: list[float] = Field(description="sides of the windows [Mpc/h], the narrowest first")
    n_pixels: int = Field(description="pixels along a side of every window")


class CountModel(Model):
    """A model that counts halos in cells."""

    min_cells: int = Field(description="shortest side of a box")
    max_cells: int = Field(description="longest side of a box")


class InvertModel(Served):
    """A machine that inverts images of lenses."""

    n_pixels: int = Field(description="along a side of the frame that is inverted, whatever the image has")
    n_source_pixels: int = Field(description="along a side of a source")
    field: float = Field(description="side of a source over that of the frame")
    n_iterations: int = Field(description="steps of the network, unless a request asks for others")
    max_pixels: int = Field(description="longest side of an image")
    max_refine: int = Field(description="most steps of the fit that a request may ask for")
    max_draws: int = Field(description="most draws a request may ask for")


AnyModel = PaintModel | GenerateModel | HaloModel | CountModel
AnyServed = AnyModel | InvertModel


class Models(Message):
    """Everything that is served."""

    models: list[AnyServed]


class Health(Message):
    """The answer of a service that is up."""

    status: str = "ok"


class Problem(Message):
    """Why a request was refused."""

    detail: str
