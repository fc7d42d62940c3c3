"""`.npy` bodies: numpy is the oracle for what is valid, and nothing else gets through."""

from __future__ import annotations

import io
from contextlib import suppress

import numpy as np
import pytest
from numpy.typing import NDArray

from serve.form import MAX_HEADER, Form
from serve.npy import MAGIC, MalformedNpyError, decode, encode, read_header

HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"


def form(side: int, n_axes: int = 2) -> Form:
    return Form("map", ("plane", "row", "column")[-n_axes:], (side,) * n_axes)


def saved(array: NDArray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def with_header(text: str, data: bytes = bytes(24), version: int = 1) -> bytes:
    width = 2 if version == 1 else 4
    return MAGIC + bytes([version, 0]) + len(text).to_bytes(width, "little") + text.encode("latin-1") + data


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "<f8", ">f8", "i1", "u1", ">i2", "<u4", "i8", ">u8"])
def test_reads_what_numpy_writes(dtype: str, order: str) -> None:
    array = np.asarray(np.arange(12).reshape(3, 4), dtype=dtype, order=order)
    np.testing.assert_array_equal(decode(saved(array), form(4)), array, strict=True)
    cube = array.reshape(2, 2, 3, order=order)
    np.testing.assert_array_equal(decode(saved(cube), form(4, 3)), cube, strict=True)


def test_numpy_reads_what_is_written() -> None:
    array = np.random.default_rng(0).random((3, 4, 5), dtype=np.float32)[:, ::2]
    np.testing.assert_array_equal(np.load(io.BytesIO(encode(array)), allow_pickle=False), array, strict=True)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 2), "c8"), "complex"),
        (np.zeros((2, 2), bool), "bool"),
        (np.zeros((2, 2), "S3"), "bytes"),
        (np.zeros((2, 2), "U3"), "text"),
        (np.zeros((2, 2), "M8[s]"), "dates"),
        (np.zeros((2, 2), [("a", "f4")]), "structured"),
        (np.array([[None]]), "object"),
        (np.array(1.0), r"2 axes \(row, column\), got 0"),
        (np.zeros(4), r"got 1: shape \(4,\)"),
        (np.zeros((1, 2, 2)), r"got 3: shape \(1, 2, 2\)"),
        (np.zeros((0, 4)), r"expected at most 8 x 8 \(row, column\), got shape \(0, 4\)"),
        (np.zeros((1, 9)), r"got shape \(1, 9\)"),
    ],
)
def test_refuses_what_is_no_map(array: NDArray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode(saved(array), form(8))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01",
        b"\x93NUMPY\x01\x00\xff\xff{}",
        b"\x93NUMPX\x01\x00" + with_header(HEADER)[8:],
        with_header(HEADER, version=9),
        with_header(HEADER, bytes(23)),
        with_header(HEADER, bytes(25)),
        with_header("{}"),
        with_header("__import__('os').abort()"),
        with_header(HEADER + " " * MAX_HEADER),
        with_header(HEADER[:-1] + "'shape': (2, 3), }"),
        with_header(HEADER[:-1] + "'more': 1, }"),
        with_header(HEADER.replace("(2, 3)", "(2, -3)")),
        with_header(HEADER.replace("(2, 3)", "(2.0, 3)")),
        with_header(HEADER.replace("(2, 3)", "True")),
        with_header(HEADER.replace("False", "(2, 3)")),
        with_header(HEADER.replace("False", "0")),
        with_header(HEADER.replace("2, 3", "2, " + "3" * 30)),
    ],
)
def test_refuses_what_is_no_file(body: bytes) -> None:
    with pytest.raises(MalformedNpyError):
        decode(body, form(2**62))


def test_a_huge_declared_shape_allocates_nothing() -> None:
    body = with_header(HEADER.replace("(2, 3)", f"({10**17}, {10**17})"))
    with pytest.raises(MalformedNpyError, match="got 24"):
        decode(body, form(10**18))


@pytest.mark.parametrize("version", [1, 2, 3])
def test_reads_every_version(version: int) -> None:
    assert read_header(with_header(HEADER, version=version)).shape == (2, 3)


def test_mutated_files_raise_nothing_but_value_errors() -> None:
    rng = np.random.default_rng(0)
    original = np.frombuffer(saved(np.ones((4, 4), "f4")), np.uint8)
    n_read = 0
    for _ in range(3000):
        body = original.copy()
        body[rng.integers(0, 128, size=rng.integers(1, 4))] = rng.integers(0, 256, dtype=np.uint8)
        with suppress(ValueError):
            n_read += decode(body.tobytes()[: rng.integers(120, 193)], form(8)).ndim == 2
    assert n_read < 100  # most mutations must not look like a file
