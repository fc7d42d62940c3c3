"""Point spread functions on pixels: (B, k, k), k odd, sum 1.

Analytic ones are integrated over each pixel by midpoints; pixel sizes [arcsec] are a number or (B,). Knows nothing of
what is convolved with them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sim.lensing.ellipse import elliptical

N_MIDPOINTS = 5  # along a side of a pixel
AIRY_FWHM = 1.028993969962188  # [lambda / D]
PRODUCT = 1e-6  # of its largest value, by which a kernel may differ from a product of two lines


def gaussian(fwhm: Tensor, pixel_size: float | Tensor, side: int) -> Tensor:
    """Of the full widths at half maximum (B,) [arcsec]."""
    x, y = midpoints(pixel_size, side, fwhm)
    variance = (columns(fwhm) / math.sqrt(8 * math.log(2))).square()
    return normalized(torch.exp(-(x.square() + y.square()) / (2 * variance)))


def moffat(fwhm: Tensor, beta: Tensor, e1: Tensor, e2: Tensor, pixel_size: float | Tensor, side: int) -> Tensor:
    """(1 + R^2 / a^2)^-beta of elliptical radii R (Moffat 1969)."""
    x, y = midpoints(pixel_size, side, fwhm)
    radius = elliptical(x, y, columns(e1), columns(e2)).radius
    scale = columns(fwhm / (2 * torch.sqrt(2 ** (1 / beta) - 1)))
    return normalized((1 + (radius / scale).square()) ** -columns(beta))


def airy(fwhm: Tensor, pixel_size: float | Tensor, side: int) -> Tensor:
    """[2 J1(v) / v]^2 of a circular aperture without obstruction."""
    x, y = midpoints(pixel_size, side, fwhm)
    v = (math.pi * AIRY_FWHM * torch.sqrt(x.square() + y.square()) / columns(fwhm)).clamp(min=1e-3)
    return normalized((2 * torch.special.bessel_j1(v) / v).square())


def midpoints(pixel_size: float | Tensor, side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """X and y [arcsec] of the midpoints within the pixels of an odd `side`, (1 or B, side, side, points)."""
    if side % 2 == 0 or side < 1:
        raise ValueError(f"psf: an odd number of pixels along its side, got {side}")
    fine = side * N_MIDPOINTS
    step = (columns(pixel_size) if isinstance(pixel_size, Tensor) else pixel_size) / N_MIDPOINTS
    along = torch.arange(fine, dtype=like.dtype, device=like.device) - (fine - 1) / 2
    y, x = torch.meshgrid(along, along, indexing="ij")
    return in_pixels(x, side) * step, in_pixels(y, side) * step


def in_pixels(fine: Tensor, side: int) -> Tensor:
    """(side n, side n) -> (1, side, side, n n)."""
    split = fine.reshape(side, N_MIDPOINTS, side, N_MIDPOINTS)
    return split.transpose(1, 2).reshape(1, side, side, N_MIDPOINTS**2)


def columns(values: Tensor) -> Tensor:
    """(B,) beside (1, side, side, points)."""
    return values.reshape(-1, 1, 1, 1)


def normalized(values: Tensor) -> Tensor:
    """(B, side, side, points) -> (B, side, side), sum 1."""
    kernel = values.mean(-1)
    return kernel / kernel.sum((-2, -1), keepdim=True)


def convolved(images: Tensor, kernel: Tensor) -> Tensor:
    """`images` (B, n, m) by `kernel` (B or 1, k, k), nothing being beyond their rim: as many pixels as before."""
    n, m, k = *images.shape[-2:], kernel.shape[-1]
    sides = fast_side(n + k - 1), fast_side(m + k - 1)
    product = torch.fft.rfft2(images, s=sides) * torch.fft.rfft2(kernel, s=sides)
    rim = k // 2
    return torch.fft.irfft2(product, s=sides)[..., rim : rim + n, rim : rim + m]


def product_of(kernel: Tensor) -> tuple[Tensor, Tensor] | None:
    """A column and a row (B or 1, k) whose product is the `kernel`; None if it is no product, or if it is fitted."""
    rim = kernel.shape[-1] // 2
    column, row = kernel[..., rim], kernel[..., rim, :] / kernel[..., rim, rim, None]
    error = (column[..., :, None] * row[..., None, :] - kernel).abs().amax((-2, -1))
    is_product = bool((error <= PRODUCT * kernel.abs().amax((-2, -1))).all())
    return (column, row) if is_product and not kernel.requires_grad else None


def banded(line: Tensor, n: int) -> Tensor:
    """Lines (B, k) as matrices (B, n, n) that convolve n values with them, nothing being beyond their ends."""
    at = torch.arange(n, device=line.device)
    place = at[:, None] - at + line.shape[-1] // 2
    inside = (place >= 0) & (place < line.shape[-1])
    return line[:, place.clamp(0, line.shape[-1] - 1)] * inside


def between(columns: Tensor, rows: Tensor, images: Tensor) -> Tensor:
    """`images` (B, n, n) with their columns and rows convolved by banded matrices (B or 1, n, n)."""
    return columns.to(images) @ (images @ rows.mT.to(images))


def fast_side(n: int) -> int:
    """The smallest even product of 2, 3 and 5 from `n` on."""
    while not is_smooth(n):
        n += 1
    return n


def is_smooth(n: int) -> bool:
    if n % 2:
        return False
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    return n == 1
