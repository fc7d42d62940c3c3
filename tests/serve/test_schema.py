"""JSON bodies: read exactly, refused in words, and never allowed to grow when parsed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from serve.schema import (
    MAX_PARAMETERS,
    MalformedJsonError,
    as_array,
    max_bytes_json,
    max_bytes_npy,
    parse_request,
)


def test_numbers_survive_to_the_last_bit() -> None:
    rows = (10.0 ** np.random.default_rng(0).uniform(-300, 300, (4, 6))).tolist()
    asked = parse_request(json.dumps({"map": rows, "params": {"h": 0.7}, "pixel_size": 1}).encode(), 8)
    np.testing.assert_array_equal(as_array(asked.map, 8), np.array(rows), strict=True)
    assert asked.params == {"h": 0.7}
    assert asked.pixel_size == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[1", b'{"map": [[1,]]}', b"\xff\xfe", b"{'map': 1}"])
def test_refuses_what_is_no_json(body: bytes) -> None:
    with pytest.raises(MalformedJsonError):
        parse_request(body, 8)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "JSON body: "),
        (b"null", "JSON body: "),
        (b"{}", "map: Field required"),
        (b'{"map": 3}', "map: "),
        (b'{"map": [["1"]]}', r"map\.0\.0: .*got '1'"),
        (b'{"map": [[true]]}', r"map\.0\.0: "),
        (b'{"map": [[null, 1]]}', r"map\.0\.0: "),
        (b'{"map": [[1]], "params": {"h": "x"}}', r"params\.h: "),
        (b'{"map": [[1]], "params": [1]}', "params: "),
        (b'{"map": [[1]], "pixel_size": "x"}', "pixel_size: "),
        (b'{"map": [[1]], "colour": 1}', "colour: Extra inputs"),
    ],
)
def test_refuses_what_is_no_request(body: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_request(body, 8)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], r"got shape \(0, 0\)"),
        ([[]], r"got shape \(1, 0\)"),
        ([[1.0], [1.0, 2.0]], "expected 1 columns in every row, got 2 in row 1"),
        ([[1.0] * 9], r"1 to 8 pixels along each side, got shape \(1, 9\)"),
    ],
)
def test_refuses_what_is_no_rectangle(rows: list[list[float]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        as_array(rows, 8)


@pytest.mark.parametrize(
    "body",
    [
        b'{"map": [' + b"[]," * 1000 + b"[]]}",
        b'{"map": [[' + b"1," * 1000 + b"1]]}",
        b'{"params": {' + b'"h":1,' * (MAX_PARAMETERS + 1) + b'"h":1}}',
        b'{"a":' * 1000,
    ],
)
def test_structure_is_bounded_before_it_is_parsed(body: bytes) -> None:
    with pytest.raises(ValueError, match="JSON body: expected a map of at most 8 x 8"):
        parse_request(body, 8)


def test_the_largest_map_fits_its_own_limit() -> None:
    rows = np.full((16, 16), -1.7976931348623157e-308).tolist()
    body = json.dumps({"map": rows, "params": {}}).encode()
    assert len(body) <= max_bytes_json(16)
    assert max_bytes_npy(16) >= 16 * 16 * 8 + 128
