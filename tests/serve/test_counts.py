"""/v1/counts without Ray: the halos of the local painter, and words for what is no box."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from asking import array_of, npy, refusal
from generators import write_halo_counter
from numpy.typing import NDArray
from toy_counts import toy_grids

from benchmarks.service.plain import application, listening
from configs import Serve, ServeCounts
from learn.halo_painter import HaloPainter, over_mean
from learn.model import FarError
from serve.desk import Desk
from serve.endpoints import described
from serve.endpoints.counts import Counts
from serve.form import Form
from serve.media import JSON, NPY
from serve.routes import front

FORM = Form("density", ("plane", "row", "column"), (16, 16, 16))


@pytest.fixture(scope="module", params=["counts", "wgan"])
def painter(request: pytest.FixtureRequest, count_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "counts":
        return count_checkpoint
    return write_halo_counter(tmp_path_factory.mktemp("wgan"), "wgan")


@pytest.fixture(scope="module")
def config(painter: Path) -> Serve:
    return Serve(counts=ServeCounts(checkpoint=painter, max_cells=16))


@pytest.fixture(scope="module")
def client(config: Serve) -> Iterator[httpx.Client]:
    with listening(application(config)) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def local(painter: Path) -> HaloPainter:
    return HaloPainter.load(painter)


def box(seed: int = 2, n: int = 12) -> NDArray[np.float32]:
    return toy_grids(seed, n).density


def post(client: httpx.Client, body: bytes, kind: str = NPY, **query: object) -> httpx.Response:
    return client.post("/v1/counts", content=body, headers={"Content-Type": kind}, params=query)


def test_npy_in_npy_out(client: httpx.Client, local: HaloPainter) -> None:
    answer = post(client, npy(box()), seed=5, omega_m=0.31, cell_size=4.01)
    shown = over_mean(box(), "box")
    expected = local(shown, local.params_from({"omega_m": 0.31}), seed=5)
    np.testing.assert_array_equal(array_of(answer), expected, strict=True)
    assert answer.headers["darkglass-channels"] == "halos_12_13,halos_13_15"
    assert not np.array_equal(array_of(post(client, npy(box()), seed=6, omega_m=0.31)), expected)


def test_json_in_json_out_and_any_sides(client: httpx.Client, local: HaloPainter) -> None:
    density = box()[:7, :4, :9]
    told = {"density": density.tolist(), "seed": 3, "cell_size": 4, "params": {"sigma8": 0.9}}
    answer = post(client, json.dumps(told).encode(), JSON).json()
    expected = local(over_mean(density.astype("f8"), "box"), local.params_from({"sigma8": 0.9}), seed=3)
    assert answer["channels"] == ["halos_12_13", "halos_13_15"]
    np.testing.assert_array_equal(np.int32(answer["counts"]), expected, strict=True)


def test_the_unit_of_the_density_does_not_matter(client: httpx.Client) -> None:
    """Powers of two, which round nothing."""
    expected = array_of(post(client, npy(box())))
    np.testing.assert_array_equal(array_of(post(client, npy(box() * 2**40))), expected)
    assert (expected > 0).any()


class Fragile:
    """A painter that has no number for boxes of seed 2."""

    def __init__(self, painter: HaloPainter) -> None:
        self._painter = painter

    def __getattr__(self, name: str) -> object:
        return getattr(self._painter, name)

    def __call__(self, density: NDArray, params: NDArray, *, seed: int) -> NDArray:
        if seed == 2:
            raise FarError("request: expected values near those of the training, got others")
        return self._painter(density, params, seed=seed)


def test_boxes_at_once_are_boxes_alone_and_one_that_is_too_far_harms_nobody(config: Serve, local: HaloPainter) -> None:
    own = config.endpoints["counts"].model_copy(update={"batch_wait_s": 0.3})
    desk = Desk.of(Counts(Fragile(local), own), own)
    with listening(front(described(config), [desk])) as url, httpx.Client(base_url=url, timeout=20) as client:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda i: post(client, npy(box(i)), seed=i), range(4)))
        assert dict(desk.queue.sizes) == {4: 1}
        assert desk.queue.failure is None
    assert "expected values near those of the training" in refusal(answers[2], 422)
    for i in (0, 1, 3):
        np.testing.assert_array_equal(array_of(answers[i]), local(over_mean(box(i), "box"), seed=i))


def changed(value: float) -> bytes:
    array = box().astype("f8")
    array[1, 2, 3] = value
    return npy(array)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"hello", 400, "expected to begin with"),
        (npy(box())[:-1], 400, "bytes after the header"),
        (npy(box()[0]), 422, "density: expected 3 axes (plane, row, column), got 2: shape (12, 12)"),
        (
            npy(np.ones((4, 4, 17))),
            422,
            "density: expected at most 16 x 16 x 16 (plane, row, column), got shape (4, 4, 17)",
        ),
        (npy(box()[:1]), 422, "density: at least 2 cells along each side, got shape (1, 12, 12)"),
        (changed(np.nan), 422, "the first nan at plane 1, row 2, column 3"),
        (changed(1e39), 422, "the first 1e+39 at plane 1"),
        (changed(-0.5), 422, "density: numbers >= 0 in every cell, got a smallest of -0.5"),
        (npy(np.zeros((4, 4, 4))), 422, "density: expected a finite density above 0 in the mean"),
        (npy(np.ones((4, 4, 4), bool)), 422, "bool"),
    ],
)
def test_what_is_no_box_is_refused_in_words(client: httpx.Client, body: bytes, code: int, words: str) -> None:
    assert words in refusal(post(client, body), code)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"cell_size": 3.9}, "cell_size: expected 4 Mpc/h within 1%, got 3.9"),
        ({"cell_size": "nan"}, "cell_size: expected 4 Mpc/h"),
        ({"h": 0.7}, "parameters: any of omega_m, sigma8, redshift; got h"),
        ({"seed": -1}, "seed: "),
        ({"omega_m": 1e39}, "omega_m: expected a finite number, got 1e+39"),
        ({"n_samples": 2}, "got n_samples"),
    ],
)
def test_what_is_asked_of_a_box_is_refused_in_words(client: httpx.Client, query: dict[str, object], words: str) -> None:
    assert words in refusal(post(client, npy(box()), **query), 422)


def test_long_bodies_are_413(client: httpx.Client) -> None:
    for kind, limit in ((NPY, FORM.max_bytes_npy), (JSON, FORM.max_bytes_json)):
        assert str(limit) in refusal(post(client, bytes(limit + 1), kind), 413)
        assert post(client, bytes(limit), kind).status_code in (400, 422)


def test_models_say_how_large_a_box_may_be(client: httpx.Client) -> None:
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["path"], model["min_cells"], model["max_cells"], model["pixel_size"]) == ("/v1/counts", 2, 16, 4.0)
    told = client.get("/openapi.json").json()["paths"]["/v1/counts"]["post"]
    assert [one["name"] for one in told["parameters"]][-2:] == ["seed", "cell_size"]


def test_a_box_that_a_model_cannot_see_around_is_refused_before_it_is_served(painter: Path) -> None:
    with pytest.raises(ValueError, match=r"max_cells: at least the 2 of .*final, got 1"):
        described(Serve.model_construct(counts=ServeCounts.model_construct(checkpoint=painter, max_cells=1)))
