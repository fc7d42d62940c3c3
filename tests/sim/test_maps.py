"""Projection: laws of mass, translation, reflection and slabs, and a plain numpy oracle."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.maps import _deposit, project

BOX = 16.0
N = 8
PIXEL = BOX / N


@pytest.fixture(scope="module")
def pos() -> NDArray[np.float32]:
    """Positions on a grid of 2^-10 pixels, so that shifts and reflections are exact in float32."""
    cells = np.random.default_rng(3).integers(0, 1024 * N, (5000, 3))
    return (cells * (PIXEL / 1024)).astype(np.float32)


@pytest.fixture(scope="module")
def mass(pos: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.random.default_rng(4).lognormal(23, 1, len(pos)).astype(np.float32)


@pytest.mark.parametrize("assignment", ["ngp", "cic", "tsc"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mass_is_conserved(pos: Any, mass: Any, axis: int, assignment: Any) -> None:
    image = project(pos, mass, BOX, N, axis, assignment=assignment)
    total = image.sum(dtype=np.float64) * PIXEL**2
    np.testing.assert_allclose(total, mass.sum(dtype=np.float64), rtol=1e-7, atol=0)


def test_a_particle_at_a_pixel_centre_fills_that_pixel() -> None:
    image = project(np.array([[5.0, 3.0, 11.0]], np.float32), 8.0, BOX, N, 1)
    expected = np.zeros((N, N))
    expected[2, 5] = 8.0 / PIXEL**2
    np.testing.assert_array_equal(image, expected)


def test_weights_of_one_particle() -> None:
    image = project(np.array([[0.5, 1.5, 7.0]], np.float32), 1.0, BOX, N, 2) * PIXEL**2
    np.testing.assert_allclose([image[0, 0], image[0, 1], image[-1, 0], image[-1, 1]], np.array([9, 3, 3, 1]) / 16)
    assert np.count_nonzero(image) == 4
    tsc = project(np.array([[0.5, 1.0, 7.0]], np.float32), 1.0, BOX, N, 2, assignment="tsc") * PIXEL**2
    across = np.array([0.5 * 0.75**2, 0.75 - 0.25**2, 0.5 * 0.25**2])
    np.testing.assert_allclose(tsc[[-1, 0, 1], 0], across * 0.75, rtol=1e-6)


@pytest.mark.parametrize("assignment", ["ngp", "cic", "tsc"])
def test_plain_numpy_agrees(pos: Any, mass: Any, assignment: Any) -> None:
    reach = {"ngp": 0.5, "cic": 1.0, "tsc": 1.5}[assignment]
    centers = np.arange(N) + 0.5
    distance = [np.abs((pos[:, axis, None] / PIXEL - centers + N / 2) % N - N / 2) for axis in (0, 2)]
    kernel = {
        "ngp": lambda d: ((d < 0.5) | (d == 0.5)) * 1.0,
        "cic": lambda d: 1 - d,
        "tsc": lambda d: np.where(d < 0.5, 0.75 - d**2, 0.5 * (1.5 - d) ** 2),
    }[assignment]
    rows, columns = (np.where(d <= reach, kernel(d), 0) for d in distance)
    if assignment == "ngp":
        rows, columns = (np.eye(N)[(pos[:, axis] / PIXEL).astype(int)] for axis in (0, 2))
    expected = np.einsum("p,pi,pj->ij", mass.astype(float), rows, columns) / PIXEL**2
    np.testing.assert_allclose(project(pos, mass, BOX, N, 1, assignment=assignment), expected, rtol=1e-6)


def test_the_kernel_agrees_with_its_own_python(pos: Any, mass: Any) -> None:
    compiled, plain = np.zeros((2, N, N))
    arguments = (pos[:200], mass[:200].astype(np.float64), BOX, 0, 3.0, 20.0, 2)
    _deposit(compiled, *arguments)
    _deposit.py_func(plain, *arguments)
    np.testing.assert_array_equal(compiled, plain)


def test_shift_by_pixels_is_a_roll(pos: Any, mass: Any) -> None:
    image = project(pos, mass, BOX, N, 2)
    shift = np.array([3 * PIXEL, 6 * PIXEL, 1.0], np.float32)
    np.testing.assert_allclose(project((pos + shift) % BOX, mass, BOX, N, 2), np.roll(image, (3, 6), (0, 1)), rtol=1e-6)


def test_reflections_commute(pos: Any, mass: Any) -> None:
    image = project(pos, mass, BOX, N, 0)
    flipped = pos.copy()
    flipped[:, 1] = (BOX - pos[:, 1]) % BOX
    np.testing.assert_allclose(project(flipped, mass, BOX, N, 0), image[::-1], rtol=1e-6)
    flipped[:, 2] = (BOX - pos[:, 2]) % BOX
    np.testing.assert_allclose(project(flipped, mass, BOX, N, 0), image[::-1, ::-1], rtol=1e-6)


def test_swapped_axes_transpose(pos: Any, mass: Any) -> None:
    image = project(pos, mass, BOX, N, 2)
    np.testing.assert_array_equal(project(pos[:, [1, 0, 2]], mass, BOX, N, 2), image.T)
    np.testing.assert_array_equal(project(pos[:, [2, 0, 1]], mass, BOX, N, 0), image)


def test_slabs_add_up(pos: Any, mass: Any) -> None:
    edges = np.linspace(0, BOX, 4).tolist()
    slabs = [project(pos, mass, BOX, N, 1, slab=slab) for slab in pairwise(edges)]
    np.testing.assert_allclose(sum(slabs), project(pos, mass, BOX, N, 1), rtol=1e-6)
    halves = [project(pos, mass, BOX, N, 1, slab=slab) for slab in ((-3.0, 4.0), (4.0, 13.0))]
    np.testing.assert_allclose(sum(halves), project(pos, mass, BOX, N, 1), rtol=1e-6)


def test_a_slab_may_cross_the_edge() -> None:
    pos = np.array([[15.5, 3, 3], [0.25, 3, 3], [1.0, 3, 3], [8.0, 3, 3]], np.float32)
    for slab in ((15.0, 17.0), (-1.0, 1.0)):
        assert project(pos, 1.0, BOX, N, 0, slab=slab).sum() * PIXEL**2 == 2


def test_one_mass_for_all_equals_many(pos: Any) -> None:
    np.testing.assert_array_equal(project(pos, 2.5, BOX, N, 2), project(pos, np.full(len(pos), 2.5), BOX, N, 2))
    assert project(pos[:0], 2.5, BOX, N, 2).sum() == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pos": np.zeros((4, 2))}, r"pos of shape \(n, 3\), got \(4, 2\)"),
        ({"mass": np.zeros(3)}, r"mass a number or of shape \(4,\), got \(3,\)"),
        ({"axis": 3}, "axis 0, 1 or 2, got 3"),
        ({"n_pixels": 0}, "n_pixels >= 1, got 0"),
        ({"assignment": "pcs"}, "assignment of ngp, cic, tsc, got 'pcs'"),
        ({"slab": (3.0, 2.0)}, "slab: expected low < high"),
        ({"slab": (0.0, 17.0)}, "no deeper than the box of 16.0"),
        ({"pos": np.full((4, 3), np.nan)}, r"positions in \[0, 16.0\] Mpc/h, got nan"),
        ({"pos": np.full((4, 3), 1600.0)}, "got 1600.0 to 1600.0"),
        ({"mass": np.array([1, 1, np.inf, 1])}, "finite masses"),
    ],
)
def test_nonsense_is_refused(change: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {"pos": np.ones((4, 3)), "mass": 1.0, "box_size": BOX, "n_pixels": N, "axis": 0}
    with pytest.raises(ValueError, match=words):
        project(**(good | change))
