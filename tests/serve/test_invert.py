"""/v1/invert without Ray: the files of the command line, and words for what is no image of a lens."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import ZipFile

import httpx
import numpy as np
import pytest
from asking import array_of, refusal
from astropy.io import fits
from matplotlib.figure import Figure
from survey import FIELD, asked, content, lens_file

from benchmarks.service.plain import application, listening
from configs import Prepare, Serve, ServeInversions
from learn.lenses import preparation, reconstruct, reconstruction_files
from serve.desks import desk_of
from serve.endpoints import described, load
from serve.media import FITS, JSON, NPY, ZIP
from serve.routes import front
from serve.schema import InvertAnswer

PATH = "/v1/invert"
LITTLE = {"field": FIELD, "n_draws": 4}


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Pictures of nothing, which take no time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reconstruction_files, "diagnostic", lambda _: Figure())
        yield


@pytest.fixture(scope="module")
def config(inversion_checkpoint: Path) -> Serve:
    return Serve(invert=ServeInversions(checkpoint=inversion_checkpoint, max_pixels=64, max_refine=5, max_draws=8))


@pytest.fixture(scope="module")
def client(config: Serve) -> Iterator[httpx.Client]:
    with listening(application(config)) as url, httpx.Client(base_url=url, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def lens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared without a fit of light, as rings alone need none."""
    folder = tmp_path_factory.mktemp("lens")
    told = Prepare(image=lens_file(folder / "raw.fits"), out=folder / "out", center="none", lens_light="keep")
    list(preparation.prepared(preparation.found(told), told))
    return (told.out / "raw_prepared.fits").rename(folder / "lens.fits")


def post(client: httpx.Client, body: bytes, kind: str = FITS, accept: str = "*/*", **query: object) -> httpx.Response:
    return client.post(PATH, content=body, headers={"Content-Type": kind, "Accept": accept}, params=query)


def unzipped(answer: httpx.Response) -> dict[str, bytes]:
    assert answer.status_code == 200, answer.content[:300]
    assert answer.headers["content-type"] == ZIP
    with ZipFile(io.BytesIO(answer.content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_the_answer_is_what_the_command_writes(client: httpx.Client, config: Serve, lens: Path, tmp_path: Path) -> None:
    assert config.invert is not None
    options = {"field": FIELD, "n_refine": 2, "n_draws": 4, "seed": 3}
    told = asked(config.invert.checkpoint, lens, tmp_path, **options, center="brightness", lens_light="subtract")
    list(reconstruct.reconstructed(reconstruct.found(told), told))
    written = content(tmp_path)
    del written["summary.csv"]
    assert unzipped(post(client, lens.read_bytes(), **options)) == written
    assert unzipped(post(client, lens.read_bytes(), "application/octet-stream", **options)) == written


def test_parameters_and_sources_come_alone(client: httpx.Client, lens: Path) -> None:
    every = unzipped(post(client, lens.read_bytes(), **LITTLE, z_lens=0.3, z_source=1.5))
    answer = post(client, lens.read_bytes(), accept=JSON, **LITTLE, z_lens=0.3, z_source=1.5)
    assert answer.headers["content-type"] == JSON
    assert answer.content == every["lens_parameters.json"]
    assert InvertAnswer.model_validate_json(answer.content).lens_model.z_source == 1.5
    source = array_of(post(client, lens.read_bytes(), accept=f"text/html, {NPY};q=0.9", **LITTLE, z_lens=0.3))
    np.testing.assert_array_equal(source, fits.getdata(io.BytesIO(every["lens_source.fits"])))


def test_raw_images_are_prepared(client: httpx.Client, tmp_path: Path) -> None:
    """Without a point spread function of its own, but with one that is told."""
    path = lens_file(tmp_path / "raw.fits")
    with fits.open(path) as file:
        file[:1].writeto(tmp_path / "bare.fits")
    body = (tmp_path / "bare.fits").read_bytes()
    assert "psf: expected a point spread function" in refusal(post(client, body, **LITTLE), 422)
    record = post(client, body, accept=JSON, psf_fwhm=0.1, **LITTLE).json()
    steps = {one["name"]: one["text"] for one in record["preparation"]["steps"]}
    assert "Gaussian" in steps["psf"]
    assert "light" in steps


def test_images_at_once_are_images_alone_and_a_bad_one_harms_nobody(config: Serve, lens: Path) -> None:
    own = config.endpoints["invert"].model_copy(update={"batch_wait_s": 0.5})
    desk = desk_of(load(config, "invert"), own)
    bodies = [(lens.read_bytes(), {"field": 900.0} if seed == 2 else {**LITTLE, "seed": seed}) for seed in range(4)]
    with listening(front(described(config), [desk])) as url, httpx.Client(base_url=url, timeout=120) as client:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda one: post(client, one[0], accept=NPY, **one[1]), bodies))
        assert dict(desk.queue.sizes) == {4: 1}
        assert desk.queue.failure is None
        assert "expected at least 10% of pixels that are used" in refusal(answers[2], 422)
        for i in (0, 1, 3):
            alone = array_of(post(client, bodies[i][0], accept=NPY, **bodies[i][1]))
            np.testing.assert_array_equal(array_of(answers[i]), alone)


def file_of(*units: fits.PrimaryHDU) -> bytes:
    stream = io.BytesIO()
    fits.HDUList(list(units)).writeto(stream)
    return stream.getvalue()


def image(*shape: int, **cards: object) -> fits.PrimaryHDU:
    return fits.PrimaryHDU(np.ones(shape, np.float32), fits.Header(cards))


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"hello", 400, "FITS body: expected to begin with 'SIMPLE  =', got b'hello'"),
        (gzip.compress(file_of(image(16, 16))), 400, "expected to begin with"),
        (file_of(image(64, 64))[:-2880], 422, "lens.fits: expected a whole FITS file"),
        (file_of(image(65, 8)), 422, "lens.fits: expected at most 64 pixels along a side, got (65, 8)"),
        (file_of(image(16, 16), fits.CompImageHDU(np.ones((16, 16), np.float32))), 422, "got a compressed one"),
        (file_of(image(8, 8), *[fits.ImageHDU(np.ones((2, 2)))] * 64), 422, "expected at most 64 extensions, got more"),
        (file_of(fits.PrimaryHDU()), 422, "expected an image, got 1 extension(s) without one"),
        (file_of(image(3, 16, 16)), 422, "expected an image of two axes"),
        (file_of(image(16, 16)), 422, "lens: expected an image, got 1 everywhere"),
    ],
)
def test_what_is_no_image_is_refused_in_words(client: httpx.Client, body: bytes, code: int, words: str) -> None:
    told = refusal(post(client, body), code)
    assert words in told
    assert "/tmp" not in told


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"n_refine": 6}, "n_refine: expected at most 5, got 6"),
        ({"n_draws": 9}, "n_draws: expected at most 8, got 9"),
        ({"n_draws": 1}, "n_draws: "),
        ({"feild": 2}, "query: any of seed, field, "),
        ({"field": "wide"}, "field: expected a number, got 'wide'"),
        ({"field": -1}, "field: "),
        ({"pixel_scale": 0.06}, "pixel scale: expected one, got 0.06 arcsec by the option"),
    ],
)
def test_what_is_asked_of_an_image_is_refused_in_words(client: httpx.Client, query: dict, words: str) -> None:
    assert words in refusal(post(client, file_of(image(16, 16, PIXSCALE=0.05)), **query), 422)


def test_long_bodies_and_other_kinds_are_refused(client: httpx.Client) -> None:
    limit = 2**20 + 6 * 64**2 * 8
    assert str(limit) in refusal(post(client, bytes(limit + 1)), 413)
    assert "expected application/fits or image/fits" in refusal(post(client, b"{}", JSON), 415)


def test_models_and_documentation_tell_of_it(client: httpx.Client) -> None:
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["path"], model["n_pixels"], model["max_pixels"], model["max_refine"]) == (PATH, 32, 64, 5)
    told = client.get("/openapi.json").json()["paths"][PATH]["post"]
    assert {"seed", "field", "z_lens", "psf_fwhm"} <= {one["name"] for one in told["parameters"]}
    assert FITS in told["requestBody"]["content"]
    assert {ZIP, JSON, NPY} == set(told["responses"]["200"]["content"])


def test_a_machine_is_not_served_on_a_gpu(config: Serve) -> None:
    assert config.invert is not None
    tree = json.loads(config.invert.model_dump_json()) | {"use_gpu": True}
    with pytest.raises(ValueError, match="use_gpu: false, for an image is inverted on a core"):
        ServeInversions.model_validate_json(json.dumps(tree))
