"""The service on Ray Serve: the answers of the local models, in batches, and words where there are none."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from asking import array_of, npy
from generators import windows
from numpy.typing import NDArray
from toy_counts import toy_grids

pytest.importorskip("ray", reason="Ray is not installed")

with warnings.catch_warnings(action="ignore"):  # Ray Serve's own models are written for an older pydantic
    from ray import serve as ray_serve

from configs import ConfigError, Serve, ServeCounts, ServeSamples
from learn.halo_painter import HaloPainter, over_mean
from learn.halos import HaloSampler
from learn.predict import Predictor
from learn.sampler import Sampler, seeds_of
from ray_jobs.cluster import free_port, session_members
from serve.app import ROOT, Replica, build, cores, service, wait_for_interrupt

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]

NPY = {"Content-Type": "application/x-npy"}
PATHS = ["/v1/paint", "/v1/generate", "/v1/halos", "/v1/counts"]


SMALL: dict[str, Any] = {"max_replicas": 1, "num_cpus": 0.5}
LONG = {"n_samples": 64, "n_steps": 50}
"""A request that takes seconds."""


@pytest.fixture(scope="module")
def url(
    ray_local: None, checkpoint: Path, field_checkpoint: Path, halo_checkpoint: Path, count_checkpoint: Path
) -> Iterator[str]:
    config = Serve(
        checkpoint=checkpoint,
        port=free_port(),
        max_pixels=512,
        max_replicas=1,
        max_batch=4,
        max_queued=16,
        timeout_s=120.0,
        generate=ServeSamples(checkpoint=field_checkpoint, **SMALL),
        halos=ServeSamples(checkpoint=halo_checkpoint, **SMALL),
        counts=ServeCounts(checkpoint=count_checkpoint, **SMALL),
    )
    with service(config) as url:
        yield url


def density(side: int, seed: int = 0) -> NDArray[np.float32]:
    return 1e12 * np.random.default_rng(seed).random((side, side), dtype=np.float32)


def paint(url: str, map: NDArray, **params: float) -> httpx.Response:
    return httpx.post(f"{url}/v1/paint", content=npy(map), headers=NPY, params=params, timeout=60)


def test_mixed_company_gets_the_predictors_answers_in_batches(url: str, checkpoint: Path) -> None:
    predictor = Predictor.load(checkpoint)
    asked = [(density(side, seed), 0.2 + 0.01 * seed) for seed, side in enumerate([64, 128, 256] * 8)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda question: paint(url, question[0], omega_m=question[1]), asked))
    for (map, omega_m), answer in zip(asked, answers, strict=True):
        expected = predictor(map[None], predictor.params_from({"omega_m": omega_m})[None])[0]
        painted = array_of(answer)
        np.testing.assert_allclose(painted, expected, rtol=1e-5, atol=1e-6 * expected.max())
    sizes = ray_serve.get_app_handle(ROOT).batch_sizes.remote().result(timeout_s=30)
    assert sum(size * count for size, count in sizes.items()) == len(asked)
    assert 1 < max(sizes) <= 4


def test_samples_are_those_of_the_local_sampler(url: str, field_checkpoint: Path) -> None:
    sampler = Sampler.load(field_checkpoint)
    told = [{"n_samples": 1 + i % 3, "seed": i, "sigma8": 0.25 + 0.01 * i} for i in range(9)]
    with ThreadPoolExecutor(9) as pool:
        answers = list(pool.map(lambda one: httpx.post(f"{url}/v1/generate", params=one, timeout=60), told))
    for one, answer in zip(told, answers, strict=True):
        params = np.tile(sampler.params_from({"sigma8": one["sigma8"]}), (one["n_samples"], 1))
        np.testing.assert_array_equal(array_of(answer), sampler(seeds_of(one["seed"], range(one["n_samples"])), params))


def test_halos_are_those_of_the_local_sampler(url: str, halo_checkpoint: Path) -> None:
    sampler, told = HaloSampler.load(halo_checkpoint), {"mass": 2e13, "seed": 4, "n_samples": 3}
    params = [dict(zip(sampler.meta.param_names, sampler.meta.param_defaults, strict=True))["omega_m"], 0.8]
    answer = httpx.post(
        f"{url}/v1/halos", content=npy(windows()), headers=NPY, params={**told, "feedback": 0.8}, timeout=60
    )
    expected = sampler.sample(windows()[0], windows()[1:], np.array(params), 2e13, 4, 3)
    np.testing.assert_array_equal(array_of(answer), expected)


def test_counts_are_those_of_the_local_painter(url: str, count_checkpoint: Path) -> None:
    painter, density = HaloPainter.load(count_checkpoint), toy_grids(3).density
    answer = httpx.post(f"{url}/v1/counts", content=npy(density), headers=NPY, params={"seed": 5}, timeout=60)
    np.testing.assert_array_equal(array_of(answer), painter(over_mean(density, "box"), seed=5))


def test_a_long_generation_does_not_hold_up_the_painter(url: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        generation = pool.submit(httpx.post, f"{url}/v1/generate", params=LONG, timeout=120)
        wait_for_batches("generate")
        for seed in range(3):
            assert paint(url, density(64, seed)).status_code == 200
        assert not generation.done()
        assert array_of(generation.result()).shape == (LONG["n_samples"], 1, 8, 8)


def wait_for_batches(name: str) -> None:
    """Return when an endpoint has begun another batch."""
    handle = ray_serve.get_app_handle(name)
    before = handle.batch_sizes.remote().result(timeout_s=30)
    deadline = time.monotonic() + 30
    while handle.batch_sizes.remote().result(timeout_s=30) == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


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
    models = httpx.get(f"{url}/v1/models").json()["models"]
    assert [one["path"] for one in models] == PATHS
    assert models[0]["max_pixels"] == 512
    assert set(PATHS) < set(httpx.get(f"{url}/openapi.json").json()["paths"])
    assert httpx.get(f"{url}/docs").status_code == 200
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
        ({"max_bach": 3}, "serve.app:build: max_bach: expected one of .*, checkpoint, host, .* got an unknown key"),
        ({"generate": {"folder": 3}}, "serve.app:build: generate.checkpoint: expected a value, found none"),
        (
            {"checkpoint": None},
            "serve.app:build: .* checkpoint: one here, or in another endpoint, got none",
        ),
        ({"max_batch": "3"}, "serve.app:build: max_batch: expected"),
        ({"max_replicas": 0}, "serve.app:build: max_replicas: expected"),
    ],
)
def test_build_refuses_in_one_line(checkpoint: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        build({"checkpoint": str(checkpoint), **change})
    assert "\n" not in str(error.value)


def test_build_knows_each_endpoint(checkpoint: Path, field_checkpoint: Path) -> None:
    told = {"checkpoint": str(checkpoint), "generate": {"checkpoint": str(field_checkpoint)}}
    every = [build(told), build({**told, "endpoint": "paint"}), build({**told, "endpoint": "generate"})]
    assert [app._bound_deployment.name for app in every] == ["Paint", "Paint", "Generate"]
    with pytest.raises(ValueError, match="endpoint: expected one of paint, generate, got 'halos'"):
        build({**told, "endpoint": "halos"})


def test_every_replica_answers_at_its_own_address(
    checkpoint: Path, field_checkpoint: Path, count_checkpoint: Path
) -> None:
    told = {"generate": ServeSamples(checkpoint=field_checkpoint), "counts": ServeCounts(checkpoint=count_checkpoint)}
    config = Serve(checkpoint=checkpoint, **told)
    for name, posts in (("paint", {"/v1/paint", "/v1/generate", "/v1/counts"}), ("generate", {"/v1/generate"})):
        replica = Replica(config, name)
        routes = replica.__serve_build_asgi_app__().routes
        assert {route.path for route in routes if "POST" in route.methods} == posts
        assert replica.batch_sizes() == {}
        replica.check_health()
    alone = Replica(Serve(**told), ROOT)
    assert "/v1/models" in {route.path for route in alone.__serve_build_asgi_app__().routes}
    alone.check_health()


def test_a_machine_has_room_for_the_least_replicas(checkpoint: Path) -> None:
    assert cores(Serve(checkpoint=checkpoint, min_replicas=300, max_replicas=300, num_cpus=0.5)) == 150
    assert cores(Serve(checkpoint=checkpoint)) == os.cpu_count()


def test_build_wants_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected a checkpoint, found no meta\.json"):
        build({"checkpoint": str(tmp_path)})


def test_a_taken_port_is_named(checkpoint: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match=f"expected a free port on 127.0.0.1, got {port}"):
            service(Serve(checkpoint=checkpoint, port=port)).__enter__()


def test_another_family_exits_with_2_in_one_line(repository: Path, field_checkpoint: Path) -> None:
    arguments = ["configs/serve.yaml", f"checkpoint={field_checkpoint}", f"port={free_port()}"]
    command = [sys.executable, "-m", "serve", "run", *arguments]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stdout == ""
    words = f"python -m serve run: {field_checkpoint}: expected a method of Painting, got diffusion\n"
    assert done.stderr == words


def test_ctrl_c_ends_the_command_and_all_it_started(repository: Path, field_checkpoint: Path) -> None:
    """Of a service without a painter."""
    port = free_port()
    arguments = [
        "checkpoint=null",
        f"generate.checkpoint={field_checkpoint}",
        f"port={port}",
        "halos=null",
        "counts=null",
        "invert=null",
    ]
    arguments = ["configs/serve.yaml", *arguments]
    command = [sys.executable, "-m", "serve", "run", *arguments]
    process = subprocess.Popen(command, cwd=repository, start_new_session=True, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = f"http://127.0.0.1:{port}"
    try:
        assert f"{url}/docs" in next(line for line in process.stdout if line.startswith("serve:"))
        assert next(process.stdout) == f"serve: POST {url}/v1/generate\n"
        assert once_up(f"{url}/v1/generate").status_code == 200
        assert httpx.get(f"{url}/v1/models").json()["models"][0]["path"] == "/v1/generate"
        assert httpx.post(f"{url}/v1/paint").status_code == 404
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        assert "serve: stopped" in process.stdout.read()
        assert left_of(process.pid) == []
    finally:
        for pid in left_of(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.stdout.close()
        process.wait(timeout=10)


def test_an_interrupt_that_another_thread_is_handed_is_one() -> None:
    """The kernel may choose any thread of a process; the main one, which waits, is not woken then."""
    other = threading.Thread(target=time.sleep, args=(3,), daemon=True)
    other.start()
    assert other.ident is not None
    handed = threading.Timer(0.2, signal.pthread_kill, (other.ident, signal.SIGINT))
    handed.start()
    before = signal.getsignal(signal.SIGINT)
    wait_for_interrupt()
    assert signal.getsignal(signal.SIGINT) is before


def once_up(url: str) -> httpx.Response:
    """The answer to an empty request, once the address is known."""
    deadline = time.monotonic() + 30
    while (answer := httpx.post(url, timeout=60)).status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


def left_of(session: int) -> list[int]:
    """Processes that the command left behind, after the moment Ray's own take to end."""
    deadline = time.monotonic() + 10
    while (pids := session_members(session)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return pids
