"""What sets of cubes are measured by: laws, and numbers known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from learn.fields import baselines
from learn.fields.baselines import GAUSSIAN, LOG_NORMAL, shells
from learn.fields.cube_measures import CubeYardstick, are_peaks
from learn.fields.measures import jumps
from learn.fields.neighbours import likeness, turns
from learn.fields.scores import FUNCTIONS, SCORES, row
from learn.fields.sets import FieldSet
from sim import spectra

Array = NDArray[np.float64]
N, SIDE = 16, 20.0


def gaussian(n: int, rng: np.random.Generator) -> Array:
    """Smooth Gaussian contrasts of standard deviation 0.1, (n, P, P, P)."""
    k = shells((N, N, N))
    made = np.fft.ifftn(np.fft.fftn(rng.normal(size=(n, N, N, N)), axes=(1, 2, 3)) / (1 + k), axes=(1, 2, 3)).real
    return 0.1 * made / made.std()


def universe(n: int = 12, n_cubes: int = 2, *, seed: int = 0, amplitude: float = 1.0) -> FieldSet:
    """Cubes whose P(k) rises as sigma8^2 and whose density is omega_m."""
    rng = np.random.default_rng(seed)
    params = np.random.default_rng(99).uniform([0.2, 0.6], [0.4, 1.0], (n, 2))
    made = [(m * (1 + amplitude * s * gaussian(n_cubes, rng))).astype(np.float32) for m, s in params]
    return FieldSet(tuple(f"box_{i}" for i in range(n)), made, params)


def yardstick(truth: FieldSet) -> CubeYardstick:
    return CubeYardstick.of(truth, box_size=SIDE, n_bins=6, smoothing=1.2)


def scores(own: FieldSet, truth: FieldSet) -> dict:
    told = yardstick(truth)
    return row("samples", told.measure(own), told.measure(truth), truth.params)


def test_a_set_of_cubes_beside_itself_is_perfect() -> None:
    truth = universe()
    found = scores(truth, truth)
    assert set(FUNCTIONS) == {score.name for score in SCORES} == set(found) - {"method"}
    for name in ("mafd", "worst", "variance", "scatter", "pdf", "peaks", "minkowski", "bispectrum", "response"):
        assert found[name] == {"value": 0.0, "standard_error": 0.0}, name


def test_more_power_in_space_is_seen_by_as_much_as_it_is_more() -> None:
    truth, louder = universe(), universe(amplitude=np.sqrt(1.1))
    found = scores(louder, truth)
    np.testing.assert_allclose(found["mafd"]["value"], 0.1, atol=1e-3)
    np.testing.assert_allclose(found["variance"]["value"], 0.21, atol=3e-3)
    assert found["pdf"]["value"] > 3e-4
    assert found["peaks"]["value"] > 0
    assert found["minkowski"]["value"] > 0


def test_the_power_is_that_of_the_simulations_in_space() -> None:
    told, cubes = yardstick(universe()), universe().fields[0]
    found = told.powers(cubes)
    for cube, power in zip(cubes, found, strict=True):
        measured = spectra.power(cube, SIDE, edges=np.array(told.shells.edges))
        np.testing.assert_allclose(power, measured.pk, rtol=1e-4)
        np.testing.assert_allclose(told.axes["power"], measured.k, rtol=1e-6)


def test_cubes_that_only_project_alike_are_told_apart() -> None:
    """A cube whose cells are shuffled along one line of sight keeps that projection and loses its structure."""
    truth, rng = universe(), np.random.default_rng(3)
    shuffled = replace(truth, fields=[rng.permuted(cubes, axis=3) for cubes in truth.fields])
    for cubes, others in zip(truth.fields, shuffled.fields, strict=True):
        np.testing.assert_allclose(cubes.mean(3), others.mean(3), rtol=1e-5)
    assert scores(shuffled, truth)["mafd"]["value"] > 0.3


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_a_tear_across_any_border_of_a_cube_is_found(axis: int) -> None:
    cubes = universe(n=1, n_cubes=40).fields[0]
    across, inside = jumps(cubes)
    np.testing.assert_allclose(across / inside, 1, atol=0.03)
    slope = np.linspace(0, 0.1, N, dtype=np.float32).reshape([-1 if i == axis else 1 for i in range(4)])
    across, inside = jumps(cubes + slope)
    assert across / inside > 1.2


def test_a_peak_of_a_cube_is_above_all_its_neighbours_on_the_torus() -> None:
    cubes = np.zeros((1, 6, 6, 6))
    cubes[0, 0, 0, 0], cubes[0, 5, 5, 5], cubes[0, 2, 2, 2], cubes[0, 3, 3, 3], cubes[0, 2, 4, 0] = 3, 2, 1, 2, 1
    assert np.argwhere(are_peaks(cubes)[0]).tolist() == [[0, 0, 0], [2, 4, 0], [3, 3, 3]]


@pytest.mark.parametrize(
    "moved",
    [
        lambda cube: np.roll(cube, (3, -5, 7), (0, 1, 2)),
        lambda cube: cube.transpose(2, 0, 1)[::-1],
        lambda cube: 3 * np.roll(cube.transpose(1, 0, 2)[:, :, ::-1], 4, 2),
    ],
)
def test_a_copy_of_a_cube_is_found_wherever_it_was_moved_to(moved: Callable[[Array], Array]) -> None:
    library = universe(n=3).every()
    stranger = universe(n=1, n_cubes=1, seed=50).every()[0]
    found = likeness(np.stack([moved(library[4]), stranger]), library)
    np.testing.assert_allclose(found[0], 1, atol=1e-5)
    assert found[1] < 0.8


def test_a_square_has_8_symmetries_and_a_cube_48() -> None:
    for n_dims, expected in ((2, 8), (3, 48)):
        one = np.random.default_rng(0).normal(size=(4,) * n_dims)
        assert len({turned.tobytes() for turned in turns(one)}) == expected


def test_baselines_of_cubes_have_their_power_and_their_density() -> None:
    training, truth = universe(n=60, seed=1), universe(n=24, n_cubes=4, seed=2)
    made = baselines.made(training, truth, seed=0)
    for name in (GAUSSIAN, LOG_NORMAL):
        assert made[name].fields[0].shape == truth.fields[0].shape
        found = scores(made[name], truth)
        assert found["mafd"]["value"] < 0.1, name
        assert abs(found["density"]["value"]) < 0.005


def test_cubes_without_mass_or_structure_are_refused() -> None:
    params = np.ones((1, 2))
    for value, words in ((0.0, "expected mass"), (1.0, "expected structure")):
        with pytest.raises(RuntimeError, match=words):
            yardstick(FieldSet(("a",), [np.full((1, N, N, N), value, np.float32)], params))
