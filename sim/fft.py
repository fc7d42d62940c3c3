"""Fast Fourier transforms of the planes and rows of a mesh in float32, sixteen at a time in the lanes of vectors.

Lengths are products of 2, 3 and 5. Decimation in frequency in place, with radices 4, 2, 3 and 5; what comes out in
another order is put right where it is copied out of the cache. An inverse is the transform with real and imaginary
parts exchanged. Sixteen transforms fill a buffer (n, 2, 16): real parts, then imaginary parts, of each point. Knows
nothing of meshes divided among ranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim.simd import load16, store, transpose, transpose_pairs, unzip, zip2

Array = NDArray[Any]
LANES = 16
POINT = 2 * LANES
RADICES = 4, 2, 3, 5


@dataclass(frozen=True)
class Plan:
    """What transforms of one length share.

    radices (stages,), twiddles (m, 2): exp(-2 pi i q j / length) of each stage, by j, then q = 1 to radix - 1.
    position (n,): where each frequency is when the last stage has run.
    """

    radices: NDArray[np.int64]
    twiddles: NDArray[np.float32]
    position: NDArray[np.int64]


@lru_cache
def plan(n: int) -> Plan:
    """The plan of length `n`; ValueError unless it is a product of 2, 3 and 5."""
    radices = factors(n)
    if not is_smooth(n):
        raise ValueError(f"fft: expected a product of 2, 3 and 5, got {n}")
    length, twiddles, frequency = n, [], np.zeros(1, np.int64)
    for radix in radices:
        angles = -2 * np.pi / length * np.arange(length // radix)[:, None] * np.arange(1, radix)
        twiddles.append(np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(-1, 2))
        frequency = (frequency[:, None] + n // length * np.arange(radix)).ravel()
        length //= radix
    return Plan(
        np.array(radices, np.int64),
        np.concatenate([np.ones((1, 2)), *twiddles])[1:].astype(np.float32),
        np.argsort(frequency),
    )


def factors(n: int) -> list[int]:
    """The radices of a transform of length `n`, without what is left when it is no product of 2, 3 and 5."""
    found = []
    for radix in RADICES:
        while n % radix == 0 and n > 1:
            found.append(radix)
            n //= radix
    return found


def is_smooth(n: int) -> bool:
    """Whether `n` is a product of 2, 3 and 5."""
    return int(np.prod(factors(n), dtype=np.int64)) == n


def forward_planes(planes: Array) -> None:
    """Padded real planes (m, n, 2 (n // 2 + 1)) to their modes, in place; contiguous."""
    made = plan(planes.shape[1])
    _forward_planes(_floats(planes), len(planes), *_of(made))


def inverse_planes(planes: Array) -> None:
    """The inverse of `forward_planes`."""
    made = plan(planes.shape[1])
    _inverse_planes(_floats(planes), len(planes), *_of(made))


def forward_rows(modes: Array, begin: int, end: int) -> Array:
    """Modes (n, r, k), contiguous: their rows begin to end transformed along the first axis, as a new array."""
    block = np.empty((len(modes), end - begin, modes.shape[2]), np.complex64)
    _rows(modes, begin, block, 0, end - begin, np.float32(1), False)
    return block


def inverse_rows(block: Array, modes: Array, begin: int) -> None:
    """The inverse of `forward_rows`, into the rows of `modes` from `begin`."""
    _rows(block, 0, modes, begin, block.shape[1], np.float32(1 / len(block)), True)


def _rows(source: Array, begin: int, target: Array, begin_to: int, n_rows: int, scale: np.float32, swap: bool) -> None:
    made, n_modes = plan(len(source)), source.shape[2]
    places = [(2 * first * n_modes, 2 * rows[0].size) for first, rows in ((begin, source), (begin_to, target))]
    _columns(_floats(source), *places[0], _floats(target), *places[1], n_rows * n_modes, *_of(made), scale, swap)


def _of(made: Plan) -> tuple[Array, Array, Array]:
    return made.radices, made.twiddles, made.position


def _floats(modes: Array) -> Array:
    return modes.reshape(-1, copy=False).view(np.float32)


@njit(cache=True, forceinline=True)
def _load(buffer, p):  # type: ignore[no-untyped-def]
    """Point p of the buffer, real and imaginary parts."""
    return load16(buffer, p * POINT), load16(buffer, p * POINT + LANES)


@njit(cache=True, forceinline=True)
def _save(buffer, p, z):  # type: ignore[no-untyped-def]
    store(buffer, p * POINT, z[0])
    store(buffer, p * POINT + LANES, z[1])


@njit(cache=True, forceinline=True)
def _plus(a, b):  # type: ignore[no-untyped-def]
    return a[0] + b[0], a[1] + b[1]


@njit(cache=True, forceinline=True)
def _minus(a, b):  # type: ignore[no-untyped-def]
    return a[0] - b[0], a[1] - b[1]


@njit(cache=True, forceinline=True)
def _minus_i(a, b):  # type: ignore[no-untyped-def]
    """A - i b"""
    return a[0] + b[1], a[1] - b[0]


@njit(cache=True, forceinline=True)
def _plus_i(a, b):  # type: ignore[no-untyped-def]
    """A + i b"""
    return a[0] - b[1], a[1] + b[0]


@njit(cache=True, forceinline=True)
def _scaled(factor, a):  # type: ignore[no-untyped-def]
    return factor * a[0], factor * a[1]


@njit(cache=True, forceinline=True)
def _turned(twiddles, t, a):  # type: ignore[no-untyped-def]
    """A times twiddle t."""
    c, s = twiddles[t, 0], twiddles[t, 1]
    return c * a[0] - s * a[1], s * a[0] + c * a[1]


@njit(cache=True, forceinline=True)
def _stage2(buffer, first, m, twiddles, t):  # type: ignore[no-untyped-def]
    for j in range(m):
        p = first + j
        a, b = _load(buffer, p), _load(buffer, p + m)
        _save(buffer, p, _plus(a, b))
        _save(buffer, p + m, _turned(twiddles, t + j, _minus(a, b)))


@njit(cache=True, forceinline=True)
def _four(buffer, p, m):  # type: ignore[no-untyped-def]
    a, b, c, d = _load(buffer, p), _load(buffer, p + m), _load(buffer, p + 2 * m), _load(buffer, p + 3 * m)
    ac, a_c, bd, b_d = _plus(a, c), _minus(a, c), _plus(b, d), _minus(b, d)
    return _plus(ac, bd), _minus_i(a_c, b_d), _minus(ac, bd), _plus_i(a_c, b_d)


@njit(cache=True, forceinline=True)
def _stage4(buffer, first, m, twiddles, t):  # type: ignore[no-untyped-def]
    y0, y1, y2, y3 = _four(buffer, first, m)
    _save(buffer, first, y0)
    _save(buffer, first + m, y1)
    _save(buffer, first + 2 * m, y2)
    _save(buffer, first + 3 * m, y3)
    for j in range(1, m):
        p, q = first + j, t + 3 * j
        y0, y1, y2, y3 = _four(buffer, p, m)
        _save(buffer, p, y0)
        _save(buffer, p + m, _turned(twiddles, q, y1))
        _save(buffer, p + 2 * m, _turned(twiddles, q + 1, y2))
        _save(buffer, p + 3 * m, _turned(twiddles, q + 2, y3))


@njit(cache=True, forceinline=True)
def _stage3(buffer, first, m, twiddles, t):  # type: ignore[no-untyped-def]
    half, sine = np.float32(0.5), np.float32(0.8660254037844386)
    for j in range(m):
        p, q = first + j, t + 2 * j
        a, b, c = _load(buffer, p), _load(buffer, p + m), _load(buffer, p + 2 * m)
        both = _plus(b, c)
        middle, across = _minus(a, _scaled(half, both)), _scaled(sine, _minus(b, c))
        _save(buffer, p, _plus(a, both))
        _save(buffer, p + m, _turned(twiddles, q, _minus_i(middle, across)))
        _save(buffer, p + 2 * m, _turned(twiddles, q + 1, _plus_i(middle, across)))


@njit(cache=True, forceinline=True)
def _stage5(buffer, first, m, twiddles, t):  # type: ignore[no-untyped-def]
    c1, c2 = np.float32(0.30901699437494745), np.float32(-0.8090169943749475)
    s1, s2 = np.float32(0.9510565162951535), np.float32(0.5877852522924731)
    for j in range(m):
        p, q = first + j, t + 4 * j
        a, b, c = _load(buffer, p), _load(buffer, p + m), _load(buffer, p + 2 * m)
        d, e = _load(buffer, p + 3 * m), _load(buffer, p + 4 * m)
        be, b_e, cd, c_d = _plus(b, e), _minus(b, e), _plus(c, d), _minus(c, d)
        u = _plus(a, _plus(_scaled(c1, be), _scaled(c2, cd)))
        v = _plus(a, _plus(_scaled(c2, be), _scaled(c1, cd)))
        x = _plus(_scaled(s1, b_e), _scaled(s2, c_d))
        y = _minus(_scaled(s2, b_e), _scaled(s1, c_d))
        _save(buffer, p, _plus(a, _plus(be, cd)))
        _save(buffer, p + m, _turned(twiddles, q, _minus_i(u, x)))
        _save(buffer, p + 2 * m, _turned(twiddles, q + 1, _minus_i(v, y)))
        _save(buffer, p + 3 * m, _turned(twiddles, q + 2, _plus_i(v, y)))
        _save(buffer, p + 4 * m, _turned(twiddles, q + 3, _plus_i(u, x)))


@njit(cache=True, nogil=True, error_model="numpy")
def _transform(buffer, n, radices, twiddles):  # type: ignore[no-untyped-def]
    """Transform sixteen times n points in place; frequencies are left where `Plan.position` says."""
    length, t = n, 0
    for radix in radices:
        m = length // radix
        for first in range(0, n, length):
            if radix == 4:
                _stage4(buffer, first, m, twiddles, t)
            elif radix == 2:
                _stage2(buffer, first, m, twiddles, t)
            elif radix == 3:
                _stage3(buffer, first, m, twiddles, t)
            else:
                _stage5(buffer, first, m, twiddles, t)
        t += m * (radix - 1)
        length = m


@njit(cache=True, forceinline=True)
def _take(source, offset, width, buffer, p, swap):  # type: ignore[no-untyped-def]
    """Complex numbers that lie side by side, to point p."""
    if width == LANES:
        z = unzip(load16(source, offset), load16(source, offset + LANES))
        if swap:
            z = z[1], z[0]
        _save(buffer, p, z)
    else:
        for lane in range(width):
            buffer[p * POINT + lane] = source[offset + 2 * lane + swap]
            buffer[p * POINT + LANES + lane] = source[offset + 2 * lane + 1 - swap]


@njit(cache=True, forceinline=True)
def _give(buffer, p, target, offset, width, scale, swap):  # type: ignore[no-untyped-def]
    """The inverse of `_take`, times `scale`."""
    if width == LANES:
        z = _scaled(scale, _load(buffer, p))
        if swap:
            z = z[1], z[0]
        a, b = zip2(z[0], z[1])
        store(target, offset, a)
        store(target, offset + LANES, b)
    else:
        for lane in range(width):
            target[offset + 2 * lane + swap] = scale * buffer[p * POINT + lane]
            target[offset + 2 * lane + 1 - swap] = scale * buffer[p * POINT + LANES + lane]


@njit(cache=True, nogil=True, error_model="numpy")
def _columns(source, begin, step, target, begin_to, step_to, n_columns, radices, twiddles, position, scale, swap):  # type: ignore[no-untyped-def]
    """Transform columns of complex numbers, `step` floats from row to row, into others, times `scale`."""
    n = len(position)
    buffer = np.empty(n * POINT, np.float32)
    for column in range(0, n_columns, LANES):
        width = min(LANES, n_columns - column)
        for i in range(n):
            _take(source, begin + i * step + 2 * column, width, buffer, i, swap)
        _transform(buffer, n, radices, twiddles)
        for i in range(n):
            _give(buffer, position[i], target, begin_to + i * step_to + 2 * column, width, scale, swap)


@njit(cache=True, nogil=True, error_model="numpy")
def _forward_planes(cells, n_planes, radices, twiddles, position):  # type: ignore[no-untyped-def]
    """Real rows two at a time as one complex row, then columns."""
    n, n_modes = len(position), len(position) // 2 + 1
    size = 2 * n_modes
    buffer = np.zeros(n * POINT, np.float32)
    modes = np.zeros(n_modes * 2 * POINT, np.float32)
    one = np.float32(1)
    for plane in range(n_planes):
        begin = plane * n * size
        for row in range(0, n, POINT):
            n_rows = min(POINT, n - row)
            if n_rows < POINT:
                buffer[:] = 0
            _turn(cells, begin + row * size, size, n_rows, buffer, 0, POINT, n)
            _transform(buffer, n, radices, twiddles)
            _part(buffer, position, modes, n_modes)
            _turn_pairs(modes, 0, 2 * POINT, n_modes, cells, begin + row * size, size, n_rows)
        _columns(cells, begin, size, cells, begin, size, n_modes, radices, twiddles, position, one, False)


@njit(cache=True, nogil=True, error_model="numpy")
def _inverse_planes(cells, n_planes, radices, twiddles, position):  # type: ignore[no-untyped-def]
    n, n_modes = len(position), len(position) // 2 + 1
    size = 2 * n_modes
    buffer = np.zeros(n * POINT, np.float32)
    modes = np.zeros(n_modes * 2 * POINT, np.float32)
    one, scale = np.float32(1), np.float32(1 / n**2)
    for plane in range(n_planes):
        begin = plane * n * size
        _columns(cells, begin, size, cells, begin, size, n_modes, radices, twiddles, position, one, True)
        for row in range(0, n, POINT):
            n_rows = min(POINT, n - row)
            if n_rows < POINT:
                modes[:] = 0
            _turn_pairs(cells, begin + row * size, size, n_rows, modes, 0, 2 * POINT, n_modes)
            _join(modes, n_modes, buffer, n)
            _transform(buffer, n, radices, twiddles)
            _sort(buffer, modes, position, scale)
            _turn(modes, 0, POINT, n, cells, begin + row * size, size, n_rows)


@njit(cache=True, nogil=True, error_model="numpy")
def _turn(source, begin, step, n_rows, target, begin_to, step_to, n_columns):  # type: ignore[no-untyped-def]
    """A matrix of floats to its transpose: tiles of 16 x 16, then what is left at its edges."""
    rows, columns = n_rows // 16 * 16, n_columns // 16 * 16
    for row in range(0, rows, 16):
        for column in range(0, columns, 16):
            transpose(source, begin + row * step + column, step, target, begin_to + column * step_to + row, step_to)
    for row in range(n_rows):
        for column in range(columns if row < rows else 0, n_columns):
            target[begin_to + column * step_to + row] = source[begin + row * step + column]


@njit(cache=True, nogil=True, error_model="numpy")
def _turn_pairs(source, begin, step, n_rows, target, begin_to, step_to, n_columns):  # type: ignore[no-untyped-def]
    """A matrix of complex numbers to its transpose: tiles of 8 x 8, then what is left at its edges."""
    rows, columns = n_rows // 8 * 8, n_columns // 8 * 8
    for row in range(0, rows, 8):
        for column in range(0, columns, 8):
            at, to = begin + row * step + 2 * column, begin_to + column * step_to + 2 * row
            transpose_pairs(source, at, step, target, to, step_to)
    for row in range(n_rows):
        for column in range(columns if row < rows else 0, n_columns):
            at, to = begin + row * step + 2 * column, begin_to + column * step_to + 2 * row
            target[to] = source[at]
            target[to + 1] = source[at + 1]


@njit(cache=True, nogil=True, error_model="numpy")
def _sort(buffer, other, position, scale):  # type: ignore[no-untyped-def]
    """Scaled points in their natural order, real and imaginary parts exchanged."""
    for i in range(len(position)):
        z = _scaled(scale, _load(buffer, position[i]))
        _save(other, i, (z[1], z[0]))


@njit(cache=True, forceinline=True)
def _part(buffer, position, modes, n_modes):  # type: ignore[no-untyped-def]
    """The modes of two real rows from those of one complex row: (n_modes, 32 rows) complex numbers."""
    n, half = len(position), np.float32(0.5)
    for k in range(n_modes):
        z, c = _load(buffer, position[k]), _load(buffer, position[(n - k) % n])
        a, b = zip2(half * (z[0] + c[0]), half * (z[1] - c[1]))
        store(modes, 2 * k * POINT, a)
        store(modes, 2 * k * POINT + LANES, b)
        a, b = zip2(half * (z[1] + c[1]), half * (c[0] - z[0]))
        store(modes, 2 * k * POINT + POINT, a)
        store(modes, 2 * k * POINT + POINT + LANES, b)


@njit(cache=True, forceinline=True)
def _join(modes, n_modes, buffer, n):  # type: ignore[no-untyped-def]
    """The inverse of `_part`, with real and imaginary parts exchanged."""
    for k in range(n_modes):
        p = 2 * k * POINT
        a = unzip(load16(modes, p), load16(modes, p + LANES))
        b = unzip(load16(modes, p + POINT), load16(modes, p + POINT + LANES))
        if k == 0 or 2 * k == n:
            _save(buffer, k, (b[0], a[0]))
        else:
            _save(buffer, k, (a[1] + b[0], a[0] - b[1]))
            _save(buffer, n - k, (b[0] - a[1], a[0] + b[1]))
