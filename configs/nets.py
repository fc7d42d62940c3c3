"""What a person may ask of a network, by `kind`: a U-Net unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from configs.frozen import Frozen
from configs.halo_painting import Inception


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


def kind_of(value: Any) -> Any:
    """Which kind a mapping is told to be; a U-Net where it does not say."""
    return value.get("kind", "unet") if isinstance(value, Mapping) else getattr(value, "kind", None)


if TYPE_CHECKING:  # what a field holds
    NetConfig = UNet | Inception
else:
    NetConfig = Annotated[Annotated[UNet, Tag("unet")] | Annotated[Inception, Tag("inception")], Discriminator(kind_of)]
