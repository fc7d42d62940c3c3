"""What stands in the query of an address: parameters of a model by name, and what else a request may say."""

from __future__ import annotations

from typing import TypeVar

from starlette.datastructures import QueryParams

from serve.json_body import checked
from serve.schema import Asked

Read = TypeVar("Read", bound=Asked)
EXACT = 2**53  # whole numbers below it are exact in double precision


def asked(query: QueryParams, message: type[Read]) -> Read:
    """The `message` that `query` is; what is no field of it is a parameter. ValueError says what is wrong."""
    values = numbers(query)
    fields = {name: values.pop(name) for name in message.model_fields if name in values}
    return checked({"params": values} | fields, message, "query")


def numbers(query: QueryParams) -> dict[str, float]:
    """Name -> number of every query parameter; ValueError for a name given twice and for what is not a number."""
    values: dict[str, float] = {}
    for name, text in query.multi_items():
        if name in values:
            raise ValueError(f"{name}: expected one value, got two")
        try:
            values[name] = number(text)
        except ValueError:
            raise ValueError(f"{name}: expected a number, got {text!r:.60}") from None
    return values


def number(text: str) -> float:
    """A number, an int where it is whole."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < EXACT else value


def refuse_any(query: QueryParams) -> None:
    """ValueError unless `query` is empty."""
    if query:
        raise ValueError(f"query: expected parameters in the JSON body, got {next(iter(query))!r} in the query")
