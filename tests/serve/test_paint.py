"""/v1/paint without Ray: answers equal the Predictor's, refusals are 4xx with words, nothing is a 500."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from asking import array_of, npy, refusal
from numpy.typing import NDArray

from benchmarks.service.plain import application, listening
from configs import Serve
from learn.predict import Predictor
from serve.desk import Desk
from serve.endpoints import described
from serve.endpoints.paint import Paint
from serve.form import Form
from serve.media import JSON, NPY
from serve.routes import front

MAX_PIXELS = 64
FORM = Form("map", ("row", "column"), (MAX_PIXELS,) * 2)
ROWS = b"[[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]]"


@pytest.fixture(scope="module")
def predictor(checkpoint: Path) -> Predictor:
    return Predictor.load(checkpoint)


@pytest.fixture(scope="module")
def client(checkpoint: Path) -> Iterator[httpx.Client]:
    app = application(Serve(checkpoint=checkpoint, max_pixels=MAX_PIXELS))
    with listening(app) as url, httpx.Client(base_url=url, timeout=10) as client:
        yield client


def density(shape: tuple[int, ...] = (8, 16), dtype: str = "f4") -> NDArray:
    return (1e12 * np.random.default_rng(0).random(shape)).astype(dtype)


def post(client: httpx.Client, body: bytes, kind: str = NPY, headers: dict[str, str] | None = None, **query: object):
    return client.post("/v1/paint", content=body, headers={"Content-Type": kind} | (headers or {}), params=query)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<i8", ">u8", "f2", "u1"])
def test_npy_in_npy_out(client: httpx.Client, predictor: Predictor, dtype: str, order: str) -> None:
    array = np.asarray(density((8, 16), "f8") / (1e12 / 100), dtype=dtype, order=order)
    answer = post(client, npy(array), omega_m=0.31, pixel_size=0.2501)
    expected = predictor(array[None].astype("f4"), predictor.params_from({"omega_m": 0.31})[None])[0]
    np.testing.assert_array_equal(array_of(answer), expected, strict=True)
    assert answer.headers["content-type"] == NPY
    assert answer.headers["darkglass-channels"] == "total,gas,stars"
    assert answer.headers["darkglass-unit"] == predictor.meta.unit


def test_json_in_json_out(client: httpx.Client, predictor: Predictor) -> None:
    asked = {"map": density().tolist(), "params": {"sigma8": 0.9}, "pixel_size": 0.25}
    answer = post(client, json.dumps(asked).encode(), "application/json; charset=utf-8")
    expected = predictor(density()[None], predictor.params_from({"sigma8": 0.9})[None])[0]
    assert answer.json()["channels"] == ["total", "gas", "stars"]
    assert answer.json()["unit"] == predictor.meta.unit
    np.testing.assert_array_equal(np.float32(answer.json()["maps"]), expected, strict=True)


@pytest.mark.parametrize(
    ("kind", "accept", "expected"),
    [
        (NPY, "*/*", NPY),
        (NPY, "application/json", JSON),
        (NPY, "text/html, application/json;q=0.9", JSON),
        (NPY, "image/png", NPY),
        ("application/octet-stream", "*/*", NPY),
        (JSON, "*/*", JSON),
        (JSON, "application/octet-stream", NPY),
        (JSON, "application/x-npy, application/json", NPY),
    ],
)
def test_accept_chooses_the_answer(client: httpx.Client, kind: str, accept: str, expected: str) -> None:
    body = json.dumps({"map": density().tolist()}).encode() if kind == JSON else npy(density())
    answer = post(client, body, kind, {"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, expected)


def with_pixel(value: float, dtype: str = "f4") -> bytes:
    array = density(dtype=dtype)
    array[3, 5] = value
    array[7, 1] = value
    return npy(array)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", 400, "expected to begin with"),
        (b"hello", 400, "expected to begin with"),
        (npy(density())[:-1], 400, "expected 512 bytes after the header"),
        (npy(density()) + b"x", 400, "got 513"),
        (npy(np.array([[None]])), 422, "object"),
        (npy(np.ones((4, 4), "c16")), 422, "complex"),
        (npy(np.ones((4, 4), bool)), 422, "bool"),
        (npy(np.array([["a"]])), 422, "text"),
        (npy(np.ones(4)), 422, "map: expected 2 axes (row, column), got 1: shape (4,)"),
        (npy(np.ones((2, 4, 4))), 422, "shape (2, 4, 4)"),
        (npy(np.ones((0, 4))), 422, "shape (0, 4)"),
        (npy(np.ones((2, MAX_PIXELS + 2))), 422, "shape (2, 66)"),
        (npy(np.ones((4, 5), "f4")), 422, "divisible by 2"),
        (npy(np.ones((2, 64), "f4")), 422, "at least 4 pixels"),
        (with_pixel(np.nan), 422, "got 2 others, the first nan at row 3, column 5"),
        (with_pixel(np.inf), 422, "got 2 others, the first inf at row 3, column 5"),
        (with_pixel(1e300, "f8"), 422, "the first 1e+300 at row 3, column 5"),
        (with_pixel(-1.0), 422, ">= 0"),
        (npy(np.zeros((4, 4), "f4")), 422, "some mass"),
    ],
)
def test_npy_bodies_are_refused_in_words(client: httpx.Client, body: bytes, code: int, words: str) -> None:
    assert words in refusal(post(client, body), code)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("omega_x=1", "any of omega_m, omega_b, sigma8, log10_m_c; got omega_x"),
        ("omega_m=fish", "omega_m: expected a number, got 'fish'"),
        ("omega_m=", "omega_m: expected a number"),
        ("omega_m=nan", "omega_m: expected a finite number"),
        ("omega_m=1e300", "omega_m: expected a finite number"),
        ("omega_m=.3&omega_m=.3", "omega_m: expected one value, got two"),
        ("omega_m=0", "non-finite pixels of gas"),
        ("pixel_size=.26", "pixel_size: expected 0.25 Mpc/h"),
        ("pixel_size=nan", "pixel_size: expected 0.25 Mpc/h"),
        ("pixel_size=-inf", "pixel_size: expected 0.25 Mpc/h"),
    ],
)
def test_parameters_are_refused_in_words(client: httpx.Client, query: str, words: str) -> None:
    answer = client.post(f"/v1/paint?{query}", content=npy(density()), headers={"Content-Type": NPY})
    assert words in refusal(answer, 422)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"{", 400, "JSON body: Invalid JSON"),
        (b"{}", 422, "map: Field required"),
        (b'{"map": [[1, 2], [3]]}', 422, "got 1 in row 1"),
        (b'{"map": [[1, NaN], [3, 4]]}', 422, "the first nan at row 0, column 1"),
        (b'{"map": [[1, 1e999], [3, 4]]}', 422, "the first inf at row 0, column 1"),
        (b'{"map": [[1, 1, 1, 1], [1, 1, 1, -1], [1, 1, 1, 1], [1, 1, 1, 1]]}', 422, ">= 0"),
        (b'{"map": [[1, 2], [3, 4]]}', 422, "at least 4 pixels along each side, got 2 x 2"),
        (
            b'{"map": %s, "params": {"omega_x": 1}}' % ROWS,
            422,
            "got omega_x",
        ),
        (
            b'{"map": %s, "params": {"omega_m": 1e300}}' % ROWS,
            422,
            "omega_m: expected a finite number",
        ),
        (
            b'{"map": %s, "params": {"omega_m": 0}}' % ROWS,
            422,
            "non-finite pixels of gas",
        ),
        (
            b'{"map": %s, "pixel_size": 0.3}' % ROWS,
            422,
            "pixel_size: expected 0.25",
        ),
        (b'{"map": ' + b"[" * 5000, 422, "expected map of at most 64 x 64"),
    ],
)
def test_json_bodies_are_refused_in_words(client: httpx.Client, body: bytes, code: int, words: str) -> None:
    assert words in refusal(post(client, body, JSON), code)


def test_json_takes_no_query(client: httpx.Client) -> None:
    answer = post(client, json.dumps({"map": density().tolist()}).encode(), JSON, omega_m=0.3)
    assert "in the JSON body, got 'omega_m' in the query" in refusal(answer, 422)


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_other_content_types_are_415(client: httpx.Client, kind: str) -> None:
    assert "expected application/x-npy or" in refusal(post(client, npy(density()), kind), 415)


def test_compressed_bodies_are_415(client: httpx.Client) -> None:
    assert "gzip" in refusal(post(client, b"x", NPY, {"Content-Encoding": "gzip"}), 415)


@pytest.mark.parametrize(("kind", "limit"), [(NPY, FORM.max_bytes_npy), (JSON, FORM.max_bytes_json)])
def test_long_bodies_are_413_whether_declared_or_not(client: httpx.Client, kind: str, limit: int) -> None:
    def in_pieces(n_bytes: int) -> Iterator[bytes]:
        for begin in range(0, n_bytes, 1000):
            yield bytes(min(1000, n_bytes - begin))

    assert str(limit) in refusal(post(client, bytes(limit + 1), kind), 413)
    assert str(limit) in refusal(post(client, in_pieces(limit + 1), kind), 413)
    assert post(client, bytes(limit), kind).status_code != 413
    assert post(client, in_pieces(limit), kind).status_code != 413


def test_a_declared_length_is_refused_before_a_byte_is_sent(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        head = f"POST /v1/paint HTTP/1.1\r\nHost: x\r\nContent-Type: {NPY}\r\nContent-Length: {10**15}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_an_upload_that_is_broken_off_harms_nobody(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        connection.sendall(
            f"POST /v1/paint HTTP/1.1\r\nHost: x\r\nContent-Type: {NPY}\r\nContent-Length: 99\r\n\r\nx".encode()
        )
    assert client.get("/healthz").status_code == 200


def test_mutated_bodies_are_never_a_500(client: httpx.Client) -> None:
    rng = np.random.default_rng(0)
    for original, kind in (
        (npy(density()), NPY),
        (b'{"map": %s, "params": {"omega_m": 0.7}}' % ROWS, JSON),
    ):
        for _ in range(200):
            body = np.frombuffer(original, np.uint8).copy()
            body[rng.integers(0, min(len(body), 128), size=2)] = rng.integers(0, 256, size=2, dtype=np.uint8)
            answer = post(client, body.tobytes()[: rng.integers(len(body) // 2, len(body) + 1)], kind)
            assert answer.status_code in (200, 400, 422), body.tobytes()


@pytest.mark.parametrize("kind", [NPY, JSON])
def test_a_seed_is_a_draw(drawing_checkpoint: Path, kind: str) -> None:
    predictor = Predictor.load(drawing_checkpoint)
    expected = predictor(np.stack([density()] * 3), seed=[5, 0, 6])
    assert not np.allclose(expected[0], expected[2], rtol=1e-3)
    with listening(application(Serve(checkpoint=drawing_checkpoint))) as url, httpx.Client(base_url=url) as client:
        assert client.get("/v1/models").json()["models"][0]["is_stochastic"]
        for answer, seed in zip(expected, (5, None, 6), strict=True):
            asked = {} if seed is None else {"seed": seed}
            if kind == NPY:
                got = array_of(post(client, npy(density()), **asked))
            else:
                body = json.dumps({"map": density().tolist(), **asked}).encode()
                got = np.array(post(client, body, JSON).json()["maps"], np.float32)
            np.testing.assert_array_equal(got, answer)


@pytest.mark.parametrize("seed", [-1, 0.5, 2**40])
def test_a_seed_is_a_whole_number(client: httpx.Client, seed: float) -> None:
    assert "seed" in refusal(post(client, npy(density()), seed=seed), 422)
    body = json.dumps({"map": density().tolist(), "seed": seed}).encode()
    assert "seed" in refusal(post(client, body, JSON), 422)


def test_models_say_what_they_accept(client: httpx.Client, predictor: Predictor) -> None:
    (model,) = client.get("/v1/models").json()["models"]
    assert model["channels"] == ["total", "gas", "stars"]
    assert not model["is_stochastic"]
    assert model["stride"] == predictor.stride
    assert model["max_pixels"] == MAX_PIXELS
    assert model["pixel_size"] == 0.25
    assert model["params"][0] == {"name": "omega_m", "default": 0.3}
    assert model["commit"] == "untrained"


def test_health_and_documentation(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/docs").status_code == 200
    paint = client.get("/openapi.json").json()["paths"]["/v1/paint"]["post"]
    assert [parameter["name"] for parameter in paint["parameters"]][-3:] == ["log10_m_c", "seed", "pixel_size"]
    assert set(paint["requestBody"]["content"]) == {NPY, "application/octet-stream", JSON}
    assert set(paint["responses"]) == {"200", "400", "413", "415", "422", "503"}
    assert client.get("/v1/paint").status_code == 405


def test_a_failed_forward_pass_is_a_bug_and_a_500(predictor: Predictor, checkpoint: Path) -> None:
    class Broken(Paint):
        def run(self, _jobs: object) -> list[object]:
            raise ValueError("a bug, not what a user wrote")

    config = Serve(checkpoint=checkpoint)
    desk = Desk.of(Broken(predictor, config), config)
    with listening(front(described(config), [desk])) as url, httpx.Client(base_url=url) as client:
        assert post(client, npy(density())).status_code == 500
    assert isinstance(desk.queue.failure, ValueError)
