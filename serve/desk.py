"""Reads requests and writes answers for one endpoint, and refuses in words what it cannot answer before anything waits.

Knows HTTP; nothing of Ray, and nothing of what is asked.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from numpy.typing import NDArray
from starlette.datastructures import QueryParams

from configs import Replicas
from serve import query
from serve.batch import Batcher, Queue, ask_all
from serve.body import read
from serve.endpoints import Endpoint
from serve.json_body import as_array, parse
from serve.media import ARRAYS, JSON, NPY, QUERY, WORDS, answer_kind, body_kind
from serve.npy import decode, encode
from serve.refusal import refusals
from serve.schema import Asked

AnyEndpoint = Endpoint[Any, Any, Any]


class Desk:
    """An endpoint and the queue in front of its model."""

    def __init__(self, endpoint: AnyEndpoint, queue: Queue[Any, Any]) -> None:
        self.queue, self.endpoint, self.route = queue, endpoint, endpoint.route
        form = endpoint.form
        self._max_bytes = {NPY: form.max_bytes_npy, JSON: form.max_bytes_json, QUERY: 0}

    @classmethod
    def of(cls, endpoint: AnyEndpoint, config: Replicas) -> Desk:
        """With a queue as `config` says."""
        return cls(endpoint, Batcher(endpoint.run, max_batch=config.max_batch, wait_s=config.batch_wait_s))

    async def answered(self, request: Request) -> Response:
        """Answer one request in the kind of its body, or as Accept says."""
        kind = body_kind(request, ARRAYS if self.route.takes_array else WORDS)
        body = await read(request, self._max_bytes[kind])
        with refusals():
            jobs = await run_in_threadpool(self.jobs, kind, body, request.query_params)
        answers = await ask_all(self.queue, jobs)
        with refusals():
            array = await run_in_threadpool(self.endpoint.gathered, answers)
        return await run_in_threadpool(self.written, answer_kind(request, kind), array)

    def jobs(self, kind: str, body: bytes, told: QueryParams) -> list[Any]:
        """What `body` and the query ask for; ValueError unless the endpoint can do it."""
        array, asked = self.question(kind, body, told)
        return list(self.endpoint.jobs(array, asked))

    def question(self, kind: str, body: bytes, told: QueryParams) -> tuple[NDArray | None, Asked]:
        """The array of a request, if it has one, and what else it says."""
        form, route = self.endpoint.form, self.route
        if kind != JSON:
            return (decode(body, form) if kind == NPY else None), query.asked(told, route.asked)
        asked = parse(body, route.request, form)
        query.refuse_any(told)
        return (as_array(getattr(asked, form.name), form) if route.takes_array else None), asked

    def written(self, kind: str, array: NDArray) -> Response:
        """`array` as a response of `kind`."""
        model = self.endpoint.model
        if kind == NPY:
            headers = {"Darkglass-Channels": ",".join(model.channels), "Darkglass-Unit": model.unit}
            return Response(encode(array), media_type=NPY, headers=headers)
        told = {"channels": model.channels, "unit": model.unit, self.route.key: array.tolist()}
        answer = self.route.answer.model_construct(**told)
        return Response(answer.model_dump_json(), media_type=JSON)
