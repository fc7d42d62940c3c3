from __future__ import annotations

import numpy as np
import pytest

from sim import gradient, mesh
from sim.parallel import SERIAL, Comm, ThreadComm, n_threads_of_rank, set_threads
from sim.slab import Slab, extended, fold, surround

N, SIZE = 16, 40.0
CELL = SIZE / N
SCHEMES = pytest.mark.parametrize("scheme", ["cic", "tsc"])


@pytest.fixture
def pos() -> np.ndarray:
    rng = np.random.default_rng(1)
    clump = rng.normal(SIZE / 2, 1.0, (2000, 3))
    edge = np.nextafter(np.float32(SIZE), np.float32(0))
    corners = np.array([[0, 0, 0], [edge, edge, edge], [edge, 0, SIZE / 2]])
    return np.concatenate([rng.uniform(0, SIZE, (3000, 3)), clump, corners]).astype(np.float32).clip(0, edge)


def test_one_particle_on_a_mesh_point_fills_one_cell() -> None:
    painted = mesh.paint(np.float32([[3 * CELL, 0, 15 * CELL]]), SIZE, N, "cic")
    assert painted[3, 0, 15] == 1
    assert painted.sum() == 1


def test_weights_of_one_particle() -> None:
    at = np.float32([[3.25 * CELL, 15.75 * CELL, 0]])
    cic = mesh.paint(at, SIZE, N, "cic")
    np.testing.assert_allclose(cic[3:5, [15, 0], 0], np.outer([0.75, 0.25], [0.25, 0.75]), rtol=1e-6)
    tsc = mesh.paint(at, SIZE, N, "tsc")
    near, middle, far = 0.5 * 0.75**2, 0.75 - 0.25**2, 0.5 * 0.25**2
    x = [far, middle, near]
    np.testing.assert_allclose(tsc[2:5, 0, 0], np.multiply(x, middle * 0.75), rtol=1e-5)
    np.testing.assert_allclose(tsc[3, [15, 0, 1], 0], np.multiply([near, middle, far], middle * 0.75), rtol=1e-5)
    np.testing.assert_allclose(tsc[3, 0, [15, 0, 1]], np.multiply([0.125, 0.75, 0.125], middle**2), rtol=1e-5)


@SCHEMES
def test_mass_is_conserved(pos: np.ndarray, scheme: mesh.Assignment) -> None:
    painted = mesh.paint(pos, SIZE, N, scheme)
    assert painted.shape == (N, N, N)
    assert painted.min() >= 0
    np.testing.assert_allclose(painted.sum(dtype=np.float64), len(pos), rtol=1e-6)


@SCHEMES
def test_centre_of_mass_is_kept(scheme: mesh.Assignment) -> None:
    inner = np.random.default_rng(2).uniform(0.2 * SIZE, 0.8 * SIZE, (500, 3)).astype(np.float32)
    painted = mesh.paint(inner, SIZE, N, scheme).astype(np.float64)
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        mean = (painted.sum(axis=others) * np.arange(N) * CELL).sum() / painted.sum()
        np.testing.assert_allclose(mean, inner[:, axis].mean(dtype=np.float64), rtol=1e-5)


@SCHEMES
def test_reading_is_the_adjoint_of_painting(pos: np.ndarray, scheme: mesh.Assignment) -> None:
    field = np.random.default_rng(3).normal(size=(N, N, N)).astype(np.float32)
    painted = np.vdot(mesh.paint(pos, SIZE, N, scheme).astype(np.float64), field)
    read = mesh.read(field, pos, SIZE, scheme).sum(dtype=np.float64)
    np.testing.assert_allclose(read, painted, rtol=1e-5)


@SCHEMES
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_shifting_by_a_cell_rolls_the_mesh(pos: np.ndarray, scheme: mesh.Assignment, axis: int) -> None:
    shifted = pos.copy()
    shifted[:, axis] = (pos[:, axis] + np.float32(CELL)) % np.float32(SIZE)
    rolled = np.roll(mesh.paint(pos, SIZE, N, scheme), 1, axis)
    np.testing.assert_allclose(mesh.paint(shifted, SIZE, N, scheme), rolled, atol=2e-3)


def gradient_at(pos: np.ndarray, field: np.ndarray, scheme: mesh.Assignment, comm: Comm = SERIAL) -> np.ndarray:
    """The kick of particles at rest."""
    slab, mom = Slab(N, SIZE, comm), np.zeros_like(pos)
    gradient.kick(mom, mesh.sort(pos, slab, scheme), extended(field, slab, *gradient.planes(scheme)), 0.0, 1.0)
    return mom


@SCHEMES
def test_gradient_of_a_wave(pos: np.ndarray, scheme: mesh.Assignment) -> None:
    k = 2 * np.pi / SIZE
    x = np.arange(N) * CELL
    wave = np.sin(k * x)
    field = (wave[:, None, None] + 2 * wave[:, None] + 3 * wave).astype(np.float32)
    got = gradient_at(pos, field, scheme)
    kh = k * CELL
    difference = (8 * np.sin(kh) - np.sin(2 * kh)) / 6 / CELL
    slope = (difference * np.cos(k * x)).astype(np.float32)
    for axis, factor in enumerate((1, 2, 3)):
        along = np.broadcast_to(np.expand_dims(slope, tuple({0, 1, 2} - {axis})), (N, N, N))
        expected = factor * mesh.read(np.ascontiguousarray(along), pos, SIZE, scheme)
        np.testing.assert_allclose(got[:, axis], expected, atol=1e-5)


@SCHEMES
def test_same_bits_at_any_number_of_threads(pos: np.ndarray, scheme: mesh.Assignment) -> None:
    before = n_threads_of_rank()
    results = []
    for n_threads in (1, before):
        set_threads(n_threads)
        particles = mesh.sort(pos, Slab(N, SIZE), scheme)
        painted = mesh.deposit(particles)
        by_plane = particles.order.copy()
        mesh.order_by_rows(particles)
        results.append((by_plane, particles.order, painted, gradient_at(pos, painted, scheme)))
    for one, many in zip(*results, strict=True):
        np.testing.assert_array_equal(one, many)


@SCHEMES
def test_kernels_are_what_python_says(pos: np.ndarray, scheme: mesh.Assignment) -> None:
    some = mesh.sort(pos[::25], Slab(N, SIZE), scheme)
    below, above = mesh.ghosts(scheme)
    wide = np.full((N + below + above, N, N), np.nan, np.float32)
    mesh._paint.py_func(wide, N, 5, *some.arrays)
    fold(wide, some.slab, below, above)
    painted = wide[below : below + N]
    np.testing.assert_allclose(mesh.deposit(some), painted, atol=1e-5)
    out = np.empty(len(some.pos), np.float32)
    wide = extended(painted, some.slab, below, above)
    mesh._read.py_func(out, wide, some.pos, some.slab.inverse_cell, some.first, some.support)
    np.testing.assert_allclose(mesh.read(painted, some.pos, SIZE, scheme), out, rtol=1e-5, atol=1e-6)


def test_sorting_is_stable(pos: np.ndarray) -> None:
    particles = mesh.sort(pos, Slab(N, SIZE), "cic")
    plane = (pos[:, 0] / np.float32(CELL)).astype(int)
    np.testing.assert_array_equal(particles.order, np.argsort(plane, kind="stable"))
    np.testing.assert_array_equal(np.diff(particles.starts), np.bincount(plane, minlength=N))


def test_rows_are_sorted_within_planes(pos: np.ndarray) -> None:
    particles = mesh.sort(pos, Slab(N, SIZE), "cic")
    mesh.order_by_rows(particles)
    plane, row, _ = (pos / np.float32(CELL)).astype(int).T
    np.testing.assert_array_equal(particles.order, np.lexsort((np.arange(len(pos)), row, plane)))


@SCHEMES
def test_a_kick_keeps_what_it_is_told_to(pos: np.ndarray, scheme: mesh.Assignment) -> None:
    rng = np.random.default_rng(4)
    field, mom = rng.normal(size=(N, N, N)).astype(np.float32), rng.normal(size=pos.shape).astype(np.float32)
    slab = Slab(N, SIZE)
    expected = 0.25 * mom - 2 * gradient_at(pos, field, scheme)
    gradient.kick(mom, mesh.sort(pos, slab, scheme), extended(field, slab, *gradient.planes(scheme)), 0.25, -2.0)
    np.testing.assert_allclose(mom, expected, rtol=1e-4, atol=1e-5)


@SCHEMES
def test_a_mesh_with_holes_is_refused(pos: np.ndarray, scheme: mesh.Assignment) -> None:
    """Clouds would go astray on it."""
    wide = np.zeros((N + sum(mesh.ghosts(scheme)), N, 2 * N), np.float32)
    with pytest.raises(ValueError, match="expected contiguous planes, got strides"):
        mesh.fill(mesh.sort(pos, Slab(N, SIZE), scheme), wide[:, :, ::2])


@SCHEMES
def test_padding_changes_nothing(pos: np.ndarray, scheme: mesh.Assignment) -> None:
    slab = Slab(N, SIZE)
    particles = mesh.sort(pos, slab, scheme)
    painted = mesh.deposit(particles)
    below, above = mesh.ghosts(scheme)
    wide = np.full((N + below + above, N, N + 2), np.nan, np.float32)
    mesh.fill(particles, wide)
    fold(wide, slab, below, above)
    np.testing.assert_array_equal(wide[below : below + N, :, :N], painted)
    assert not wide[:, :, N:].any()
    plain = extended(painted, slab, *gradient.planes(scheme))
    rows = np.concatenate([plain, np.full((*plain.shape[:2], 2), np.nan, np.float32)], axis=2)
    kicks = np.zeros((2, *pos.shape), np.float32)
    for mom, mesh_ in zip(kicks, (plain, rows), strict=True):
        gradient.kick(mom, particles, mesh_, 1.0, 1.0)
    np.testing.assert_array_equal(*kicks)


@pytest.mark.parametrize("size", [1, 3])
def test_ghost_planes_are_their_owners(size: int) -> None:
    field = np.random.default_rng(5).normal(size=(N, N, N)).astype(np.float32)

    def part(comm: Comm) -> np.ndarray:
        slab = Slab(N, SIZE, comm)
        wide = np.full((slab.hi - slab.lo + 5, N, N), np.nan, np.float32)
        wide[2:-3] = field[slab.lo : slab.hi]
        surround(wide, slab, 2, 3)
        np.testing.assert_array_equal(wide, field[np.arange(slab.lo - 2, slab.hi + 3) % N])
        return wide

    assert len(ThreadComm.run(size, part)) == size


@SCHEMES
@pytest.mark.parametrize("size", [2, 3, 4])
def test_slabs_are_serial(pos: np.ndarray, scheme: mesh.Assignment, size: int) -> None:
    whole = mesh.paint(pos, SIZE, N, scheme)
    force = gradient_at(pos, whole, scheme)

    def part(comm: ThreadComm) -> tuple[np.ndarray, np.ndarray]:
        slab = Slab(N, SIZE, comm)
        mine = slab.owners(pos) == comm.rank
        painted = mesh.paint(pos[mine], SIZE, N, scheme, comm=comm)
        acc = np.zeros_like(pos)
        acc[mine] = gradient_at(pos[mine], painted, scheme, comm)
        return painted, acc

    parts = ThreadComm.run(size, part)
    np.testing.assert_allclose(np.concatenate([painted for painted, _ in parts]), whole, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(sum(acc for _, acc in parts), force, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("bad", [np.nan, -0.1, SIZE + 0.1])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_particles_outside_are_refused(pos: np.ndarray, bad: float, axis: int) -> None:
    pos[7, axis] = bad
    with pytest.raises(ValueError, match=r"finite positions in \[0, 40\) on planes 0 to 16 of 16, got 1 of 5003"):
        mesh.paint(pos, SIZE, N)


def test_slabs_thinner_than_a_cloud_are_refused() -> None:
    with pytest.raises(ValueError, match=r"8 planes over 4 ranks: expected at least 3 planes a rank, got 2"):
        ThreadComm.run(4, lambda comm: extended(np.zeros((2, 8, 8)), Slab(8, SIZE, comm), 2, 3))
