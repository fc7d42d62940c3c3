from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve
from scipy.special import j1

from sim.lensing import psf


def widths(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def kernels(side: int = 41, pixel: float = 0.05) -> dict[str, torch.Tensor]:
    fwhm = widths(0.3, 0.5)
    return {
        "gaussian": psf.gaussian(fwhm, pixel, side),
        "moffat": psf.moffat(fwhm, widths(2.5, 4.0), widths(0.0, 0.2), widths(0.0, 0.1), pixel, side),
        "airy": psf.airy(fwhm, pixel, side),
    }


@pytest.mark.parametrize("name", ["gaussian", "moffat", "airy"])
def test_kernels_sum_to_one_are_centred_and_have_their_width(name: str) -> None:
    fine = kernels(201, 0.01)[name]
    torch.testing.assert_close(fine.sum((1, 2)), widths(1, 1))
    torch.testing.assert_close(fine, fine.flip((1, 2)))
    assert fine.flatten(1).argmax(1).tolist() == [201 * 201 // 2] * 2
    row = fine[0, 100] / fine[0, 100, 100]
    assert 0.01 * int((row > 0.5).sum()) == pytest.approx(0.3, abs=0.011)


def test_airy_is_that_of_scipy_and_moffat_an_ellipse_of_its_area() -> None:
    v = np.linspace(0.1, 20, 50)
    found = torch.special.bessel_j1(torch.tensor(v))
    np.testing.assert_allclose(found, j1(v), rtol=1e-6, atol=1e-7)
    round_, flat = kernels(201, 0.01)["moffat"]
    for kernel, fwhm in ((round_, 0.3), (flat, 0.5)):
        area = 1e-4 * int((kernel > kernel.max() / 2).sum())
        assert area == pytest.approx(np.pi * fwhm**2 / 4, rel=0.02)


@pytest.mark.parametrize("side", [31, 48])
def test_convolution_is_scipys_and_keeps_flux_within_the_rim(side: int) -> None:
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(2, side, side + 4, generator=rng, dtype=torch.float64)
    kernel = torch.rand(2, 7, 7, generator=rng, dtype=torch.float64)
    found = psf.convolved(images, kernel)
    for one, image, blur in zip(found, images, kernel, strict=True):
        np.testing.assert_allclose(one, fftconvolve(image, blur, mode="same"), rtol=1e-10)
    point = torch.zeros(1, side, side, dtype=torch.float64)
    point[0, side // 2, side // 2] = 3.0
    blurred = psf.convolved(point, kernels(15)["gaussian"])
    torch.testing.assert_close(blurred.sum((1, 2)), widths(3, 3))
    torch.testing.assert_close(
        psf.convolved(images, torch.ones(1, 1, 1, dtype=torch.float64)), images, rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("n", [9, 32])
def test_a_product_of_lines_blurs_as_its_transform_does(n: int) -> None:
    rng = torch.Generator().manual_seed(2)
    images = torch.rand(2, n, n, generator=rng, dtype=torch.float64)
    lines = torch.rand(2, 2, 15, generator=rng, dtype=torch.float64)
    kernel = lines[0, :, :, None] * lines[1, :, None, :]
    product = psf.product_of(kernel)
    assert product is not None
    columns, rows = (psf.banded(line, n) for line in product)
    torch.testing.assert_close(psf.between(columns, rows, images), psf.convolved(images, kernel))


def test_of_the_analytic_kernels_the_gaussian_is_a_product() -> None:
    assert {name: psf.product_of(kernel) is not None for name, kernel in kernels().items()} == {
        "gaussian": True,
        "moffat": False,
        "airy": False,
    }
    assert psf.product_of(kernels()["gaussian"].requires_grad_()) is None
    assert psf.product_of(torch.zeros(1, 3, 3)) is None


@pytest.mark.parametrize("side", [0, 4])
def test_a_kernel_has_a_middle(side: int) -> None:
    with pytest.raises(ValueError, match=f"an odd number of pixels along its side, got {side}"):
        psf.gaussian(widths(0.1), 0.05, side)


def test_transforms_have_fast_sides() -> None:
    assert [psf.fast_side(n) for n in (62, 96, 97, 110, 7)] == [64, 96, 100, 120, 8]
