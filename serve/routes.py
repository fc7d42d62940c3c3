"""The HTTP interface: refuses what cannot be painted, in words, before anything waits for it.

Knows nothing of Ray: `paint` is any coroutine that turns one map into painted maps. A request is answered 400 when its
bytes are not what its Content-Type says, 413 when there are too many, 415 for another Content-Type, 422 when it is read
but cannot be painted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from numpy.typing import NDArray
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect

from configs import Serve
from learn.checkpoint import Meta
from learn.model import MAX_SEED
from serve.npy import MalformedNpyError, decode, encode
from serve.schema import (
    Health,
    MalformedJsonError,
    Model,
    Models,
    PaintAnswer,
    PaintRequest,
    Parameter,
    Problem,
    as_array,
    max_bytes_json,
    max_bytes_npy,
    parse_request,
)

NPY = "application/x-npy"
JSON = "application/json"
KINDS = {NPY: NPY, "application/octet-stream": NPY, "application/npy": NPY, JSON: JSON}
MAX_FLOAT32 = float(np.finfo(np.float32).max)

Floats = NDArray[np.float32]
Paint = Callable[[Floats, Floats, int], Awaitable[Floats]]
"""(H, W) surface density, (p,) parameters and the seed of a draw -> (C, H, W) painted maps."""


class Painter(Protocol):
    """What the routes ask of `learn.predict.Predictor`."""

    @property
    def meta(self) -> Meta: ...

    @property
    def is_stochastic(self) -> bool: ...

    @property
    def stride(self) -> int: ...

    @property
    def min_side(self) -> int: ...

    def check(self, one: Floats, /) -> None: ...

    def check_pixel_size(self, pixel_size: float | None, /) -> None: ...

    def params_from(self, values: Mapping[str, float], /) -> Floats: ...


@dataclass(frozen=True)
class Question:
    """A request that can be painted."""

    map: Floats
    params: Floats
    seed: int


def api(paint: Paint, predictor: Painter, config: Serve) -> FastAPI:
    """The application: POST /v1/paint, GET /v1/models, /healthz, /docs and /openapi.json."""
    desk = Desk(paint, predictor, config)
    app = FastAPI(title="Darkglass", summary="Dark matter in, baryons out", license_info={"name": "MIT"})
    app.add_exception_handler(ClientDisconnect, nobody_listens)
    app.add_api_route("/healthz", health, methods=["GET"], response_model=Health)
    app.add_api_route("/v1/models", desk.models, methods=["GET"], response_model=Models)
    app.add_api_route(
        "/v1/paint",
        desk.painted,
        methods=["POST"],
        response_class=Response,
        responses=described_answers(),
        openapi_extra=described_request(desk.model),
    )
    return app


class Desk:
    """Reads requests and writes answers for one model."""

    def __init__(self, paint: Paint, predictor: Painter, config: Serve) -> None:
        self._paint = paint
        self._predictor = predictor
        self._max_side = config.max_pixels
        self._max_bytes = {NPY: max_bytes_npy(config.max_pixels), JSON: max_bytes_json(config.max_pixels)}
        self.model = describe(predictor, config)

    async def models(self) -> Models:
        """What is served."""
        return Models(models=[self.model])

    async def painted(self, request: Request) -> Response:
        """Paint one map: a .npy body with parameters in the query, or JSON. The answer is of the same kind, or as
        Accept says: .npy of shape (channels, rows, columns), or JSON."""
        kind = body_kind(request)
        body = await read(request, self._max_bytes[kind])
        with refusals():
            question = await run_in_threadpool(self.question, kind, body, request.query_params)
        maps = await self._paint(question.map, question.params, question.seed)
        with refusals():
            refuse_unpaintable(maps, self.model.channels)
        return await run_in_threadpool(self.answer, answer_kind(request.headers.get("accept", ""), kind), maps)

    def question(self, kind: str, body: bytes, query: QueryParams) -> Question:
        """What `body` and `query` ask for; ValueError unless the model can paint it."""
        if kind == NPY:
            numbers, values = decode(body, self._max_side), query_values(query)
            pixel_size, seed = values.pop("pixel_size", None), whole("seed", values.pop("seed", 0.0))
        else:
            asked = parse_request(body, self._max_side)
            numbers, values = as_array(asked.map, self._max_side), asked.params
            pixel_size, seed = asked.pixel_size, asked.seed
            if query:
                raise ValueError(f"query: expected parameters in the JSON body, got {next(iter(query))!r} in the query")
        self._predictor.check_pixel_size(pixel_size)
        map = single_precision(numbers)
        self._predictor.check(map)
        return Question(map, self.parameters(values), seed)

    def parameters(self, values: Mapping[str, float]) -> Floats:
        """The vector of parameters (p,); ValueError for unknown names and for values that are not finite."""
        for name, value in values.items():
            if not abs(value) <= MAX_FLOAT32:
                raise ValueError(f"{name}: expected a finite number, got {value}")
        return self._predictor.params_from(values)

    def answer(self, kind: str, maps: Floats) -> Response:
        """`maps` as a response of `kind`."""
        if kind == NPY:
            headers = {"Darkglass-Channels": ",".join(self.model.channels), "Darkglass-Unit": self.model.unit}
            return Response(encode(maps), media_type=NPY, headers=headers)
        answer = PaintAnswer.model_construct(channels=self.model.channels, unit=self.model.unit, maps=maps.tolist())
        return Response(answer.model_dump_json(), media_type=JSON)


async def health() -> Health:
    """Answers when a replica is up."""
    return Health()


async def nobody_listens(_request: Request, _error: Exception) -> Response:
    """The client went away in mid-upload: whatever is answered is lost, but nothing failed."""
    return Response(status_code=400)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn ValueError, which is what a user got wrong, into 4xx with its words."""
    try:
        yield
    except (MalformedNpyError, MalformedJsonError) as error:
        raise HTTPException(400, str(error)) from error
    except ValueError as error:
        raise HTTPException(422, str(error)) from error


def body_kind(request: Request) -> str:
    """NPY or JSON, from the Content-Type; 415 for anything else."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in KINDS:
        raise HTTPException(415, f"Content-Type: expected {' or '.join(KINDS)}, got {media or 'none'}")
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise HTTPException(415, f"Content-Encoding: expected identity, got {coding}")
    return KINDS[media]


def answer_kind(accept: str, default: str) -> str:
    """NPY or JSON: the first of them that the Accept header names, else `default`."""
    named = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    return next((KINDS[media] for media in named if media in KINDS), default)


async def read(request: Request, limit: int) -> bytes:
    """The body of at most `limit` bytes; 413 as soon as it is known to be longer."""
    declared = request.headers.get("content-length", "0")
    too_long = HTTPException(413, f"body: expected at most {limit} bytes")
    if not declared.isdecimal() or len(declared) > 18 or int(declared) > limit:
        raise too_long
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > limit:
            raise too_long
        body += chunk
    return bytes(body)


def query_values(query: QueryParams) -> dict[str, float]:
    """Name -> number of every query parameter; ValueError for a name given twice and for what is not a number."""
    values: dict[str, float] = {}
    for name, text in query.multi_items():
        if name in values:
            raise ValueError(f"{name}: expected one value, got two")
        try:
            values[name] = float(text)
        except ValueError:
            raise ValueError(f"{name}: expected a number, got {text!r:.60}") from None
    return values


def whole(name: str, value: float) -> int:
    """`value` as a seed; ValueError unless it is one."""
    if not (value.is_integer() and 0 <= value < MAX_SEED):
        raise ValueError(f"{name}: expected a whole number from 0 below {MAX_SEED}, got {value:g}")
    return int(value)


def single_precision(numbers: NDArray) -> Floats:
    """`numbers` as contiguous float32; ValueError unless all are finite, also after the conversion."""
    with np.errstate(over="ignore"):
        map = np.ascontiguousarray(numbers, dtype=np.float32)
    strange = np.argwhere(~np.isfinite(map))
    if len(strange):
        row, column = strange[0].tolist()
        where = f"{numbers[row, column]} at row {row}, column {column}"
        raise ValueError(f"map: expected finite numbers below 3.4e38, got {len(strange)} others, the first {where}")
    return map


def refuse_unpaintable(maps: Floats, channels: list[str]) -> None:
    """ValueError where the model gave non-finite pixels: the input, though finite, was too far from its training."""
    for channel, map in zip(channels, maps, strict=True):
        n = np.count_nonzero(~np.isfinite(map))
        if n:
            raise ValueError(
                f"request: expected values near those of the training, got {n} non-finite pixels of {channel}"
            )


def describe(predictor: Painter, config: Serve) -> Model:
    """What GET /v1/models says of `predictor`."""
    meta = predictor.meta
    return Model(
        name=meta.config.out.name,
        method=meta.config.method.kind,
        is_stochastic=predictor.is_stochastic,
        input_channels=list(meta.input_channels),
        channels=list(meta.target_channels),
        unit=meta.unit,
        pixel_size=meta.pixel_size,
        box_size=meta.box_size,
        depth=meta.depth,
        stride=predictor.stride,
        min_pixels=predictor.min_side,
        max_pixels=config.max_pixels,
        params=[
            Parameter(name=name, default=default)
            for name, default in zip(meta.param_names, meta.param_defaults, strict=True)
        ],
        step=meta.step,
        commit=meta.commit,
    )


def described_request(model: Model) -> dict[str, Any]:
    """The part of OpenAPI that depends on the model: its parameters, and both kinds of body."""
    names = [(p.name, f"default {p.default:g}") for p in model.params]
    names.append(("pixel_size", f"side of a pixel [Mpc/h], {model.pixel_size:g} for this model"))
    names.append(("seed", "of the draw, 0 by default; a model with one answer ignores it"))
    query = [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": {"type": "number"},
            "description": f"{words} (.npy bodies)",
        }
        for name, words in names
    ]
    binary = {"schema": {"type": "string", "format": "binary"}}
    bodies = {NPY: binary, "application/octet-stream": binary, JSON: {"schema": PaintRequest.model_json_schema()}}
    return {"parameters": query, "requestBody": {"required": True, "content": bodies}}


def described_answers() -> dict[int | str, dict[str, Any]]:
    """The part of OpenAPI that says what comes back."""
    words = {
        400: "the body is not what its Content-Type says",
        413: "the body is too long",
        415: "unknown Content-Type",
        422: "the map or its parameters cannot be painted",
        503: "too many requests wait",
    }
    binary = {NPY: {"schema": {"type": "string", "format": "binary"}}}
    painted: dict[int | str, dict[str, Any]] = {
        200: {"description": "the painted maps", "model": PaintAnswer, "content": binary}
    }
    return painted | {code: {"description": text, "model": Problem} for code, text in words.items()}
