"""Which maps are learned from or judged on. A plain path is a folder of pair shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from configs.frozen import Frozen, Location


class PairShards(Frozen):
    """Folders of pair shards that `produce` wrote."""

    kind: Literal["shards"] = "shards"
    folder: Location = Field(description="folder with the manifest.json that `produce` wrote")
    more: tuple[Location, ...] = Field(
        (), description="further folders of the same simulations: other redshifts, other baryons"
    )

    @property
    def where(self) -> Path:
        return self.folder


def shards_of_a_path(value: Path | PairShards) -> PairShards:
    """A plain path as the configuration of a folder of pair shards."""
    return PairShards(folder=value) if isinstance(value, Path) else value


# The path comes last, so that what is wrong in a mapping is said of its kind. Not a validator that runs before: after
# one pydantic holds the rest to the strict rules for Python values, by which a list is no tuple.
if TYPE_CHECKING:  # what a field holds, whatever was written
    MapData = PairShards
else:
    MapData = Annotated[PairShards | Location, AfterValidator(shards_of_a_path)]
