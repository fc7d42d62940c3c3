"""What a user got wrong, as 4xx with words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException

from serve.fits_body import MalformedFitsError
from serve.json_body import MalformedJsonError
from serve.npy import MalformedNpyError

CODES = {
    400: "the body is not what its Content-Type says",
    413: "the body is too long",
    415: "unknown Content-Type",
    422: "the request is read, but cannot be answered",
    503: "too many requests wait, or the model is not up yet",
}


@contextmanager
def refusals() -> Iterator[None]:
    """Turn ValueError into 400 where bytes are not what they are said to be, else into 422."""
    try:
        yield
    except (MalformedNpyError, MalformedJsonError, MalformedFitsError) as error:
        raise HTTPException(400, str(error)) from error
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
