"""The models that are shipped: whole, small, and what their cards say they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from configs import LensSystems
from learn import release
from learn.halo_painter import HaloPainter
from learn.halos.trained import HaloSampler
from learn.lenses.gallery import given
from learn.lenses.inverter import Effort, Inverter
from learn.lenses.known import known
from learn.lenses.latent import radii_of
from learn.predict import Predictor
from learn.sampler import Sampler, seeds_of
from learn.sources.lenses import LensSource

MAX_BYTES = 10e6
N_SAMPLES = 12


RELEASED = Path(release.__file__).parent / "released"


@pytest.mark.parametrize("name", sorted(path.name for path in RELEASED.iterdir() if path.is_dir()))
def test_it_is_whole_and_fits_into_ten_megabytes(name: str, tmp_path: Path) -> None:
    folder = RELEASED / name
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


def test_a_halo_loses_gas_and_holds_stars() -> None:
    """The mass is kept; gas has near the cosmic share, but less in the halo, where the stars are."""
    map, distance = halos()
    painter = Predictor.load(RELEASED / "painter")
    total, gas, stars = painter(map[None])[0].astype(float)
    cosmic = painter.params_from({})[1] / painter.params_from({})[0]
    np.testing.assert_allclose(total.mean(), map.mean(dtype=float), rtol=1e-5)
    np.testing.assert_allclose(gas.mean() / total.mean(), cosmic, rtol=0.1)
    core = distance < 0.5
    assert gas[core].sum() / total[core].sum() < 0.85 * cosmic
    assert stars[core].mean() > 10 * stars[distance > 4].mean()
    assert 0.6 < (stars == 0).mean() < 0.95


def test_fields_have_their_density_no_border_and_more_structure_with_sigma8() -> None:
    """12 samples a value of sigma8, of the same seeds: power grows as its square or more, and the box wraps around."""
    sampler = Sampler.load(RELEASED / "fields")
    dim, bright = (
        sampler(seeds_of(3, range(N_SAMPLES)), params=sampler_params(0.3, sigma8))[:, 0] for sigma8 in (0.7, 0.95)
    )
    expected = 0.3 * 2.775e11 * sampler.meta.depth
    np.testing.assert_allclose([dim.mean(), bright.mean()], expected, rtol=0.06)
    logs = np.log1p(np.concatenate([dim, bright]) / expected)
    inside = np.abs(np.diff(logs, axis=1)).mean()
    assert abs(np.abs(logs[:, 0] - logs[:, -1]).mean() / inside - 1) < 0.1
    low, high = (large_scale_power(maps) for maps in (dim, bright))
    assert 1.4 < high / low < 2.4  # (0.95 / 0.7)^2 = 1.84


def sampler_params(omega_m: float, sigma8: float) -> NDArray[np.float32]:
    return np.tile(np.float32([omega_m, sigma8]), (N_SAMPLES, 1))


def large_scale_power(maps: NDArray[np.float32]) -> float:
    """Mean of the modes of the contrast whose index is 1 to 4, of maps (n, P, P)."""
    modes = np.fft.rfft2(maps / maps.mean(axis=(1, 2), keepdims=True))
    index = np.hypot(*np.meshgrid(np.fft.fftfreq(64, 1 / 64), np.arange(33), indexing="ij"))
    return float((np.abs(modes[:, (index >= 1) & (index <= 4)]) ** 2).mean())


def test_halos_are_where_the_matter_is_and_light_ones_are_the_most() -> None:
    """A sea with 60 lumps of 8 to 40 times the mean: a halo in nearly every lump, hardly one elsewhere."""
    rng, density = np.random.default_rng(5), np.full((40, 40, 40), 0.5, np.float32)
    lumps = tuple(rng.integers(40, size=(3, 60)))
    density[lumps] = rng.uniform(8, 40, 60)
    painter = HaloPainter.load(RELEASED / "counts")
    counts = painter(density, cell_size=painter.meta.pixel_size, seed=2)
    assert counts.shape == (4, 40, 40, 40)
    total = counts.sum(axis=0)
    assert 30 < total[lumps].sum() < 180
    assert total.sum() - total[lumps].sum() < 0.01 * total.size
    assert np.array_equal(counts, painter(density, cell_size=painter.meta.pixel_size, seed=2))
    assert not np.array_equal(counts, painter(density, cell_size=painter.meta.pixel_size, seed=3))


def test_baryons_of_a_cluster_are_gas_blown_outwards_and_stars_in_the_middle() -> None:
    """3e13 Msun/h in a noisy sea, drawn once."""
    sampler = HaloSampler.load(RELEASED / "halos")
    condition, wider, distance = cluster(sampler.meta.pixel_size, sampler.meta.depth)
    params = np.array(sampler.meta.param_defaults[: len(sampler.frame.param_names)])
    dark, gas, stars = sampler.sample(condition, wider, params, 3e13, seed=3, n=1)[0].astype(float)
    total, middle = dark + gas + stars, distance < 0.3
    defaults = dict(zip(sampler.frame.param_names, params, strict=True))
    cosmic = defaults["omega_b"] / defaults["omega_m"]
    assert min(dark.min(), gas.min(), stars.min()) >= 0
    np.testing.assert_allclose(gas.sum() / total.sum(), cosmic, rtol=0.15)
    assert gas[middle].sum() / total[middle].sum() < 0.6 * cosmic
    assert stars[middle].sum() > 0.6 * stars.sum() > 0
    assert (stars == 0).mean() > 0.9


def cluster(pixel_size: float, depth: float) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Masses a fine pixel around a lump, those of windows 2, 4 and 8 times as wide, and distances from it [Mpc/h]."""
    rng, n = np.random.default_rng(2), 128
    x = (np.arange(n) - (n - 1) / 2) * pixel_size
    distance = np.hypot(x[:, None], x[None, :])
    sea = 0.3 * 2.775e11 * depth * pixel_size**2
    lump = np.where(distance < 1.5, 1 / ((distance + 0.05) * (distance + 0.3) ** 2), 0)
    near = sea * rng.lognormal(-0.8, 0.75, (n, n)) + 3e13 * lump / lump[distance < 0.6].sum()
    wider = [sea * rng.lognormal(-0.7, 0.5, (n, n)) for _ in (2, 4, 8)]
    for window, factor in zip(wider, (2, 4, 8), strict=True):
        inner = slice((n - n // factor) // 2, (n + n // factor) // 2)
        window[inner, inner] = near.reshape(n // factor, factor, n // factor, factor).mean(axis=(1, 3))
    return near.astype(np.float32), np.float32(wider), distance


def test_lenses_have_their_radius_and_their_sources(repository: Path) -> None:
    """Six systems of one smooth lens that nobody learned from, by the network alone, and one of them fitted."""
    machine = Inverter.load(RELEASED / "lenses")
    family = repository / "configs/lenses/foundation.yaml"
    sides = {"n_pixels": machine.n_pixels, "n_source_pixels": machine.n_source, "field": machine.field}
    systems = LensSystems.model_validate({"kind": "lenses", "families": (family,), **sides, "n_test": 6})
    source = LensSource(systems, "test")
    batch = source.read(range(6))
    truth = known(source, range(6), batch, machine.psf_side)
    images, noise, psf = given(batch, machine.psf_side)
    found = machine(images, noise, psf, truth.pixel_size, Effort(n_draws=8))
    error = radii_of(found.lens) / truth.einstein_radius - 1
    assert np.median(np.abs(error)) < 0.05
    assert np.abs(error).max() < 0.2
    lit = batch.targets[:, 0].numpy() > 0.05 * batch.targets[:, 0].numpy().max((1, 2), keepdims=True)
    r = [np.corrcoef(found.source[i][lit[i]], batch.targets[i, 0].numpy()[lit[i]])[0, 1] for i in range(6)]
    assert np.median(r) > 0.4
    one = slice(2, 3)
    fitted = machine(images[one], noise[one], psf[one], truth.pixel_size[one], Effort(n_refine=8, n_draws=0))
    assert 0.85 < fitted.chi2[0] < min(1.2, found.chi2[2])
