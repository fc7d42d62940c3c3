from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from configs import Box, Cosmology
from sim import mesh, tensors

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
N, SIZE = 16, 40.0
BOX = Box(cosmology=PLANCK, box_size=SIZE, n_particles=N, mesh_factor=1, seed=3)
SCHEMES = pytest.mark.parametrize("scheme", ["cic", "tsc"])
FORCES = pytest.mark.parametrize(
    ("scheme", "gradient", "laplacian", "deconvolve"),
    list(
        product(
            ["cic", "tsc"], ["four_point", "spectral"], ["spectral", "seven_point", "thirteen_point"], [False, True]
        )
    ),
)
SINGLE, DOUBLE = torch.float32, torch.float64


@pytest.fixture
def pos() -> np.ndarray:
    rng = np.random.default_rng(1)
    edge = np.nextafter(np.float32(SIZE), np.float32(0))
    corners = np.array([[0, 0, 0], [edge, edge, edge], [edge, 0, SIZE / 2], [SIZE, SIZE / 4, SIZE]])
    parts = rng.uniform(0, SIZE, (3000, 3)), rng.normal(SIZE / 2, 1.0, (2000, 3)), corners
    return np.concatenate(parts).astype(np.float32).clip(0, SIZE)


def changed(box: Box, **update: object) -> Box:
    return box.model_copy(update=update)


def tensor(pos: np.ndarray, dtype: torch.dtype = SINGLE, where: str = "cpu") -> torch.Tensor:
    return torch.from_numpy(pos).to(where, dtype).T.contiguous()


@SCHEMES
@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE])
def test_painting_is_that_of_the_mesh(pos: np.ndarray, scheme: mesh.Assignment, dtype: torch.dtype) -> None:
    painted = tensors.paint(tensor(pos, dtype), SIZE, N, scheme)
    assert painted.dtype == dtype
    np.testing.assert_allclose(painted.numpy(), mesh.paint(pos, SIZE, N, scheme), rtol=2e-5, atol=1e-5)


@SCHEMES
@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE])
def test_reading_is_that_of_the_mesh(pos: np.ndarray, scheme: mesh.Assignment, dtype: torch.dtype) -> None:
    field = np.random.default_rng(3).normal(size=(N, N, N)).astype(np.float32)
    values = tensors.read(torch.from_numpy(field).to(dtype), tensor(pos, dtype), SIZE, scheme)
    assert values.dtype == dtype
    np.testing.assert_allclose(values.numpy(), mesh.read(field, pos, SIZE, scheme), atol=1e-5)


@SCHEMES
def test_mass_is_conserved(pos: np.ndarray, scheme: mesh.Assignment) -> None:
    painted = tensors.paint(tensor(pos, DOUBLE), SIZE, N, scheme)
    assert painted.min() >= 0
    np.testing.assert_allclose(painted.sum(), len(pos), rtol=1e-12)


@SCHEMES
def test_reading_is_the_adjoint_of_painting(pos: np.ndarray, scheme: mesh.Assignment) -> None:
    where = tensor(pos, DOUBLE)
    field = torch.from_numpy(np.random.default_rng(3).normal(size=(N, N, N)))
    painted = (tensors.paint(where, SIZE, N, scheme) * field).sum()
    np.testing.assert_allclose(tensors.read(field, where, SIZE, scheme).sum(), painted, rtol=1e-10)


@SCHEMES
def test_painting_gives_the_same_bits_in_any_order_and_in_any_chunks(
    pos: np.ndarray, scheme: mesh.Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted = tensors.paint(tensor(pos), SIZE, N, scheme)
    values = tensors.read(painted, tensor(pos), SIZE, scheme)
    monkeypatch.setitem(tensors.CHUNK, "cpu", 777)
    shuffled = np.random.default_rng(5).permutation(len(pos))
    assert torch.equal(tensors.paint(tensor(pos[shuffled]), SIZE, N, scheme), painted)
    assert torch.equal(tensors.read(painted, tensor(pos[shuffled]), SIZE, scheme), values[shuffled])


def test_all_particles_in_one_cell_do_not_overflow() -> None:
    n = 1 << 14
    painted = tensors.paint(torch.zeros(3, n), SIZE, N)
    assert painted[0, 0, 0] == n
    assert n << tensors.fixed_point_bits(n) < 2**63
    assert (2 * n) << tensors.fixed_point_bits(n) >= 2**62


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, SIZE + 0.1])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_particles_outside_are_refused(pos: np.ndarray, bad: float, axis: int) -> None:
    pos[7, axis] = bad
    refusal = r"finite positions in \[0, 40\], got 1 coordinates elsewhere"
    with pytest.raises(ValueError, match=refusal):
        tensors.paint(tensor(pos), SIZE, N)
    with pytest.raises(ValueError, match=refusal):
        tensors.read(torch.zeros(N, N, N), tensor(pos), SIZE)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_difference_of_a_wave(axis: int) -> None:
    kh = 2 * np.pi / N
    shape = [N if i == axis else 1 for i in range(3)]
    wave = torch.sin(kh * torch.arange(N, dtype=DOUBLE)).reshape(shape).expand(N, N, N)
    slope = torch.cos(kh * torch.arange(N, dtype=DOUBLE)).reshape(shape).expand(N, N, N)
    expected = (8 * np.sin(kh) - np.sin(2 * kh)) / 6 * N / SIZE * slope
    np.testing.assert_allclose(tensors.difference(wave, axis, N / SIZE), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE])
def test_drifting_ends_in_the_box(dtype: torch.dtype) -> None:
    """A step of -1e-9 from 0 rounds to the far edge of the box, which is 0."""
    pos = torch.tensor([[0, 1, 39, 39]] * 3, dtype=dtype)
    mom = torch.tensor([[-1e-19, -2, 3, 100], [0, 79, -39, 1], [-40, 0, 81, -79]], dtype=dtype)
    assert tensors.drift(pos, mom, 0.5, SIZE) == 0
    expected = [[0, 0, 0.5, 9], [0, 0.5, 19.5, 39.5], [20, 1, 39.5, 39.5]]
    np.testing.assert_array_equal(pos, expected)
    pos[1, 2] = torch.inf
    assert tensors.drift(pos, mom, 0.0, SIZE) == 1


@pytest.mark.parametrize("n", [15, 16])
@FORCES
def test_the_force_is_what_the_formulas_say(
    pos: np.ndarray, n: int, scheme: mesh.Assignment, gradient: str, laplacian: str, deconvolve: bool
) -> None:
    """Windows, Green's function and derivative, written down once more in double precision on full complex modes."""
    options = {"assignment": scheme, "gradient": gradient, "laplacian": laplacian, "deconvolve": deconvolve}
    box = changed(BOX, n_particles=n, **options)
    got = torch.ones(3, len(pos), dtype=DOUBLE)
    poisson = tensors.Poisson.of(box, torch.device("cpu"), DOUBLE)
    poisson.kick(got, tensor(pos, DOUBLE), 0.5, 2.0)
    i = np.fft.fftfreq(n, 1 / n)
    h, k = SIZE / n, 2 * np.pi / SIZE * i
    keep = ((gradient == "four_point") | (np.abs(i) < n / 2)) * (
        np.sinc(i / n) ** (-2 * mesh.SUPPORT[scheme]) if deconvolve else 1.0
    )
    second = {"seven_point": (2, -2, 0), "thirteen_point": (5 / 2, -8 / 3, 1 / 6)}
    k2 = k**2
    if laplacian != "spectral":
        k2 = sum(weight * np.cos(m * k * h) for m, weight in enumerate(second[laplacian])) / h**2
    total = k2[:, None, None] + k2[:, None] + k2
    total[0, 0, 0] = np.inf
    modes = np.fft.fftn(tensors.paint(tensor(pos, DOUBLE), SIZE, n, scheme).numpy())
    modes *= keep[:, None, None] * keep[:, None] * keep / total
    derivative = 1j * (k if gradient == "spectral" else (8 * np.sin(k * h) - np.sin(2 * k * h)) / (6 * h))
    for axis, component in enumerate(got):
        slope = np.fft.ifftn(modes * np.expand_dims(derivative, tuple({0, 1, 2} - {axis})))
        assert np.abs(slope.imag).max() < 1e-9 * np.abs(slope.real).max()
        expected = 0.5 + 2 * tensors.read(torch.from_numpy(slope.real.copy()), tensor(pos, DOUBLE), SIZE, scheme)
        np.testing.assert_allclose(component, expected, rtol=0, atol=1e-9 * float(expected.abs().max()))


@pytest.mark.gpu
@SCHEMES
@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE])
def test_cuda_paints_the_bits_of_the_cpu(
    pos: np.ndarray, scheme: mesh.Assignment, dtype: torch.dtype, cuda: str
) -> None:
    """Integer sums do not depend on the order of atomics; weights may differ in their last bit."""
    there = [tensors.paint(tensor(pos, dtype, cuda), SIZE, N, scheme) for _ in range(3)]
    assert all(torch.equal(there[0], other) for other in there)
    here = tensors.paint(tensor(pos, dtype), SIZE, N, scheme)
    np.testing.assert_allclose(there[0].cpu(), here, rtol=1e-6, atol=1e-6)
