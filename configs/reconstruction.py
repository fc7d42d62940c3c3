"""What a person may ask of a trained inference machine: which images, in which frame, with how much effort."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from configs.frozen import Location
from configs.observing import Above0, Prepare

MAX_REFINE, MAX_DRAWS = 1000, 4096


class Reconstruct(Prepare):
    """Sources and lenses of images; those that are not prepared yet are prepared, with the options of a preparation."""

    checkpoint: Location = Field(description="folder of a machine: weights.safetensors and meta.json")
    out: Location = Field(Path("out/reconstructed"), description="folder of what is found, and of the summary")
    field: Above0 | None = Field(
        None,
        description="side of the square about its centre that is inverted [arcsec]; by its lensed light if not told",
    )
    core: Above0 | None = Field(
        0.3, description="nearer to the centre pixels are hidden if the lens's light was fitted [arcsec]; null for none"
    )
    n_iterations: int | None = Field(None, ge=1, le=64, description="steps of the network; as trained if not told")
    n_refine: int = Field(20, ge=0, le=MAX_REFINE, description="steps of a fit after it; 0 for its own answer")
    n_draws: int = Field(32, ge=2, le=MAX_DRAWS, description="draws of the posterior that the errors are from")
    seed: int = Field(0, ge=0, lt=2**40, description="seed of the draws")
    n_retries: int = Field(2, ge=0, le=10, description="how often an image whose worker was lost is tried again")
    n_pixels: None = Field(None, description="the machine's own")
    pixel_size: None = Field(None, description="field over the pixels of the machine")
    normalize: Literal["none"] = Field("none", description="a machine has its own scale")
