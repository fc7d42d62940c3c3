"""What a person may ask of a network, by `kind`: a U-Net unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from configs.frozen import Frozen
from configs.halo_painting import Inception
from configs.inversion import Recurrent


class UNet(Frozen):
    """A U-Net with FiLM conditioning."""

    kind: Literal["unet"] = "unet"
    width: int = Field(16, ge=4, le=512, description="channels of the finest level; each level doubles them")
    n_levels: int = Field(3, ge=1, le=6, description="levels; each halves the sides of a map")
    n_blocks: int = Field(1, ge=1, le=8, description="residual blocks a level")
    patch: Literal[1, 2, 4] = Field(1, description="side of the pixels' squares that are the cells of the finest level")
    n_embedding: int = Field(32, ge=4, le=1024, description="width of the conditioning network")
    film: bool = Field(True, description="modulate every block by the parameters; else the network does not know them")
    padding: Literal["circular", "reflect"] = Field(
        "circular", description="circular on periodic maps, reflect on cutouts"
    )

    @property
    def stride(self) -> int:
        """What must divide both sides of a map."""
        return self.patch * 2 ** (self.n_levels - 1)


class DiT(Frozen):
    """A transformer of patches for diffusion (Peebles & Xie 2023)."""

    kind: Literal["dit"] = Field(description="dit: a transformer of patches, for method.kind=diffusion")
    width: int = Field(128, ge=8, le=4096, description="numbers a patch")
    n_blocks: int = Field(6, ge=1, le=64, description="blocks of attention and perceptron")
    n_heads: int = Field(4, ge=1, le=64, description="heads of attention; they divide the width")
    patch: int = Field(4, ge=1, le=64, description="side of a patch [pixel]")
    n_embedding: int = Field(64, ge=4, le=4096, description="width of the conditioning network")

    @model_validator(mode="after")
    def heads_divide_the_width(self) -> Self:
        if self.width % self.n_heads:
            raise ValueError(f"n_heads: a divisor of width={self.width}, got {self.n_heads}")
        return self

    @property
    def stride(self) -> int:
        """What must divide both sides of a map."""
        return self.patch


def kind_of(value: Any) -> Any:
    """Which kind a mapping is told to be; a U-Net where it does not say."""
    return value.get("kind", "unet") if isinstance(value, Mapping) else getattr(value, "kind", None)


if TYPE_CHECKING:  # what a field holds
    NetConfig = UNet | DiT | Inception | Recurrent
else:
    NetConfig = Annotated[
        Annotated[UNet, Tag("unet")]
        | Annotated[DiT, Tag("dit")]
        | Annotated[Inception, Tag("inception")]
        | Annotated[Recurrent, Tag("recurrent")],
        Discriminator(kind_of),
    ]
