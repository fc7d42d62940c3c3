"""Cutouts: brute force over 125 images, no lost column, mass, roll, threads, cubes, refusals."""

from __future__ import annotations

from itertools import product

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from sim import profiles, rotations
from sim.blocks import Blocks
from sim.cutouts import Windows, cutouts
from sim.units import RHO_CRITICAL

Array = NDArray[np.float64]
BOX = 50.0
CENTER = np.array([3.0, 47.0, 21.0])
TURN = rotations.named("turn", 0)
STRAIGHT = np.eye(3)


def scattered(n: int, seed: int = 1) -> NDArray[np.float32]:
    """Particles that cluster, and lie on every border of the box."""
    rng = np.random.default_rng(seed)
    clumps = rng.uniform(0, BOX, (20, 3))[rng.integers(20, size=n // 2)] + rng.normal(0, 1.5, (n // 2, 3))
    return np.mod(np.concatenate([clumps, rng.uniform(0, BOX, (n - n // 2, 3))]), BOX).astype(np.float32)


def images(pos: NDArray[np.float32], depth: float = BOX, turn: Array = TURN) -> tuple[Array, NDArray[np.int64]]:
    """Turned offsets from the centre (k, 3) and particles (k,) of the images in the cube: all 125 translations."""
    inside, which = [], []
    for shift in product(range(-2, 3), repeat=3):
        offset = (pos.astype(float) - CENTER + BOX * np.array(shift)) @ turn.T
        keep = np.flatnonzero((abs(offset[:, :2]) < BOX / 2).all(axis=1) & (abs(offset[:, 2]) < depth / 2))
        inside.append(offset[keep])
        which.append(keep)
    return np.concatenate(inside), np.concatenate(which)


def fine_map(offset: Array, mass: Array, n_fine: int, *, dims: int = 2) -> Array:
    """Cloud-in-cell on a periodic grid over the cube, in plain numpy."""
    grid = np.zeros((n_fine,) * dims)
    u = (offset[:, :dims] / BOX + 0.5) * n_fine - 0.5
    low = np.floor(u).astype(int)
    for corner in product((0, 1), repeat=dims):
        share = np.prod(np.where(corner, u - low, 1 - (u - low)), axis=1)
        np.add.at(grid, tuple(((low + corner) % n_fine).T), share * mass)
    return grid


def averaged(grid: Array, windows: Windows) -> list[Array]:
    """The central part of the fine grid that each window shows, averaged over squares or cubes."""
    maps, n, dims = [], windows.n_pixels, grid.ndim
    for factor in windows.factors:
        start = (len(grid) - n * factor) // 2
        part = grid[(slice(start, start + n * factor),) * dims]
        shape = [size for _ in range(dims) for size in (n, factor)]
        maps.append(part.reshape(shape).mean(axis=tuple(range(1, 2 * dims, 2))))
    return maps


@pytest.mark.parametrize("depth", [None, 12.0])
@pytest.mark.parametrize("turn", [TURN, rotations.AXES[0], STRAIGHT], ids=["turned", "axis", "straight"])
def test_a_cutout_holds_exactly_the_images_that_brute_force_finds(turn: Array, depth: float | None) -> None:
    pos = scattered(20_000)
    mass = np.random.default_rng(2).uniform(1, 2, len(pos)).astype(np.float32)
    windows = Windows((6.25, 12.5, 25.0, 50.0), 16, BOX, depth)
    offset, which = images(pos, depth or BOX, turn)
    expected = averaged(fine_map(offset, mass[which], 128), windows)
    got = cutouts(Blocks.of(pos, mass, BOX), CENTER, turn, windows)[0]
    assert got.shape == (4, 16, 16)
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4 * theirs.max())
    np.testing.assert_allclose(got[-1].sum(dtype=float) * 64, mass[which].sum(dtype=float), rtol=1e-6)


def test_windows_narrower_than_the_box_see_the_clouds_across_their_border() -> None:
    pos = scattered(20_000)
    windows = Windows((5.0, 20.0), 10, BOX)
    offset, _ = images(pos)
    expected = averaged(fine_map(offset, np.ones(len(offset)), 100), windows)
    for ours, theirs in zip(cutouts(Blocks.of(pos, 1.0, BOX), CENTER, TURN, windows)[0], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_cubes_are_what_brute_force_finds_too() -> None:
    pos = scattered(20_000)
    windows = Windows((12.5, 25.0, 50.0), 8, BOX, n_dims=3)
    offset, _ = images(pos)
    expected = averaged(fine_map(offset, np.ones(len(offset)), 32, dims=3), windows)
    got = cutouts(Blocks.of(pos, 1.0, BOX), CENTER, TURN, windows)[0]
    assert got.shape == (3, 8, 8, 8)
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4)


def test_of_a_uniform_box_no_column_of_a_turned_cutout_is_empty_or_low() -> None:
    """A jittered lattice, nearly a glass: copies of faces alone leave the worst column 22 % low (SCIENCE)."""
    n = 96
    cells = np.indices((n, n, n)).reshape(3, -1).T
    pos = ((cells + np.random.default_rng(3).uniform(0, 1, cells.shape)) * (BOX / n)).astype(np.float32)
    blocks, windows = Blocks.of(np.mod(pos, np.float32(BOX)), 1.0, BOX), Windows((12.5, 50.0), 16, BOX)
    turns = np.array([rotations.named("glass", i) for i in range(4)])
    for got in cutouts(blocks, np.tile(CENTER, (4, 1)), turns, windows):
        mean = len(pos) / 64**2
        np.testing.assert_allclose(got[1], mean, rtol=0.03)
        np.testing.assert_allclose(got[0].mean(), mean, rtol=0.02)


def test_without_rotation_the_mass_is_that_of_the_box() -> None:
    pos = scattered(50_000)
    mass = np.random.default_rng(2).uniform(1e9, 1e12, len(pos)).astype(np.float32)
    windows = Windows((12.5, 25.0, 50.0), 128, BOX)
    for turn in (STRAIGHT, *rotations.AXES):
        widest = cutouts(Blocks.of(pos, mass, BOX), CENTER, turn, windows)[0, -1]
        np.testing.assert_allclose(widest.sum(dtype=float) * 16, mass.sum(dtype=float), rtol=3e-8)


def test_a_cutout_of_a_rolled_box_is_the_cutout() -> None:
    pos = np.round(scattered(30_000) * 1024) / 1024
    roll = np.array([13.25, 40.5, 7.125])
    rolled = np.mod(pos + roll, BOX).astype(np.float32)
    windows = Windows((6.25, 12.5, 25.0, 50.0), 32, BOX)
    got = cutouts(Blocks.of(rolled, 1.0, BOX), np.mod(CENTER + roll, BOX), TURN, windows)
    expected = cutouts(Blocks.of(pos.astype(np.float32), 1.0, BOX), CENTER, TURN, windows)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_turning_the_cutout_by_a_quarter_turns_the_map() -> None:
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    blocks, windows = Blocks.of(scattered(20_000), 1.0, BOX), Windows((6.25, 12.5), 32, BOX)
    first, second = cutouts(blocks, np.tile(CENTER, (2, 1)), np.array([TURN, quarter @ TURN]), windows)
    np.testing.assert_allclose(second, np.flip(first.swapaxes(1, 2), axis=1), rtol=1e-3, atol=1e-3)


def test_a_batch_has_the_bits_of_its_members_on_any_number_of_threads() -> None:
    blocks, windows = Blocks.of(scattered(20_000), 1.0, BOX), Windows((6.25, 50.0), 32, BOX)
    centers = np.random.default_rng(4).uniform(0, BOX, (6, 3))
    turns = np.array([rotations.named("batch", i) for i in range(6)])
    together = cutouts(blocks, centers, turns, windows)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        alone = [cutouts(blocks, center, turn, windows)[0] for center, turn in zip(centers, turns, strict=True)]
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(together, np.array(alone))


def test_an_isolated_nfw_halo_has_its_projected_profile() -> None:
    """Mass within projected radii over the exact integral along the line of sight (Wright & Brainerd 2000)."""
    n, c, m200c = 1_000_000, 6.0, 1e14
    radius = (3 * m200c / (800 * np.pi * RHO_CRITICAL)) ** (1 / 3)
    rng = np.random.default_rng(5)
    way = rng.standard_normal((n, 3))
    r = profiles.nfw_radius((np.arange(n) + 0.5) / n, c) * radius
    pos = np.mod(CENTER + r[:, None] * way / np.linalg.norm(way, axis=1, keepdims=True), BOX).astype(np.float32)
    windows = Windows((6.25,), 256, BOX)
    got = cutouts(Blocks.of(pos, m200c / n, BOX), CENTER, TURN, windows)[0, 0].astype(float)
    edge = (np.arange(256) + 0.5) * windows.pixel_size - 3.125
    distance = np.hypot(*np.meshgrid(edge, edge)) / radius
    for x in (0.3, 0.5, 0.8):
        # A sphere's mass in a cylinder: shells of radius s > x contribute 1 - sqrt(1 - x^2/s^2).
        s = np.linspace(1e-4, 1, 20_001)
        shells = np.diff(profiles.nfw_enclosed(s, c))
        s = (s[1:] + s[:-1]) / 2
        expected = (shells * np.where(s < x, 1, 1 - np.sqrt(1 - np.minimum(x / s, 1) ** 2))).sum()
        assert got[distance < x].sum() / m200c == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scales": (6.25, 13.0)}, "multiples of the first"),
        ({"scales": (12.5, 6.25)}, "multiples of the first"),
        ({"scales": (25.0, 100.0)}, "at most the box"),
        ({"scales": ()}, "multiples of the first"),
        ({"n_pixels": 15}, "even number"),
        ({"n_pixels": 2**20}, "1 to"),
        ({"depth": 51.0}, "up to the box"),
        ({"n_dims": 4}, "maps or cubes"),
    ],
)
def test_windows_that_cannot_be_are_refused(changes: dict[str, object], words: str) -> None:
    values = {"scales": (6.25, 50.0), "n_pixels": 16, "box_size": BOX} | changes
    with pytest.raises(ValueError, match=words):
        Windows(**values)  # type: ignore[arg-type]


def test_what_does_not_fit_the_box_is_refused() -> None:
    windows = Windows((6.25,), 16, BOX)
    with pytest.raises(ValueError, match=r"positions in \[0, 50.0\]"):
        Blocks.of(np.full((3, 3), 51, np.float32), 1.0, BOX)
    with pytest.raises(ValueError, match="one mass or one of 3"):
        Blocks.of(np.ones((3, 3), np.float32), np.ones(2, np.float32), BOX)
    with pytest.raises(ValueError, match="windows of the box"):
        cutouts(Blocks.of(np.ones((3, 3), np.float32), 1.0, 60.0), CENTER, TURN, windows)
    with pytest.raises(ValueError, match="R R\\^T = 1"):
        cutouts(Blocks.of(np.ones((3, 3), np.float32), 1.0, BOX), CENTER, 2 * TURN, windows)
    assert cutouts(Blocks.of(np.empty((0, 3), np.float32), 1.0, BOX), CENTER, TURN, windows).sum() == 0
