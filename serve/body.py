"""Bodies of requests, which end before they are too long."""

from __future__ import annotations

from fastapi import HTTPException, Request


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
