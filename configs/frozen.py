"""What every configuration is: immutable and strict; and what a path in it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from configs.location import resolve

Location = Annotated[Path, AfterValidator(resolve)]


class Frozen(BaseModel):
    """A configuration: immutable, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
