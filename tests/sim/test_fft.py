from __future__ import annotations

import numpy as np
import pytest

from sim import fft

LENGTHS = pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 10, 16, 30, 32, 45, 48, 60, 64, 100, 128])


def planes_of(n: int, n_planes: int = 2) -> np.ndarray:
    """Random padded planes; what is in their padding must not matter."""
    planes = np.random.default_rng(n).normal(size=(n_planes, n, 2 * (n // 2 + 1))).astype(np.float32)
    planes[:, :, n:] = np.nan
    return planes


def modes_of(n: int, n_rows: int = 3) -> np.ndarray:
    parts = np.random.default_rng(n).normal(size=(2, n, n_rows, n // 2 + 1))
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


@LENGTHS
def test_planes_are_those_of_numpy(n: int) -> None:
    planes = planes_of(n)
    cells = planes[:, :, :n].astype(np.float64)
    fft.forward_planes(planes)
    expected = np.fft.rfft2(cells)
    np.testing.assert_allclose(planes.view(np.complex64), expected, atol=4e-7 * np.abs(expected).max())
    fft.inverse_planes(planes)
    np.testing.assert_allclose(planes[:, :, :n], cells, atol=4e-6)


@LENGTHS
def test_rows_are_those_of_numpy(n: int) -> None:
    modes = modes_of(n)
    block = fft.forward_rows(modes, 1, 3)
    expected = np.fft.fft(modes[:, 1:].astype(np.complex128), axis=0)
    np.testing.assert_allclose(block, expected, atol=4e-7 * np.abs(expected).max())
    back = np.zeros_like(modes)
    fft.inverse_rows(block, back, 1)
    np.testing.assert_allclose(back[:, 1:], modes[:, 1:], atol=4e-6)
    assert not back[:, 0].any()


def test_error_grows_no_faster_than_the_number_of_stages() -> None:
    """White noise of unit variance, root mean square; a stage rounds by less than 2^-24 of it."""
    for n in (64, 512):
        planes = planes_of(n, 1)
        cells = planes[:, :, :n].astype(np.float64)
        fft.forward_planes(planes)
        error = np.abs(planes.view(np.complex64) - np.fft.rfft2(cells)) / n
        assert np.sqrt((error**2).mean()) < 2 * np.log2(n) * 2**-24


@pytest.mark.parametrize("n", [24, 32, 100])
def test_bits_do_not_depend_on_what_is_transformed_beside(n: int) -> None:
    planes, modes = planes_of(n, 3), modes_of(n)
    alone = planes[1:2].copy()
    fft.forward_planes(planes)
    fft.forward_planes(alone)
    np.testing.assert_array_equal(planes[1], alone[0])
    fft.inverse_planes(planes)
    fft.inverse_planes(alone)
    np.testing.assert_array_equal(planes[1, :, :n], alone[0, :, :n])
    np.testing.assert_array_equal(fft.forward_rows(modes, 0, 3)[:, 1:2], fft.forward_rows(modes, 1, 2))


@pytest.mark.parametrize("n", [7, 22, 26])
def test_other_lengths_are_refused(n: int) -> None:
    assert not fft.is_smooth(n)
    with pytest.raises(ValueError, match=f"fft: expected a product of 2, 3 and 5, got {n}"):
        fft.plan(n)


def test_an_array_with_holes_is_refused() -> None:
    """It could not be changed in place."""
    with pytest.raises(ValueError, match="copy"):
        fft.forward_planes(planes_of(16, 4)[:, ::2])
