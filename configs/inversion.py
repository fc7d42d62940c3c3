"""What a person may ask of a recurrent inference machine: its network, and how it is run and trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from configs.frozen import Frozen
from configs.method import Method


class Recurrent(Frozen):
    """A recurrent U-Net for the source, beside a reader of the image and a recurrent vector for the lens."""

    kind: Literal["recurrent"] = Field(description="recurrent: for method.kind=rim")
    width: int = Field(16, ge=4, le=512, description="channels of the finest level; each level doubles them")
    n_levels: int = Field(3, ge=1, le=6, description="levels; each halves the sides of the source")
    n_read: int = Field(4, ge=1, le=8, description="convolutions of stride 2 that read the image")
    n_vector: int = Field(128, ge=8, le=4096, description="numbers that are remembered of the lens")

    @property
    def stride(self) -> int:
        """What must divide the sides of a source."""
        return int(2 ** (self.n_levels - 1))


class Rim(Method):
    """Source and lens together, by steps along the gradient of the likelihood (Putzky & Welling 2017)."""

    kind: Literal["rim"] = "rim"
    forward: Literal["exact", "learned"] = Field(
        "exact", description="the forward operator; learned: a network that is trained beside, as AstroRIM has it"
    )
    n_iterations: int = Field(8, ge=1, le=64, description="steps from nothing to an answer; may be changed later")
    supersampling: int = Field(1, ge=1, le=8, description="rays along a pixel of the image in the likelihood")
    fit_subpixels: int = Field(
        2, ge=1, le=4, description="pixels along one of the source, when an estimate is fitted to an image"
    )
    fit_supersampling: int = Field(
        2, ge=1, le=8, description="the same, where an estimate is made to fit, and of what is told"
    )
    psf_side: int = Field(21, ge=1, le=255, description="pixels along a kernel, of which the rest is cut off; odd")
    spread_weight: float = Field(0.1, gt=0, le=10, description="weight of the uncertainties beside the estimates")

    def scales(self, _channels: Sequence[str]) -> None:
        """An image is told in its own scale."""

    @model_validator(mode="after")
    def kernels_have_a_middle(self) -> Self:
        if self.psf_side % 2 == 0:
            raise ValueError(f"psf_side: an odd number, got {self.psf_side}")
        return self
