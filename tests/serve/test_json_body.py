"""JSON bodies: read exactly, refused in words, and never allowed to grow when parsed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from serve.form import NOTHING, Form
from serve.json_body import MAX_PARAMETERS, MalformedJsonError, as_array, parse
from serve.schema import CountRequest, GenerateRequest, PaintRequest

FORM = Form("map", ("row", "column"), (8, 8))
CUBE = Form("density", ("plane", "row", "column"), (4, 4, 4))


def parse_request(body: bytes) -> PaintRequest:
    return parse(body, PaintRequest, FORM)


def test_numbers_survive_to_the_last_bit() -> None:
    rows = (10.0 ** np.random.default_rng(0).uniform(-300, 300, (4, 6))).tolist()
    asked = parse_request(json.dumps({"map": rows, "params": {"h": 0.7}, "pixel_size": 1}).encode())
    np.testing.assert_array_equal(as_array(asked.map, FORM), np.array(rows), strict=True)
    assert asked.params == {"h": 0.7}
    assert asked.pixel_size == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[1", b'{"map": [[1,]]}', b"\xff\xfe", b"{'map': 1}"])
def test_refuses_what_is_no_json(body: bytes) -> None:
    with pytest.raises(MalformedJsonError):
        parse_request(body)


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
        parse_request(body)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], r"got shape \(0, 0\)"),
        ([[]], r"got shape \(1, 0\)"),
        ([[1.0], [1.0, 2.0]], "expected 1 numbers in every row, got 2 in row 1"),
        ([[1.0] * 9], r"expected at most 8 x 8 \(row, column\), got shape \(1, 9\)"),
    ],
)
def test_refuses_what_is_no_rectangle(rows: list[list[float]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        as_array(rows, FORM)


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
    with pytest.raises(ValueError, match="JSON body: expected map of at most 8 x 8"):
        parse_request(body)


def test_the_largest_map_fits_its_own_limit() -> None:
    for form in (FORM, CUBE):
        lists = np.full(form.sides, -1.7976931348623157e-308).tolist()
        body = json.dumps({form.name: lists, "params": {}}).encode()
        assert len(body) <= form.max_bytes_json
        assert form.max_bytes_npy >= np.prod(form.sides) * 8 + 128
        parse(body, PaintRequest if form is FORM else CountRequest, form)


def test_cubes_are_read_as_maps_are() -> None:
    cube = np.random.default_rng(0).random((2, 3, 4)).tolist()
    asked = parse(json.dumps({"density": cube}).encode(), CountRequest, CUBE)
    np.testing.assert_array_equal(as_array(asked.density, CUBE), np.array(cube), strict=True)
    cube[1][2] = cube[1][2][:3]
    with pytest.raises(ValueError, match="density: expected 4 numbers in every row, got 3 in row 2"):
        as_array(cube, CUBE)
    with pytest.raises(ValueError, match="density: expected 3 x 4 numbers in every plane, got 2 x 4 in plane 1"):
        as_array([cube[0], cube[0][:2]], CUBE)
    with pytest.raises(ValueError, match=r"density: expected at most 4 x 4 x 4 .* got shape \(0, 0, 0\)"):
        as_array([], CUBE)
    with pytest.raises(ValueError, match="expected density of at most 4 x 4 x 4, got more than 21"):
        parse(b'{"density": [' + b"[]," * 30 + b"[]]}", CountRequest, CUBE)


def test_what_needs_no_array_has_none() -> None:
    assert parse(b'{"n_samples": 2}', GenerateRequest, NOTHING).n_samples == 2
    with pytest.raises(ValueError, match="JSON body: expected no array, got more than 0"):
        parse(b'{"samples": []}', GenerateRequest, NOTHING)
