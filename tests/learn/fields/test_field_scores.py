"""What sets of fields are measured by: laws, and numbers known beforehand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from learn.fields import baselines
from learn.fields.baselines import GAUSSIAN, LOG_NORMAL, TRAINING, Spectrum, shell_power
from learn.fields.fit import ParameterFit, slopes
from learn.fields.measures import Yardstick, jumps
from learn.fields.neighbours import likeness
from learn.fields.scores import FUNCTIONS, GOALS, SCORES, floor, own_row, row, thirds
from learn.fields.sets import FieldSet, projected
from learn.scores.geometry import Geometry
from learn.scores.shells import Shells
from sim.spectra import log_edges

Array = NDArray[np.float64]
N, SIDE = 32, 16.0


def gaussian(n: int, rng: np.random.Generator, slope: float = 1.0) -> Array:
    """Smooth Gaussian contrasts of standard deviation 0.1, (n, P, P)."""
    k = np.hypot(np.fft.fftfreq(N, 1 / N)[:, None], np.fft.fftfreq(N, 1 / N)[None])
    field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(n, N, N))) / (1 + k**slope)).real
    return 0.1 * field / field.std()


def universe(n: int = 24, n_maps: int = 4, *, seed: int = 0, amplitude: float = 1.0) -> FieldSet:
    """Fields whose P(k) rises as sigma8^2 and whose density is omega_m."""
    rng = np.random.default_rng(seed)
    params = np.random.default_rng(99).uniform([0.2, 0.6], [0.4, 1.0], (n, 2))
    maps = [
        (omega_m * (1 + amplitude * sigma8 * gaussian(n_maps, rng))).astype(np.float32) for omega_m, sigma8 in params
    ]
    return FieldSet(tuple(f"box_{i}" for i in range(n)), maps, params)


def yardstick(truth: FieldSet) -> Yardstick:
    geometry = Geometry(N, SIDE / N)
    return Yardstick.of(truth, geometry, Shells(geometry, tuple(log_edges(SIDE, N, 8))), smoothing=0.7)


def scores(own: FieldSet, truth: FieldSet) -> dict:
    told = yardstick(truth)
    return row("samples", told.measure(own), told.measure(truth), truth.params)


def test_a_set_beside_itself_is_perfect() -> None:
    truth = universe()
    found = scores(truth, truth)
    assert set(FUNCTIONS) == {score.name for score in SCORES} == set(found) - {"method"}
    for name in ("mafd", "worst", "variance", "scatter", "pdf", "peaks", "minkowski", "bispectrum", "response"):
        assert found[name] == {"value": 0.0, "standard_error": 0.0}, name
    assert found["density"]["value"] == 0
    assert all(goal.outcome(found)["is_reached"] is not None for goal in GOALS)
    told = own_row("held", yardstick(truth).measure(truth), truth.params)
    assert told["mafd"] is None
    assert told["periodicity"]["value"] == pytest.approx(found["periodicity"]["value"])


def test_more_power_is_seen_by_as_much_as_it_is_more() -> None:
    truth, louder = universe(), universe(amplitude=np.sqrt(1.1))
    found = scores(louder, truth)
    np.testing.assert_allclose(found["mafd"]["value"], 0.1, atol=1e-3)
    np.testing.assert_allclose(found["worst"]["value"], 0.1, atol=1e-3)
    np.testing.assert_allclose(found["variance"]["value"], 0.21, atol=3e-3)
    np.testing.assert_allclose(found["scatter"]["value"], 0.0, atol=0.02)
    assert found["pdf"]["value"] > 3e-4
    assert found["response"]["value"] < 1e-3


def test_a_perfect_generator_is_off_by_chance_alone() -> None:
    truth = universe(n=60)
    told = yardstick(truth)
    measured = told.measure(truth)
    expected = floor(measured, truth.params, 240, 240)
    found = [
        FUNCTIONS["mafd"](told.measure(universe(n=60, seed=seed)), measured, truth.params) for seed in (1, 2, 3, 4)
    ]
    assert 0.6 * expected < np.mean(found) < 1.5 * expected


def test_less_scatter_at_fixed_parameters_is_not_hidden_by_that_of_the_parameters() -> None:
    truth = universe(n=60)
    same = replace(truth, fields=[np.tile(one[:1], (4, 1, 1)) for one in truth.fields])
    mean = np.mean([one / one.mean() - 1 for one in universe(n=1, n_maps=4, seed=3).fields[0]], axis=0)
    params = truth.params
    frozen = [((1 + mean * s) * m)[None].repeat(4, 0).astype(np.float32) for m, s in params]
    found = scores(replace(truth, fields=frozen), truth)
    assert found["scatter"]["value"] > 0.9
    assert scores(same, truth)["mafd"]["value"] < 0.2


def test_slopes_are_powers_of_the_parameters() -> None:
    truth = universe(n=60)
    found = slopes(truth.params, yardstick(truth).measure(truth)["log_power"])
    np.testing.assert_allclose(found[1].mean(), 2.0, atol=0.25)
    np.testing.assert_allclose(found[0].mean(), 0.0, atol=0.25)
    exact = slopes(truth.params, np.log(truth.params[:, :1] ** 3 / truth.params[:, 1:]))
    np.testing.assert_allclose(exact[:, 0], [3, -1], rtol=1e-9)
    assert np.isnan(slopes(np.array([[0.0, 1.0], [1.0, 1.0]]), np.ones((2, 1)))).all()


def test_an_error_at_one_end_of_a_parameter_is_found_there() -> None:
    truth = universe(n=18)
    told, clumpy = yardstick(truth), truth.params[:, 1] > np.sort(truth.params[:, 1])[11]
    maps = [
        one.mean() + (one - one.mean()) * (1.2 if more else 1) for one, more in zip(truth.fields, clumpy, strict=True)
    ]
    found = thirds(told.measure(replace(truth, fields=maps)), told.measure(truth), truth.params[:, 1])
    np.testing.assert_allclose([one["mafd"] for one in found], [0, 0, 0.44], atol=3e-3)
    np.testing.assert_allclose(found[2]["ratio"], 1.44, rtol=3e-3)
    ends = np.sort(truth.params[:, 1])
    assert [(one["low"], one["high"]) for one in found] == [
        (ends[0], ends[5]),
        (ends[6], ends[11]),
        (ends[12], ends[17]),
    ]


def test_a_fit_follows_parabolas_where_there_are_enough_simulations() -> None:
    params = np.random.default_rng(0).uniform(1, 2, (30, 2))
    values = (1 + params[:, :1] - 3 * params[:, 1:] ** 2) * np.ones(4)
    np.testing.assert_allclose(ParameterFit.of(params, values)(params), values, rtol=1e-9)
    few = ParameterFit.of(params[:2], values[:2])
    assert few.n_powers == 0
    np.testing.assert_allclose(few(params), np.tile(values[:2].mean(0), (30, 1)))
    constant = np.column_stack([params[:, 0], np.full(30, 0.3)])
    assert np.isfinite(ParameterFit.of(constant, values)(constant)).all()


def test_borders_of_a_torus_are_like_any_other_place() -> None:
    maps = universe(n=1, n_maps=400).fields[0]
    across, inside = jumps(maps)
    np.testing.assert_allclose(across / inside, 1, atol=0.02)
    torn = maps + np.linspace(0, 0.1, N, dtype=np.float32)
    across, inside = jumps(torn)
    assert across / inside > 1.5


def test_a_copy_is_found_wherever_it_was_moved_to() -> None:
    library = universe(n=5, n_maps=3).every()
    copy = np.roll(np.rot90(library[7, :, ::-1]), (5, -9), (0, 1)) * 3
    stranger = universe(n=1, n_maps=1, seed=50).every()[0]
    found = likeness(np.stack([copy, stranger]), library)
    np.testing.assert_allclose(found[0], 1, atol=1e-5)
    assert found[1] < 0.8


def test_baselines_have_the_power_and_the_density_of_their_parameters_and_no_more() -> None:
    training, truth = universe(n=80, seed=1), universe(n=40, n_maps=16, seed=2)
    made = baselines.made(training, truth, seed=0)
    for name in (GAUSSIAN, LOG_NORMAL):
        found = scores(made[name], truth)
        assert found["mafd"]["value"] < 0.1, name
        assert abs(found["density"]["value"]) < 0.005
        assert made[name].every().min() > 0
    assert scores(made[TRAINING], truth)["response"]["value"] > 0.5
    assert {one.tobytes() for one in made[TRAINING].every()} <= {one.tobytes() for one in training.every()}
    np.testing.assert_array_equal(baselines.made(training, truth, seed=0)[GAUSSIAN].every(), made[GAUSSIAN].every())


def test_log_normal_fields_of_strong_contrast_have_the_power_that_was_asked() -> None:
    power = np.zeros((N, N))
    k = np.hypot(np.fft.fftfreq(N, 1 / N)[:, None], np.fft.fftfreq(N, 1 / N)[None])
    power[k > 0] = 6 / k[k > 0] ** 1.5
    made = 1 + baselines.log_normal(power, 3000, np.random.default_rng(0))
    assert made.min() > 0
    np.testing.assert_allclose(made.mean(), 1, atol=0.02)
    by_shell = shell_power(made.astype(np.float32))
    expected = shell_power(1 + 0.02 * baselines.gaussian(power, 3000, np.random.default_rng(1))) / 0.02**2
    np.testing.assert_allclose(by_shell[:12], expected[:12], rtol=0.12)


def test_a_spectrum_is_that_of_the_training_fields() -> None:
    training = universe(n=60, n_maps=8)
    spectrum = Spectrum.of(training)
    maps = training.fields[0]
    expected, found = shell_power(maps), spectrum.power(training.params[0], (N, N))
    np.testing.assert_allclose(found[0, 1:12], expected[:11], rtol=0.6)
    np.testing.assert_allclose(found[0, 5:12].mean(), expected[4:11].mean(), rtol=0.15)
    assert found[0, 0] == 0


def test_cubes_are_seen_along_their_axes() -> None:
    cube = np.arange(2 * 4**3, dtype=np.float32).reshape(2, 4, 4, 4)
    maps = projected(cube)
    assert maps.shape == (6, 4, 4)
    np.testing.assert_allclose(maps[0], cube[0].mean(0))
    np.testing.assert_allclose(maps[5], cube[1].mean(2))


def test_a_gaussian_field_of_strong_contrast_keeps_its_power_and_is_below_zero_somewhere() -> None:
    loud = universe(n=40, amplitude=9.0)
    positive = replace(loud, fields=[np.exp(one / one.mean()).astype(np.float32) for one in loud.fields])
    made = baselines.made(positive, positive, seed=0)
    found = scores(made[GAUSSIAN], positive)
    assert found["mafd"]["value"] < 0.2
    assert found["empty"]["value"] > 0.01
    assert scores(made[LOG_NORMAL], positive)["empty"]["value"] == 0
    assert all(np.isfinite(one["value"]) for one in found.values() if isinstance(one, dict))
