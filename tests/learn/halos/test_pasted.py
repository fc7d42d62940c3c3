from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from learn.halos.pasted import Measured, note
from sim.spectra import power
from sim.views import View

JOB: Any = SimpleNamespace(host=SimpleNamespace(box_size=10.0), config=SimpleNamespace(n_bins=5))


@pytest.mark.parametrize("has_truth", [True, False])
def test_what_is_missing_from_a_map_is_missing_from_its_power(has_truth: bool) -> None:
    maps = np.random.default_rng(0).lognormal(size=(3, 16, 16))
    maps[2] = 0
    level = 2 * maps.mean(axis=(1, 2)) if has_truth else None
    measured = Measured(View(2, 0, 1, 10.0))
    for _ in range(2):
        note(measured, "pasted", maps, level, JOB)
    found, own = measured.spectra["pasted"], power(maps[1], 10.0, n_bins=5)
    assert found.shape == (2, 3, len(own.k))
    np.testing.assert_allclose(found[0, 1], own.pk / (4 if has_truth else 1), rtol=1e-12)
    np.testing.assert_array_equal(found[1], found[0])
    assert np.isnan(found[:, 2]).all()
    np.testing.assert_array_equal(measured.k, own.k)
