"""Which maps are learned from or judged on. A plain path is a folder of pair shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

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


def shards_of_a_path(value: Any) -> Any:
    """A plain path as the configuration of a folder of pair shards."""
    return {"kind": "shards", "folder": value} if isinstance(value, str | Path) else value


MapData = Annotated[PairShards, BeforeValidator(shards_of_a_path)]
"""Every kind of data set of maps."""
