"""Kinds of bodies and of answers, and the headers that name them."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import HTTPException, Request

NPY = "application/x-npy"
JSON = "application/json"
FITS, ZIP = "application/fits", "application/zip"
QUERY = "no body"
"""Everything stands in the query."""
ARRAYS = {NPY: NPY, "application/octet-stream": NPY, "application/npy": NPY, JSON: JSON}
"""Content-Type -> kind, of requests that hold an array."""
FILES = {FITS: FITS, "image/fits": FITS, "application/octet-stream": FITS}
"""Content-Type -> kind, of requests that are a file."""
WORDS = {JSON: JSON, "": QUERY}
"""Content-Type -> kind, of requests that hold none."""


def body_kind(request: Request, kinds: Mapping[str, str]) -> str:
    """One of `kinds`, from the Content-Type; 415 for anything else."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in kinds:
        names = " or ".join(name or "none" for name in kinds)
        raise HTTPException(415, f"Content-Type: expected {names}, got {media or 'none'}")
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise HTTPException(415, f"Content-Encoding: expected identity, got {coding}")
    return kinds[media]


def answer_kind(request: Request, kind: str) -> str:
    """NPY or JSON: the first of them that the Accept header names, else as the body of this `kind`."""
    return first_named(request, ARRAYS, JSON if kind == JSON else NPY)


def file_kind(request: Request) -> str:
    """ZIP, JSON or NPY: the first of them that the Accept header names, else ZIP."""
    return first_named(request, {ZIP: ZIP, JSON: JSON, NPY: NPY}, ZIP)


def first_named(request: Request, kinds: Mapping[str, str], default: str) -> str:
    """The kind of the first media type of the Accept header that is one of `kinds`."""
    parts = request.headers.get("accept", "").split(",")
    named = (part.partition(";")[0].strip().lower() for part in parts)
    return next((kinds[media] for media in named if media in kinds), default)
