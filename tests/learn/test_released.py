"""The painter that is shipped: whole, small, and a painter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from learn import release
from learn.predict import Predictor

MAX_BYTES = 10e6


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(release.__file__).parent / "released" / "painter"


def test_it_is_whole_and_fits_into_ten_megabytes(folder: Path, tmp_path: Path) -> None:
    assert sum(path.stat().st_size for path in folder.iterdir()) < MAX_BYTES
    release.import_(folder, tmp_path / "imported", max_bytes=int(MAX_BYTES))


def halos() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """A toy map of 50 Mpc/h, a sea with 400 halos at random and one of about 10^14 Msun/h; distances from that one."""
    side, pixel = 256, 50 / 256
    rng, x = np.random.default_rng(0), (np.arange(side) - side / 2) * pixel
    map = np.full((side, side), 4.4e12)
    centers, masses = rng.uniform(-25, 25, (400, 2)), 10 ** rng.uniform(11.5, 13.5, 400)
    for (cx, cy), mass in [*zip(centers, masses, strict=True), ((0.0, 0.0), 1e14)]:
        distance = np.hypot((x[:, None] - cx + 25) % 50 - 25, (x[None, :] - cy + 25) % 50 - 25)
        radius = 0.06 * (mass / 1e13) ** (1 / 3)
        profile = np.exp(-distance / (9 * radius)) / (1 + (distance / radius) ** 2)
        map += mass * profile / (profile.sum() * pixel**2)
    return map.astype(np.float32), np.hypot(x[:, None], x[None, :])


def test_a_halo_loses_gas_and_holds_stars(folder: Path) -> None:
    """The mass is kept; gas has near the cosmic share, but less in the halo, where the stars are."""
    map, distance = halos()
    painter = Predictor.load(folder)
    total, gas, stars = painter(map[None])[0].astype(float)
    cosmic = painter.params_from({})[1] / painter.params_from({})[0]
    np.testing.assert_allclose(total.mean(), map.mean(dtype=float), rtol=1e-5)
    np.testing.assert_allclose(gas.mean() / total.mean(), cosmic, rtol=0.1)
    core = distance < 0.5
    assert gas[core].sum() / total[core].sum() < 0.85 * cosmic
    assert stars[core].mean() > 10 * stars[distance > 4].mean()
    assert 0.6 < (stars == 0).mean() < 0.95
