"""The service on Ray Serve: the Predictor's answers, in batches, and words where it cannot."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("ray", reason="Ray is not installed")

with warnings.catch_warnings(action="ignore"):  # Ray Serve's own models are written for an older pydantic
    from ray import serve as ray_serve

from configs import ConfigError, Serve
from learn.predict import Predictor
from ray_jobs.cluster import free_port, session_members
from serve.app import NAME, build, service

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]

NPY = {"Content-Type": "application/x-npy"}


@pytest.fixture(scope="module")
def url(ray_local: None, checkpoint: Path) -> Iterator[str]:
    config = Serve(checkpoint=checkpoint, port=free_port(), max_pixels=512, max_replicas=1, max_batch=4, max_queued=16)
    with service(config) as url:
        yield url


def density(side: int, seed: int = 0) -> NDArray[np.float32]:
    return 1e12 * np.random.default_rng(seed).random((side, side), dtype=np.float32)


def paint(url: str, map: NDArray, **params: float) -> httpx.Response:
    body = io.BytesIO()
    np.save(body, map)
    return httpx.post(f"{url}/v1/paint", content=body.getvalue(), headers=NPY, params=params, timeout=60)


def test_mixed_company_gets_the_predictors_answers_in_batches(url: str, checkpoint: Path) -> None:
    predictor = Predictor.load(checkpoint)
    asked = [(density(side, seed), 0.2 + 0.01 * seed) for seed, side in enumerate([64, 128, 256] * 8)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda question: paint(url, question[0], omega_m=question[1]), asked))
    for (map, omega_m), answer in zip(asked, answers, strict=True):
        expected = predictor(map[None], predictor.params_from({"omega_m": omega_m})[None])[0]
        painted = np.load(io.BytesIO(answer.content), allow_pickle=False)
        np.testing.assert_allclose(painted, expected, rtol=1e-5, atol=1e-6 * expected.max())
    sizes = ray_serve.get_app_handle(NAME).batch_sizes.remote().result(timeout_s=30)
    assert sum(size * count for size, count in sizes.items()) == len(asked)
    assert 1 < max(sizes) <= 4


def test_bad_company_harms_nobody(url: str) -> None:
    bad = density(64)
    bad[3, 4] = np.nan
    maps = [density(64), bad, density(62)[:, :61]] * 8
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda map: paint(url, map), maps))
    assert [answer.status_code for answer in answers] == [200, 422, 422] * 8
    assert "row 3, column 4" in answers[1].json()["detail"]


def test_the_other_routes(url: str) -> None:
    assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{url}/v1/models").json()["models"][0]["max_pixels"] == 512
    assert "/v1/paint" in httpx.get(f"{url}/openapi.json").json()["paths"]
    assert httpx.post(f"{url}/v1/paint", content=b"x", headers=NPY).status_code == 400
    assert httpx.post(f"{url}/v1/paint", content=bytes(3_000_000), headers=NPY).status_code == 413


def test_too_many_requests_are_answered_503(url: str) -> None:
    with ThreadPoolExecutor(48) as pool:
        answers = list(pool.map(lambda seed: paint(url, density(512, seed)), range(48)))
    codes = {answer.status_code for answer in answers}
    assert codes == {200, 503}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 503)
    assert paint(url, density(64)).status_code == 200


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"max_bach": 3}, "serve.app:build: max_bach: expected one of checkpoint, host, .* got an unknown key"),
        ({"max_batch": "3"}, "serve.app:build: max_batch: expected"),
        ({"max_replicas": 0}, "serve.app:build: max_replicas: expected"),
    ],
)
def test_build_refuses_in_one_line(checkpoint: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        build({"checkpoint": str(checkpoint), **change})
    assert "\n" not in str(error.value)


def test_build_wants_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected a checkpoint, found no meta\.json"):
        build({"checkpoint": str(tmp_path)})


def test_a_taken_port_is_named(checkpoint: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match=f"expected a free port on 127.0.0.1, got {port}"):
            service(Serve(checkpoint=checkpoint, port=port)).__enter__()


def test_ctrl_c_ends_the_command_and_all_it_started(repository: Path, checkpoint: Path) -> None:
    port = free_port()
    arguments = ["configs/serve.yaml", f"checkpoint={checkpoint}", f"port={port}"]
    command = [sys.executable, "-m", "serve", "run", *arguments]
    process = subprocess.Popen(command, cwd=repository, start_new_session=True, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert f"http://127.0.0.1:{port}/docs" in next(line for line in process.stdout if line.startswith("serve:"))
        assert paint(f"http://127.0.0.1:{port}", density(64)).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        assert "serve: stopped" in process.stdout.read()
        assert left_of(process.pid) == []
    finally:
        for pid in left_of(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.stdout.close()
        process.wait(timeout=10)


def left_of(session: int) -> list[int]:
    """Processes that the command left behind, after the moment Ray's own take to end."""
    deadline = time.monotonic() + 10
    while (pids := session_members(session)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return pids
