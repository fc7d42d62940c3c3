"""/v1/generate without Ray: the samples that `learn generate` draws, in any company, and words where there are none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from asking import array_of, refusal
from generators import write_field_generator
from numpy.typing import NDArray

from benchmarks.service.plain import application, listening
from configs import Generate, Sampling, Serve, ServeSamples
from learn import generate
from learn.sampler import Sampler, seeds_of
from serve.desk import Desk
from serve.endpoints import described, draws, load
from serve.media import JSON, NPY
from serve.routes import front


def served(checkpoint: Path, **changes: object) -> Serve:
    told = {"checkpoint": checkpoint, "max_samples": 6, "max_steps": 9, **changes}
    return Serve(generate=ServeSamples.model_validate(told))


@pytest.fixture(scope="module")
def client(field_checkpoint: Path) -> Iterator[httpx.Client]:
    with listening(application(served(field_checkpoint))) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def sampler(field_checkpoint: Path) -> Sampler:
    return Sampler.load(field_checkpoint)


def local(sampler: Sampler, seed: int, n: int, **params: float) -> NDArray:
    return sampler(seeds_of(seed, range(n)), np.tile(sampler.params_from(params), (n, 1)))


def post(client: httpx.Client, told: dict[str, object], **headers: str) -> httpx.Response:
    return client.post("/v1/generate", json=told, headers=headers)


def test_a_query_has_the_samples_of_learn_generate(
    client: httpx.Client, field_checkpoint: Path, tmp_path: Path
) -> None:
    told = {"checkpoint": field_checkpoint, "out": tmp_path / "out", "n_samples": 5, "seed": 7}
    config = Generate.model_validate({**told, "parameters": {"sigma8": 0.31}, "samples_per_task": 2})
    for part in generate.missing(config):
        generate.make(part, config)
    expected = np.load(generate.finish(config) / generate.STACK, allow_pickle=False)
    answer = client.post("/v1/generate", params={"n_samples": 5, "seed": 7, "sigma8": 0.31})
    np.testing.assert_array_equal(array_of(answer), expected, strict=True)
    assert answer.headers["darkglass-channels"] == "dmo"
    assert answer.headers["darkglass-unit"] == "Msun/h/(Mpc/h)^2"


def test_json_in_json_out(client: httpx.Client, sampler: Sampler) -> None:
    answer = post(client, {"n_samples": 2, "seed": 3, "params": {"omega_m": 0.25}})
    assert answer.json()["channels"] == ["dmo"]
    np.testing.assert_array_equal(np.float32(answer.json()["samples"]), local(sampler, 3, 2, omega_m=0.25), strict=True)
    binary = post(client, {"n_samples": 2, "seed": 3, "params": {"omega_m": 0.25}}, accept=NPY)
    np.testing.assert_array_equal(array_of(binary), local(sampler, 3, 2, omega_m=0.25))


def test_nothing_asked_is_one_sample_of_the_means(client: httpx.Client, sampler: Sampler) -> None:
    np.testing.assert_array_equal(array_of(client.post("/v1/generate")), local(sampler, 0, 1), strict=True)


@pytest.mark.parametrize("told", [{"n_steps": 5}, {"guidance": 2.0}, {"n_steps": 2, "guidance": 0.0}])
def test_steps_and_guidance_are_those_asked_for(
    client: httpx.Client, field_checkpoint: Path, sampler: Sampler, told: dict[str, float]
) -> None:
    other = Sampler.load(field_checkpoint, sampling=Sampling.model_validate({"n_steps": 3, **told}))
    found = array_of(client.post("/v1/generate", params={"seed": 4, "n_samples": 2, **told}))
    np.testing.assert_array_equal(found, local(other, 4, 2), strict=True)
    assert not np.array_equal(found, local(sampler, 4, 2))


def test_requests_share_batches_and_keep_their_own_samples(field_checkpoint: Path, sampler: Sampler) -> None:
    """Requests of other parameters, steps and numbers at once: the samples of each are those it has alone."""
    config = served(field_checkpoint, max_batch=8, batch_wait_s=0.3)
    desk = Desk.of(load(config, "generate"), config.endpoints["generate"])
    asked = [{"seed": i, "n_samples": 1 + i % 3, "omega_m": 0.2 + 0.01 * i} for i in range(6)]
    asked[4] |= {"n_steps": 2}
    with listening(front(described(config), [desk])) as url, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda told: httpx.post(f"{url}/v1/generate", params=told, timeout=20), asked))
    other = sampler.sampling(Sampling(n_steps=2))
    for i, (told, answer) in enumerate(zip(asked, answers, strict=True)):
        model = other if i == 4 else sampler
        expected = local(model, told["seed"], told["n_samples"], omega_m=told["omega_m"])
        np.testing.assert_array_equal(array_of(answer), expected)
    assert sum(size * count for size, count in desk.queue.sizes.items()) == sum(told["n_samples"] for told in asked)
    assert max(desk.queue.sizes) > 3


def test_cubes_are_samples_too(tmp_path: Path) -> None:
    checkpoint = write_field_generator(tmp_path, 3)
    with listening(application(served(checkpoint))) as url:
        found = array_of(httpx.post(f"{url}/v1/generate", params={"seed": 2}))
        lists = httpx.post(f"{url}/v1/generate", json={"seed": 2}).json()["samples"]
        assert httpx.get(f"{url}/v1/models").json()["models"][0]["shape"] == [1, 8, 8, 8]
    np.testing.assert_array_equal(found, local(Sampler.load(checkpoint), 2, 1), strict=True)
    np.testing.assert_array_equal(np.float32(lists), found)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("n_samples=7", "n_samples: expected at most 6, got 7"),
        ("n_samples=1e300", "n_samples: "),
        ("n_samples=0", "n_samples: Input should be greater than or equal to 1, got 0"),
        ("n_samples=1.5", "n_samples: Input should be a valid integer"),
        ("n_steps=10", "n_steps: expected at most 9, got 10"),
        ("n_steps=0", "n_steps: "),
        ("guidance=21", "guidance: "),
        ("guidance=-1", "guidance: "),
        ("guidance=nan", "guidance: "),
        ("seed=-1", "seed: "),
        ("seed=0.5", "seed: "),
        (f"seed={2**40}", "seed: "),
        ("omega_x=1", "parameters: any of omega_m, sigma8; got omega_x"),
        ("omega_m=fish", "omega_m: expected a number, got 'fish'"),
        ("omega_m=nan", "omega_m: expected a finite number"),
        ("omega_m=1e39", "omega_m: expected a finite number"),
        ("omega_m=3e38", "request: expected values near those of the training, got"),
        ("omega_m=.3&omega_m=.3", "omega_m: expected one value, got two"),
        ("params=1", "params: "),
    ],
)
def test_queries_are_refused_in_words(client: httpx.Client, query: str, words: str) -> None:
    assert words in refusal(client.post(f"/v1/generate?{query}"), 422)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"{", 400, "JSON body: Invalid JSON"),
        (b"[]", 422, "expected no array"),
        (b'{"n_samples": "3"}', 422, "n_samples: "),
        (b'{"n_samples": 7}', 422, "n_samples: expected at most 6, got 7"),
        (b'{"n_steps": 1e9}', 422, "n_steps: "),
        (b'{"seed": 0.5}', 422, "seed: "),
        (b'{"colour": 1}', 422, "colour: Extra inputs"),
        (b'{"params": {"h": 1}}', 422, "got h"),
        (b'{"n_samples": [' + b"[" * 5000, 422, "expected no array"),
    ],
)
def test_json_bodies_are_refused_in_words(client: httpx.Client, body: bytes, code: int, words: str) -> None:
    answer = client.post("/v1/generate", content=body, headers={"Content-Type": JSON})
    assert words in refusal(answer, code)


def test_other_bodies_are_refused(client: httpx.Client) -> None:
    assert "expected application/json or none, got application/x-npy" in refusal(
        client.post("/v1/generate", content=b"x", headers={"Content-Type": NPY}), 415
    )
    assert "at most 0 bytes" in refusal(client.post("/v1/generate", content=b"x"), 413)
    assert "at most" in refusal(
        client.post("/v1/generate", content=bytes(100_000), headers={"Content-Type": JSON}), 413
    )
    body = json.dumps({"seed": 1}).encode()
    both = client.post("/v1/generate?seed=1", content=body, headers={"Content-Type": JSON})
    assert "'seed' in the query" in refusal(both, 422)


def test_models_say_what_they_draw(client: httpx.Client, field_checkpoint: Path) -> None:
    (model,) = client.get("/v1/models").json()["models"]
    assert model["path"] == "/v1/generate"
    assert model["shape"] == [1, 8, 8]
    assert model["is_stochastic"]
    assert (model["n_steps"], model["max_steps"], model["max_samples"], model["sampler"]) == (3, 9, 6, "dpmpp_2m")
    assert [one["name"] for one in model["params"]] == ["omega_m", "sigma8"]
    told = client.get("/openapi.json").json()["paths"]["/v1/generate"]["post"]
    names = ["omega_m", "sigma8", "seed", "n_samples", "n_steps", "guidance"]
    assert [one["name"] for one in told["parameters"]] == names
    assert set(told["requestBody"]["content"]) == {JSON}
    assert set(told["responses"]) == {"200", "400", "413", "415", "422", "503"}


def test_an_answer_is_bounded_whatever_the_configuration_allows(
    field_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draws, "MAX_NUMBERS", 200)
    with listening(application(served(field_checkpoint, max_samples=4096))) as url:
        assert httpx.get(f"{url}/v1/models").json()["models"][0]["max_samples"] == 3
        assert array_of(httpx.post(f"{url}/v1/generate?n_samples=3")).shape == (3, 1, 8, 8)
        assert "expected at most 3, got 4" in refusal(httpx.post(f"{url}/v1/generate?n_samples=4"), 422)


def test_a_model_that_needs_more_steps_than_allowed_is_refused(field_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match=r"max_steps: at least the 3 of .*final, got 2"):
        described(served(field_checkpoint, max_steps=2))
