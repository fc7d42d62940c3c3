"""What a person may ask for when a deployed painter is tried: on which maps, and where its answers go."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from configs.frozen import Frozen, Location
from configs.schema import Baryons
from configs.serving import Serve


class Paint(Frozen):
    """Use of a deployed checkpoint over HTTP on held-out and on real data."""

    serve: Serve
    data: Location = Field(description="folder with manifest.json: its first held-out map is sent")
    out: Location = Field(description="folder of the painted maps")
    snapshot: Location | None = Field(None, description="an N-body snapshot (Gadget HDF5 or Abacus .npz) to paint")
    source: str = Field("", description="where the snapshot comes from, in words, for the report")
    baryons: Baryons = Field(default_factory=Baryons, description="the baryon parameters the snapshot is painted with")

    @property
    def checkpoint(self) -> Path:
        """Of the painter."""
        assert self.serve.checkpoint is not None
        return self.serve.checkpoint

    @model_validator(mode="after")
    def serves_a_painter(self) -> Self:
        if list(self.serve.endpoints) != ["paint"]:
            raise ValueError(f"serve: a painter alone (serve.checkpoint), got {', '.join(self.serve.endpoints)}")
        return self
