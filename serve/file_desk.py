"""Reads a file and writes files for one endpoint; as `serve.desk` in all else. Knows HTTP; nothing of Ray."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from configs import Replicas
from serve import query
from serve.batch import Batcher, Queue
from serve.body import read
from serve.endpoints.invert import Invert, Job
from serve.media import FILES, body_kind, file_kind
from serve.refusal import refusals
from serve.schema import InvertAsked


class FileDesk:
    """An endpoint and the queue in front of its model."""

    def __init__(self, endpoint: Invert, queue: Queue[Job, bytes | ValueError]) -> None:
        self.queue, self.endpoint, self.route = queue, endpoint, endpoint.route

    @classmethod
    def of(cls, endpoint: Invert, config: Replicas) -> FileDesk:
        """With a queue as `config` says."""
        return cls(endpoint, Batcher(endpoint.run, max_batch=config.max_batch, wait_s=config.batch_wait_s))

    async def answered(self, request: Request) -> Response:
        """Answer one request as Accept says."""
        body_kind(request, FILES)
        kind = file_kind(request)
        body = await read(request, self.endpoint.max_bytes)
        with refusals():
            asked = query.asked(request.query_params, InvertAsked)
            job = await run_in_threadpool(self.endpoint.job, body, asked, kind)
        answer = await self.queue.ask(job)
        with refusals():
            if isinstance(answer, ValueError):
                raise answer
        return Response(answer, media_type=kind)
