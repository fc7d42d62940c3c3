"""/v1/halos without Ray: the draws of the local sampler of halos, and words for what is no halo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from asking import array_of, npy, refusal
from generators import windows
from numpy.typing import NDArray

from benchmarks.service.plain import application, listening
from configs import Sampling, Serve, ServeSamples
from learn.halos import HaloSampler
from serve.desk import Desk
from serve.endpoints import described, load
from serve.form import Form
from serve.media import JSON, NPY
from serve.routes import front

MASS = 2e13
FORM = Form("windows", ("window", "row", "column"), (2, 8, 8), is_exact=True)


@pytest.fixture(scope="module")
def config(halo_checkpoint: Path) -> Serve:
    return Serve(halos=ServeSamples(checkpoint=halo_checkpoint, max_samples=6, max_steps=9, batch_wait_s=0.05))


@pytest.fixture(scope="module")
def client(config: Serve) -> Iterator[httpx.Client]:
    with listening(application(config)) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def sampler(halo_checkpoint: Path) -> HaloSampler:
    return HaloSampler.load(halo_checkpoint)


def local(
    sampler: HaloSampler, shown: NDArray, seed: int = 0, n: int = 1, mass: float = MASS, **told: float
) -> NDArray:
    known = dict(zip(sampler.meta.param_names, sampler.meta.param_defaults, strict=True)) | told
    params = np.array([known[name] for name in sampler.frame.param_names])
    return sampler.sample(shown[0], shown[1:], params, mass, seed, n)


def post(client: httpx.Client, body: bytes, kind: str = NPY, **query: object) -> httpx.Response:
    told = {"mass": MASS, **query} if kind == NPY else query
    return client.post("/v1/halos", content=body, headers={"Content-Type": kind}, params=told)


def test_npy_in_npy_out(client: httpx.Client, sampler: HaloSampler) -> None:
    answer = post(client, npy(windows()), n_samples=3, seed=9, feedback=0.7, pixel_size=0.502)
    np.testing.assert_array_equal(array_of(answer), local(sampler, windows(), 9, 3, feedback=0.7), strict=True)
    assert answer.headers["darkglass-channels"] == "dark_matter,gas,stars"
    assert answer.headers["darkglass-unit"] == "Msun/h"
    other = post(client, npy(windows()), n_samples=3, seed=9, feedback=0.7, mass=1e14)
    expected = local(sampler, windows(), 9, 3, feedback=0.7, mass=1e14)
    np.testing.assert_array_equal(array_of(other), expected)
    assert not np.array_equal(array_of(other), array_of(answer))


def test_json_in_json_out(client: httpx.Client, sampler: HaloSampler) -> None:
    told = {"windows": windows().tolist(), "mass": MASS, "seed": 2, "params": {"omega_m": 0.4}, "n_samples": 2}
    answer = post(client, json.dumps(told).encode(), JSON).json()
    assert answer["channels"] == ["dark_matter", "gas", "stars"]
    assert answer["unit"] == "Msun/h"
    np.testing.assert_array_equal(np.float32(answer["samples"]), local(sampler, windows(), 2, 2, omega_m=0.4))


def test_steps_are_those_asked_for(client: httpx.Client, sampler: HaloSampler) -> None:
    other = sampler.sampling(Sampling(n_steps=5, guidance=1.5))
    found = array_of(post(client, npy(windows()), n_steps=5, guidance=1.5))
    np.testing.assert_array_equal(found, local(other, windows()))


def test_three_halos_at_once_are_three_halos(config: Serve, sampler: HaloSampler) -> None:
    own = config.endpoints["halos"].model_copy(update={"batch_wait_s": 0.3})
    desk = Desk.of(load(config, "halos"), own)
    with (
        listening(front(described(config), [desk])) as url,
        httpx.Client(base_url=url, timeout=20) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        answers = list(pool.map(lambda i: post(client, npy(windows(i)), seed=i, mass=MASS * (i + 1)), range(3)))
    for i, answer in enumerate(answers):
        np.testing.assert_array_equal(array_of(answer), local(sampler, windows(i), i, mass=MASS * (i + 1)))
    assert dict(desk.queue.sizes) == {3: 1}


def changed(value: float, dtype: str = "f4") -> bytes:
    array = windows().astype(dtype)
    array[1, 2, 3] = value
    return npy(array)


def emptied() -> bytes:
    array = windows()
    array[1] = 0
    return npy(array)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"hello", 400, "expected to begin with"),
        (npy(windows())[:-1], 400, "bytes after the header"),
        (npy(windows()[0]), 422, "windows: expected 3 axes (window, row, column), got 2: shape (8, 8)"),
        (npy(windows()[:1]), 422, "windows: expected 2 x 8 x 8 (window, row, column), got shape (1, 8, 8)"),
        (npy(windows()[:, :4]), 422, "expected 2 x 8 x 8"),
        (
            changed(np.nan),
            422,
            "windows: expected finite numbers below 3.4e38, got 1 others, the first nan at window 1",
        ),
        (changed(1e39, "f8"), 422, "the first 1e+39 at window 1, row 2, column 3"),
        (changed(-1.0), 422, "windows: mass >= 0 in every pixel, got a smallest of -1"),
        (emptied(), 422, "zero in every pixel of window 1"),
        (npy(windows().astype("c8")), 422, "complex"),
    ],
)
def test_what_is_no_halo_is_refused_in_words(client: httpx.Client, body: bytes, code: int, words: str) -> None:
    assert words in refusal(post(client, body), code)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"mass": None}, "mass: Field required"),
        ({"mass": 0}, "mass: "),
        ({"mass": -1e13}, "mass: "),
        ({"mass": "nan"}, "mass: "),
        ({"mass": "inf"}, "mass: "),
        ({"mass": 1e21}, "mass: "),
        ({"pixel_size": 0.4}, "pixel_size: expected 0.5 Mpc/h within 1%, got 0.4"),
        ({"pixel_size": "nan"}, "pixel_size: expected 0.5"),
        ({"n_samples": 7}, "n_samples: expected at most 6"),
        ({"n_steps": 10}, "n_steps: expected at most 9"),
        ({"log10_halo_mass": 13}, "log10_halo_mass: expected as `mass` [Msun/h], got a parameter"),
        ({"colour": 1}, "parameters: any of omega_m, feedback, log10_halo_mass; got colour"),
        ({"omega_m": 3e38}, "expected values near those of the training"),
    ],
)
def test_what_is_asked_of_a_halo_is_refused_in_words(
    client: httpx.Client, query: dict[str, object], words: str
) -> None:
    told = {key: value for key, value in {"mass": MASS, **query}.items() if value is not None}
    answer = client.post("/v1/halos", content=npy(windows()), headers={"Content-Type": NPY}, params=told)
    assert words in refusal(answer, 422)


def test_ragged_and_long_bodies_are_refused(client: httpx.Client) -> None:
    lists = windows().tolist()
    lists[1][2] = lists[1][2][:3]
    body = json.dumps({"windows": lists, "mass": MASS}).encode()
    assert "windows: expected 8 numbers in every row, got 3 in row 2" in refusal(post(client, body, JSON), 422)
    for kind, limit in ((NPY, FORM.max_bytes_npy), (JSON, FORM.max_bytes_json)):
        assert str(limit) in refusal(post(client, bytes(limit + 1), kind), 413)
        assert post(client, bytes(limit), kind).status_code in (400, 422)
    assert "expected application/x-npy or" in refusal(post(client, npy(windows()), "text/plain"), 415)


def test_models_say_what_they_are_shown(client: httpx.Client) -> None:
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["path"], model["scales"], model["n_pixels"], model["unit"]) == ("/v1/halos", [4.0, 8.0], 8, "Msun/h")
    assert [one["name"] for one in model["params"]] == ["omega_m", "feedback"]
    told = client.get("/openapi.json").json()["paths"]["/v1/halos"]["post"]
    required = {one["name"]: one["required"] for one in told["parameters"]}
    assert {name for name, is_required in required.items() if is_required} == {"mass"}
    assert set(told["requestBody"]["content"]) == {NPY, "application/octet-stream", JSON}
