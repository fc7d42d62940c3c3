"""Sorting against numpy, for any number of values, of threads and of particles."""

from __future__ import annotations

import numpy as np
import pytest

from sim import cells

RNG = np.random.default_rng(12)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("n_values", [1, 2, 2048, 2049, 10**6, 2**40, (2**20 + 4) ** 3])
def test_keys_are_sorted_and_equal_ones_keep_their_order(
    n_values: int, n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "n_threads_of_rank", lambda: n_threads)
    for n in (0, 1, 3, 5000):
        keys = RNG.integers(max(0, n_values - 10**8), n_values, n)
        keys[n // 2 :] = keys[: n - n // 2]
        order, found = cells.by_key(keys, n_values)
        np.testing.assert_array_equal(order, np.argsort(keys, kind="stable"))
        np.testing.assert_array_equal(found, np.sort(keys))


@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_runs_are_where_keys_change(n_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "n_threads_of_rank", lambda: n_threads)
    for keys in (np.empty(0, np.int64), np.zeros(9, np.int64), np.sort(RNG.integers(0, 50, 400)), np.arange(30)):
        _, first = np.unique(keys, return_index=True)
        np.testing.assert_array_equal(cells.runs(keys), [*first, len(keys)])


@pytest.mark.parametrize("stride", [None, 13])
def test_particles_lie_cell_after_cell(stride: int | None) -> None:
    """The far edge of the box belongs to the last cell."""
    pos = RNG.uniform(0, 20, (3000, 3)).astype(np.float32)
    pos[0] = 20
    order, keys = cells.by_cell(pos, 20.0, 9, stride)
    x, y, z = np.minimum((pos.astype(np.float64) * 9 / 20).astype(int), 8).T
    expected = (x * (stride or 9) + y) * (stride or 9) + z
    np.testing.assert_array_equal(keys, expected[order])
    np.testing.assert_array_equal(order, np.argsort(expected, kind="stable"))
    np.testing.assert_array_equal(cells.taken(pos, order), pos[order])
    for values in (pos, pos[:, 0].copy(), pos[:0]):
        np.testing.assert_array_equal(cells.taken(values, order[:0]), values[order[:0]], strict=True)
