"""The addresses of several endpoints: one place tells of all, and each answers at its own, wherever it is mounted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from asking import array_of, refusal
from fastapi import FastAPI

from benchmarks.service.plain import application
from configs import Serve, ServeCounts, ServeInversions, ServeSamples
from learn.sampler import Sampler, seeds_of
from serve.desk import Desk
from serve.endpoints import ENDPOINTS, described, load
from serve.routes import api, front

PATHS = ["/v1/paint", "/v1/generate", "/v1/halos", "/v1/counts", "/v1/invert"]


@pytest.fixture(scope="module")
def config(
    checkpoint: Path, field_checkpoint: Path, halo_checkpoint: Path, count_checkpoint: Path, inversion_checkpoint: Path
) -> Serve:
    return Serve(
        checkpoint=checkpoint,
        generate=ServeSamples(checkpoint=field_checkpoint),
        halos=ServeSamples(checkpoint=halo_checkpoint),
        counts=ServeCounts(checkpoint=count_checkpoint),
        invert=ServeInversions(checkpoint=inversion_checkpoint),
    )


def asked(app: FastAPI, method: str, path: str, root_path: str = "", **told: object) -> httpx.Response:
    """What an application that is mounted at `root_path` answers."""

    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app, root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **told)

    return asyncio.run(answer())


def test_one_place_tells_of_all(config: Serve) -> None:
    app = front(described(config), [])
    models = asked(app, "GET", "/v1/models").json()["models"]
    assert [one["path"] for one in models] == PATHS == [one.route.path for one in ENDPOINTS.values()]
    assert [one["method"] for one in models] == ["regression", "diffusion", "diffusion", "counts", "rim"]
    paths = asked(app, "GET", "/openapi.json").json()["paths"]
    assert set(paths) == {"/healthz", "/v1/models", *PATHS}
    assert len({paths[path]["post"]["operationId"] for path in PATHS}) == len(PATHS)
    assert asked(app, "GET", "/docs").status_code == 200
    assert asked(app, "GET", "/healthz").json() == {"status": "ok"}


def test_what_is_answered_elsewhere_is_not_up_yet_here(config: Serve) -> None:
    app = front(described(config), [])
    for path in PATHS:
        answer = asked(app, "POST", path)
        assert f"{path}: not up yet" in refusal(answer, 503)
        assert answer.headers["retry-after"] == "1"


def test_an_endpoint_answers_its_whole_path_behind_a_prefix(config: Serve, field_checkpoint: Path) -> None:
    app = api(Desk.of(load(config, "generate"), config.endpoints["generate"]))
    answer = asked(app, "POST", "/v1/generate", "/v1/generate", params={"seed": 3})
    np.testing.assert_array_equal(array_of(answer), Sampler.load(field_checkpoint)(seeds_of(3, range(1))))
    for path in ("/docs", "/openapi.json", "/v1/models", "/v1/generate/docs", "/v1/paint"):
        assert asked(app, "GET", path, "/v1/generate").status_code == 404
    assert asked(app, "GET", "/v1/generate").status_code == 405


def test_all_live_side_by_side(config: Serve) -> None:
    app = application(config)
    assert asked(app, "POST", "/v1/generate").status_code == 200
    assert refusal(asked(app, "POST", "/v1/halos"), 415)
    assert refusal(asked(app, "POST", "/v1/counts"), 415)
    assert refusal(asked(app, "POST", "/v1/paint"), 415)
    assert refusal(asked(app, "POST", "/v1/invert"), 415)


WRONG: dict[str, tuple[Callable[[Serve], Path], str]] = {
    "checkpoint": (lambda config: config.generate.checkpoint, "expected a method of Painting, got diffusion"),
    "generate": (lambda config: config.checkpoint, "expected a method of Diffusion, got regression"),
    "generate ": (lambda config: config.halos.checkpoint, "expected a model without inputs, got one of dmo, dmo_8"),
    "halos": (lambda config: config.generate.checkpoint, "expected one of dark_matter, gas, stars"),
    "halos ": (lambda config: config.counts.checkpoint, "expected a method of Diffusion, got counts"),
    "counts": (lambda config: config.checkpoint, "expected a method of HaloPainting, got regression"),
    "invert": (lambda config: config.checkpoint, "expected a method of Rim, got regression"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_checkpoint_of_another_family_is_refused_by_name(config: Serve, name: str) -> None:
    choose, words = WRONG[name]
    folder = choose(config)
    value = folder if name == "checkpoint" else {"checkpoint": folder}
    with pytest.raises(ValueError, match=words) as error:
        described(Serve.model_validate({name.strip(): value}))
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    for name in ("generate", "halos", "counts", "invert"):
        with pytest.raises(FileNotFoundError, match=r"expected a checkpoint, found no meta\.json"):
            described(Serve.model_validate({name: {"checkpoint": tmp_path}}))
