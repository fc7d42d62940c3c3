"""The words of the HTTP interface: what a request may hold, what an answer holds, how large either may be.

Knows nothing of HTTP itself, of Ray or of how a map is painted.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError

from learn.model import MAX_SEED
from serve.npy import MAX_HEADER, refuse_shape

MAX_PARAMETERS = 256
JSON_BYTES_PER_PIXEL = 26  # sign, 17 digits, point, exponent, comma and a space
OVERHEAD = 65536  # keys, names and white space beside the pixels of a JSON body


class MalformedJsonError(ValueError):
    """Bytes that are not JSON."""


class Message(BaseModel):
    """What travels: immutable, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Row = Annotated[list[float], FailFast()]


class PaintRequest(Message):
    """A map to paint."""

    map: Annotated[list[Row], FailFast()] = Field(description="surface density, rows of columns [Msun/h / (Mpc/h)^2]")
    params: dict[str, float] = Field(
        default_factory=dict, description="parameter -> value; the others take their default"
    )
    pixel_size: float | None = Field(None, description="side of a pixel [Mpc/h]; refused where the model has another")
    seed: int = Field(0, ge=0, lt=MAX_SEED, description="of the draw, where the model has many answers")


class PaintAnswer(Message):
    """The painted maps, one a channel."""

    channels: list[str] = Field(description="names of the maps, in order")
    unit: str = Field(description="unit of every map")
    maps: list[list[list[float]]] = Field(description="channels of rows of columns")


class Parameter(Message):
    """One number that conditions a model."""

    name: str
    default: float = Field(description="used when a request does not give it")


class Model(Message):
    """One model that is served, and what it accepts."""

    name: str = Field(description="the folder it was trained in")
    method: str
    is_stochastic: bool = Field(description="whether another seed gives another answer")
    input_channels: list[str]
    channels: list[str] = Field(description="names of the painted maps, in order")
    unit: str = Field(description="unit of the map that goes in and of the maps that come out")
    pixel_size: float = Field(description="side of a pixel [Mpc/h]")
    box_size: float = Field(description="side of a training map [Mpc/h]")
    depth: float = Field(description="thickness of a training map along the line of sight [Mpc/h]")
    stride: int = Field(description="each side of a map is a multiple of it")
    min_pixels: int = Field(description="shortest side of a map")
    max_pixels: int = Field(description="longest side of a map")
    params: list[Parameter]
    step: int = Field(description="optimiser steps it was trained for")
    commit: str = Field(description="commit of the code that trained it")


class Models(Message):
    """Everything that is served."""

    models: list[Model]


class Health(Message):
    """The answer of a replica that can paint."""

    status: str = "ok"


class Problem(Message):
    """Why a request was refused."""

    detail: str


def max_bytes_npy(max_side: int) -> int:
    """The longest .npy body that may hold a map with sides of `max_side`."""
    return MAX_HEADER + 8 * max_side**2


def max_bytes_json(max_side: int) -> int:
    """The longest JSON body that may hold a map with sides of `max_side`."""
    return OVERHEAD + JSON_BYTES_PER_PIXEL * max_side**2


def parse_request(body: bytes, max_side: int) -> PaintRequest:
    """The request in a JSON body; MalformedJsonError unless it is JSON, ValueError unless it is a PaintRequest."""
    refuse_structure(body, max_side)
    try:
        return PaintRequest.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, problem["loc"])) or "JSON body"
        failure = MalformedJsonError if problem["type"] == "json_invalid" else ValueError
        raise failure(f"{where}: {problem['msg']}, got {problem['input']!r:.60}") from None


def refuse_structure(body: bytes, max_side: int) -> None:
    """ValueError where a body has more structure than a request: empty lists take 100 times their bytes once parsed."""
    for sign, most in ((b"[", max_side + 1), (b"{", 2), (b":", MAX_PARAMETERS), (b",", max_side**2 + MAX_PARAMETERS)):
        if body.count(sign) > most:
            raise ValueError(
                f"JSON body: expected a map of at most {max_side} x {max_side}, got more than {most} {sign!r}"
            )


def as_array(rows: list[list[float]], max_side: int) -> NDArray[np.float64]:
    """`rows` of equal length as an array of (rows, columns); ValueError otherwise."""
    n_columns = len(rows[0]) if rows else 0
    for i_row, row in enumerate(rows):
        if len(row) != n_columns:
            raise ValueError(f"map: expected {n_columns} columns in every row, got {len(row)} in row {i_row}")
    refuse_shape((len(rows), n_columns), max_side)
    return np.array(rows, dtype=np.float64)
