"""What tests of HTTP share: bodies, answers and refusals."""

from __future__ import annotations

import io

import httpx
import numpy as np
from numpy.typing import NDArray

from serve.media import JSON, NPY


def npy(array: NDArray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def array_of(answer: httpx.Response) -> NDArray:
    assert answer.status_code == 200, answer.content[:300]
    assert answer.headers["content-type"] == NPY
    return np.load(io.BytesIO(answer.content), allow_pickle=False)


def refusal(answer: httpx.Response, code: int) -> str:
    assert answer.status_code == code, answer.content[:300]
    assert answer.headers["content-type"] == JSON
    assert list(answer.json()) == ["detail"]
    return answer.json()["detail"]
