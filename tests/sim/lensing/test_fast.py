from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
import torch
from lens_systems import as_images, drawn
from torch import Tensor

from sim.lensing import fast, psf
from sim.lensing.camera import Camera
from sim.lensing.light import Light, Sersic
from sim.lensing.profiles import SIE, Mass, Shear, Sum

System = tuple[Mass, Light, Light]

needs_a_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None, reason="torch.compile needs a C++ compiler on a CPU"
)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What one test has compiled, another does not find."""
    fast.compiled_means.cache_clear()
    yield
    fast.compiled_means.cache_clear()


def camera(dtype: torch.dtype = torch.float32) -> Camera:
    return Camera(16, 0.2, 2, psf.gaussian(torch.tensor([0.4], dtype=dtype), 0.2, 7), dtype)


def systems(n: int, dtype: torch.dtype = torch.float32) -> System:
    draw = drawn(n, 1)

    def of(low: float, high: float) -> Tensor:
        return as_images(draw(low, high)).to(dtype)

    def galaxy() -> Sersic:
        return Sersic(of(1, 5), of(0.3, 0.6), of(0.8, 3), *(of(-0.2, 0.2) for _ in range(4)))

    lens = SIE(of(0.8, 1.2), *(of(-0.2, 0.2) for _ in range(4)))
    return Sum([lens, Shear(of(-0.05, 0.05), of(-0.05, 0.05))]), galaxy(), galaxy()


@pytest.mark.slow
@pytest.mark.timeout(600)
@needs_a_compiler
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_compiled_image_is_the_image_to_rounding_for_any_size_of_batch_and_so_are_its_slopes() -> None:
    """Kernels compiled: of three systems and of their gradient, and of any number of systems."""
    graphs = []
    for n in (3, 5, 7):
        ours = systems(n)
        wanted = numbers(ours) if n == 3 else []
        found, expected = fast.fast_image(camera(), *ours), camera().image(*ours)
        exact = camera(torch.float64).image(*systems(n, torch.float64))
        peak = expected.detach().amax((1, 2), keepdim=True)
        torch.testing.assert_close(found / peak, expected / peak, rtol=0, atol=1e-5)
        torch.testing.assert_close(found / peak, exact / peak, rtol=0, atol=1e-5, check_dtype=False)
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
        slopes = [torch.autograd.grad(image.square().sum(), wanted) for image in (found, expected) if wanted]
        for one, other in zip(*slopes, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))
    assert graphs[0] < graphs[1] == graphs[2]


def numbers(told: System) -> list[Tensor]:
    """Everything that lens, source and light are made of, with a gradient from here on."""
    mass, source, light = told
    return [value.requires_grad_() for part in (*mass.parts, source, light) for value in vars(part).values()]


def test_without_a_compiler_it_says_so_and_is_the_image(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    for _ in range(2):
        torch.testing.assert_close(fast.fast_image(camera(), *systems(2)), camera().image(*systems(2)), rtol=0, atol=0)
    assert capsys.readouterr().err.count("no C++ compiler no-such-compiler") == 1
