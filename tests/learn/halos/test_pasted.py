from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from configs import Bind, CamelsBox
from learn.halos import bind
from learn.halos.pasted import Measured, note, paste
from sim import snapshot
from sim.maps import project
from sim.paste import nearest_corner
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


def test_maps_on_disk_are_upright_projections_whose_mass_within_r200c_is_in_the_table(
    asked: Callable[..., Bind],
) -> None:
    config = asked(n_realizations=1)
    job = bind.prepare(config)
    assert isinstance(config.source, CamelsBox)
    matter = snapshot.read_tracers(config.source.dmo / "SB35_0" / "snap_090.hdf5")["dark_matter"]
    for view, pieces, missing in bind.left(job):
        for work in missing:
            bind.make(work, config.sampler)
        rows = paste(job, view, pieces).rows
        with h5py.File(config.out / f"{view.name}.hdf5") as file:
            dmo, gas = file["dmo"][0], file["hydro"][2]
        expected = project(matter.pos, matter.mass, job.host.box_size, job.n_pixels, view.axis)
        np.testing.assert_allclose(dmo, expected, atol=2e-4 * expected.max())
        for row in rows:
            inside = near(row, view, job.n_pixels, job.host.box_size)
            for name, densities in (("dmo", dmo), ("gas_true", gas)):
                mass = densities[inside].sum(dtype=float) * job.frame.pixel_size**2
                assert row[name] == pytest.approx(mass, rel=1e-3), name


def near(row: dict[str, float], view: View, n_pixels: int, box_size: float) -> Any:
    """The pixels of an upright map within R200c of a halo."""
    pixel = box_size / n_pixels
    center = nearest_corner(np.array([[row["xyz"[axis]] for axis in sorted(view.plane)]]), pixel)[0]
    away = (np.arange(n_pixels) + 0.5) * pixel - center[:, None]
    away -= box_size * np.rint(away / box_size)
    return np.hypot(away[0][:, None], away[1]) < row["r200c"]
