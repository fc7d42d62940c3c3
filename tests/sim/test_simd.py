from __future__ import annotations

import numpy as np
from numba import njit

from sim import simd
from sim.simd import elements, load4, load8, load16, quarters, store, unzip, vector4, zip2

RNG = np.random.default_rng(0)


@njit
def _arithmetic(a, b, out):  # type: ignore[no-untyped-def]
    x, y = load8(a, 3), load8(b, 1)
    store(out, 0, np.float32(3) * x + y * x - y)


def test_arithmetic_is_that_of_float32() -> None:
    a, b = RNG.normal(size=(2, 11)).astype(np.float32)
    out = np.zeros(9, np.float32)
    _arithmetic(a, b, out)
    x, y = a[3:11], b[1:9]
    np.testing.assert_array_equal(out[:8], np.float32(3) * x + y * x - y)
    assert out[8] == 0


@njit
def _shuffled(a, out):  # type: ignore[no-untyped-def]
    even, odd = unzip(load16(a, 0), load16(a, 16))
    store(out, 0, even)
    store(out, 16, odd)
    first, second = zip2(even, odd)
    store(out, 32, first)
    store(out, 48, second)


def test_zip_undoes_unzip() -> None:
    a, out = RNG.normal(size=32).astype(np.float32), np.empty(64, np.float32)
    _shuffled(a, out)
    np.testing.assert_array_equal(out, np.concatenate([a[::2], a[1::2], a]))


@njit
def _parts(a):  # type: ignore[no-untyped-def]
    one, two, three, four = quarters(load16(a, 0))
    w = elements(vector4(a[16], a[17], a[18], a[19]))
    return elements(w[0] * one + w[1] * two + w[2] * three + w[3] * load4(a, 12)), elements(four)


def test_parts_and_elements_keep_their_order() -> None:
    a = np.arange(20, dtype=np.float32)
    total, last = _parts(a)
    np.testing.assert_array_equal(total, a[16:] @ a[:16].reshape(4, 4))
    np.testing.assert_array_equal(last, a[12:16])


@njit
def _transposed(a, out):  # type: ignore[no-untyped-def]
    simd.transpose(a, 5, 20, out, 2, 18)


@njit
def _transposed_pairs(a, out):  # type: ignore[no-untyped-def]
    simd.transpose_pairs(a, 4, 20, out, 2, 18)


def test_transpose() -> None:
    a, out = RNG.normal(size=(17, 20)).astype(np.float32), np.zeros((17, 18), np.float32)
    _transposed(a, out)
    expected = np.zeros_like(out)
    expected.ravel()[2:-16].reshape(16, 18)[:, :16] = a.ravel()[5:325].reshape(16, 20)[:, :16].T
    np.testing.assert_array_equal(out, expected)


def test_transpose_of_pairs() -> None:
    a, out = RNG.normal(size=(9, 10)).astype(np.complex64), np.zeros((9, 9), np.complex64)
    _transposed_pairs(a.view(np.float32), out.view(np.float32))
    expected = np.zeros_like(out)
    expected[:8, 1:] = a[:8, 2:].T
    np.testing.assert_array_equal(out, expected)
