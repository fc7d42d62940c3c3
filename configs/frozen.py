"""What every configuration is: immutable and strict; what a path in it is; and what a list in a file is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from configs.location import resolve

Location = Annotated[Path, AfterValidator(resolve)]


class Frozen(BaseModel):
    """A configuration: immutable, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def with_tuples(value: Any) -> Any:
    """`value` with its lists, at any depth, as tuples: what a strict model wants once a validator has seen the JSON."""
    if isinstance(value, dict):
        return {key: with_tuples(item) for key, item in value.items()}
    return tuple(with_tuples(item) for item in value) if isinstance(value, list) else value
