from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from learn import baselines
from learn.scores import spectra
from learn.scores.geometry import Geometry
from learn.scores.shells import Shells
from learn.scores.views import Reference, Views

BOX_SIZE = 32.0
N = 32
NAMES = ["omega_m", "omega_b"]
CHANNELS = ["total", "gas", "stars"]


@dataclass(frozen=True)
class Simulation:
    inputs: NDArray
    targets: NDArray
    params: NDArray


def simulation(seed: int) -> Simulation:
    """Maps whose gas is a smoothed and whose stars are a steep, noisy function of the input."""
    rng = np.random.default_rng(seed)
    wave = np.hypot(np.fft.fftfreq(N, 1 / N)[:, None], np.arange(N // 2 + 1)[None])
    modes = np.fft.rfft2(rng.normal(size=(2, N, N))) / np.maximum(wave, 1)
    dmo = 1e11 * np.exp(3 * np.fft.irfft2(modes, s=(N, N)))
    gas = 1.6e10 * np.exp(3 * np.fft.irfft2(modes * np.exp(-(wave**2) / 50), s=(N, N)))
    stars = 0.01 * dmo**2 / 1e11 * np.exp(0.2 * rng.normal(size=dmo.shape))
    params = np.tile([0.3, 0.048], (2, 1))
    return Simulation(dmo[:, None], np.stack([0.9 * dmo + 0.5 * gas, gas, stars], axis=1), params)


TRAINING = [simulation(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def fitted() -> dict[str, baselines.Baseline]:
    return {baseline.name: baseline for baseline in baselines.fit(TRAINING, NAMES, CHANNELS)}


def compared(painter: baselines.Baseline, maps: Simulation) -> spectra.Comparison:
    edges = 2 * np.pi / BOX_SIZE * (np.arange(1, N // 2 + 2) - 0.5)
    painted = painter(maps.inputs[:, 0], maps.params)
    geometry = Geometry(N, BOX_SIZE / N)
    reference = Reference.of(maps.targets, geometry, smoothing=1.0)
    views = (Views(one, reference) for one in (painted, maps.targets))
    return spectra.compare(*views, maps.inputs[:, 0], Shells(geometry, tuple(edges)))


def test_identity_is_perfect_where_baryons_do_nothing(fitted: dict[str, baselines.Baseline]) -> None:
    dmo = TRAINING[0].inputs
    nothing = Simulation(dmo, np.concatenate([dmo, 0.16 * dmo, 0.01 * dmo], axis=1), TRAINING[0].params)
    comparison = compared(fitted["identity"], nothing)
    np.testing.assert_allclose(comparison.ratio, 1, rtol=1e-10)
    np.testing.assert_allclose(comparison.correlation, 1, rtol=1e-10)
    np.testing.assert_allclose(comparison.mass[:, :2], 1, rtol=1e-10)


def test_identity_has_the_stellar_mass_of_the_training_split(fitted: dict[str, baselines.Baseline]) -> None:
    painted = sum(fitted["identity"](maps.inputs[:, 0], maps.params)[:, 2].sum() for maps in TRAINING)
    assert painted == pytest.approx(sum(maps.targets[:, 2].sum() for maps in TRAINING))


def test_blank_is_uniform_with_the_mean_of_the_training_split(fitted: dict[str, baselines.Baseline]) -> None:
    painted = fitted["blank"](TRAINING[0].inputs[:, 0], TRAINING[0].params)
    expected = np.mean([maps.targets for maps in TRAINING], axis=(0, 1, 3, 4))
    np.testing.assert_allclose(painted, np.broadcast_to(expected[:, None, None], painted.shape), rtol=1e-12)


def test_amplitude_filter_has_the_mean_power_of_its_training_split(fitted: dict[str, baselines.Baseline]) -> None:
    comparison = spectra.join([compared(fitted["amplitude filter"], maps) for maps in TRAINING])
    np.testing.assert_allclose(comparison.painted.mean(axis=0), comparison.truth.mean(axis=0), rtol=1e-9)
    identity = spectra.join([compared(fitted["identity"], maps) for maps in TRAINING])
    assert np.abs(identity.ratio[:, 2].mean() - 1) > 0.1


def test_amplitude_filter_keeps_the_phases_of_its_input(fitted: dict[str, baselines.Baseline]) -> None:
    dmo = TRAINING[1].inputs[:1, 0]
    painted = fitted["amplitude filter"](dmo, TRAINING[1].params[:1])[0, 0]
    one, other = (np.fft.fft2(field)[1:8, 1:8] for field in (dmo[0], painted))
    np.testing.assert_allclose(np.angle(one * other.conj()), 0, atol=1e-8)


def test_lookup_reproduces_a_map_that_depends_on_the_pixel_alone() -> None:
    def local(maps: Simulation) -> Simulation:
        dmo = maps.inputs / maps.inputs.mean(axis=(2, 3), keepdims=True)
        return Simulation(dmo, np.concatenate([dmo, dmo**1.5, 0.1 + 0.02 * dmo], axis=1), maps.params)

    lookup = baselines.fit([local(maps) for maps in TRAINING], NAMES, CHANNELS)[3]
    assert lookup.name == "pixel lookup"
    for maps in map(local, TRAINING):
        error = np.abs(lookup(maps.inputs[:, 0], maps.params) / maps.targets - 1)
        assert np.quantile(error, 0.99) < 0.01


def test_maps_without_stars_add_no_stellar_power() -> None:
    empty = Simulation(TRAINING[0].inputs, TRAINING[0].targets * [[[[1.0]], [[1.0]], [[0.0]]]], TRAINING[0].params)
    transfer = baselines.fit([TRAINING[1], empty], NAMES, CHANNELS)[2].transfer
    assert np.all(np.isfinite(transfer))
    np.testing.assert_array_less(transfer[2, 1:], baselines.fit([TRAINING[1]], NAMES, CHANNELS)[2].transfer[2, 1:])


def test_an_empty_training_split_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one training simulation"):
        baselines.fit([], NAMES, CHANNELS)


def test_without_omega_b_gas_has_its_share_of_the_training_mass() -> None:
    identity = baselines.fit(TRAINING, ["omega_m", "sigma8"], CHANNELS)[0]
    painted, true = (
        sum(f(maps)[:, 1].sum() for maps in TRAINING)
        for f in (lambda maps: identity(maps.inputs[:, 0], maps.params), lambda maps: maps.targets)
    )
    assert painted == pytest.approx(true)


def test_channels_may_be_fewer() -> None:
    alone = [Simulation(maps.inputs, maps.targets[:, :1], maps.params) for maps in TRAINING]
    for baseline in baselines.fit(alone, NAMES, ["total"]):
        assert baseline(alone[0].inputs[:, 0], alone[0].params).shape == alone[0].targets.shape
