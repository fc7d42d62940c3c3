"""JSON bodies as a stranger sends them: refused before they can grow, read exactly, refused in words.

Knows nothing of HTTP and of models.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from serve.form import Form
from serve.schema import Message

MAX_PARAMETERS = 256
Read = TypeVar("Read", bound=Message)


class MalformedJsonError(ValueError):
    """Bytes that are not JSON."""


def parse(body: bytes, message: type[Read], form: Form) -> Read:
    """The `message` in a JSON body; MalformedJsonError unless it is JSON, ValueError unless it is one."""
    refuse_structure(body, form)
    try:
        return message.model_validate_json(body)
    except ValidationError as error:
        raise told(error, "JSON body") from None


def checked(values: Mapping[str, Any], message: type[Read], where: str) -> Read:
    """The `message` of these values; ValueError unless they make one."""
    try:
        return message.model_validate(values)
    except ValidationError as error:
        raise told(error, where) from None


def told(error: ValidationError, where: str) -> ValueError:
    """The first problem of `error` in one line; MalformedJsonError where bytes are no JSON."""
    problem = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(map(str, problem["loc"])) or where
    failure = MalformedJsonError if problem["type"] == "json_invalid" else ValueError
    return failure(f"{place}: {problem['msg']}, got {problem['input']!r:.60}")


def refuse_structure(body: bytes, form: Form) -> None:
    """ValueError where a body has more structure than a request: empty lists take 100 times their bytes once parsed."""
    most = {b"[": form.max_lists, b"{": 2, b":": MAX_PARAMETERS, b",": prod(form.sides) + MAX_PARAMETERS}
    for sign, n in most.items():
        if body.count(sign) > n:
            what = f"{form.name} of {form.words}" if form.axes else "no array"
            raise ValueError(f"JSON body: expected {what}, got more than {n} {sign!r}")


def as_array(lists: list[Any], form: Form) -> NDArray[np.float64]:
    """Lists of lists as an array of `form`; ValueError where they are ragged, or of another shape."""
    form.refuse(shape_of(lists, form, 0))
    return np.array(lists, dtype=np.float64)


def shape_of(lists: list[Any], form: Form, depth: int) -> tuple[int, ...]:
    """Of lists that are `depth` axes down; ValueError where two of them differ."""
    if depth == len(form.axes) - 1:
        return (len(lists),)
    shapes = [shape_of(one, form, depth + 1) for one in lists]
    for i, shape in enumerate(shapes):
        if shape != shapes[0]:
            expected, got = (" x ".join(map(str, sides)) for sides in (shapes[0], shape))
            axis = form.axes[depth]
            raise ValueError(f"{form.name}: expected {expected} numbers in every {axis}, got {got} in {axis} {i}")
    return (len(lists), *(shapes[0] if shapes else (0,) * (len(form.axes) - 1 - depth)))
