from __future__ import annotations

import numpy as np
import pytest

from sim.fourier import Fourier, padded
from sim.parallel import Comm, ThreadComm, n_threads_of_rank, set_threads
from sim.slab import Slab

N, SIZE = 16, 40.0
ENGINES = pytest.mark.parametrize("engine", ["own", "scipy", "fftw"])
RANKS = pytest.mark.parametrize("size", [1, 2, 3, 4, 8])


@pytest.fixture
def field() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, N, N))


def choose(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use our own, scipy or, where it is installed, FFTW."""
    if engine == "fftw":
        pytest.importorskip("pyfftw", reason="the fftw extra is not installed")
    monkeypatch.setenv("DARKGLASS_FFT", engine)


@ENGINES
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_engines_agree(engine: str, n_threads: int, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forth and back on meshes of several sizes with the same threads."""
    choose(engine, monkeypatch)
    before = n_threads_of_rank()
    set_threads(min(n_threads, before))
    for n in (16, 12, 16, 14):
        field = np.random.default_rng(n).normal(size=(n, n, n)).astype(dtype)
        fourier = Fourier(Slab(n, SIZE))
        modes = fourier.forward(field)
        scale = 1e-14 if dtype == "float64" else 1e-6
        np.testing.assert_allclose(modes, np.fft.rfftn(field), atol=scale * n**3)
        np.testing.assert_allclose(fourier.inverse(modes), field, atol=10 * scale)
    set_threads(before)


def test_an_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKGLASS_FFT", "abacus")
    with pytest.raises(ValueError, match="DARKGLASS_FFT: expected own, scipy or fftw, got abacus"):
        Fourier(Slab(N, SIZE)).forward(np.zeros((N, N, N)))


@RANKS
def test_slabs_are_the_serial_transform(field: np.ndarray, size: int) -> None:
    def forward(comm: Comm) -> np.ndarray:
        slab = Slab(N, SIZE, comm)
        return Fourier(slab).forward(field[slab.lo : slab.hi])

    modes = np.concatenate(ThreadComm.run(size, forward), axis=1)
    np.testing.assert_allclose(modes, np.fft.rfftn(field), rtol=1e-12, atol=1e-11)


@RANKS
def test_inverse_undoes_forward(field: np.ndarray, size: int) -> None:
    def round_trip(comm: Comm) -> np.ndarray:
        fourier = Fourier(Slab(N, SIZE, comm))
        return fourier.inverse(fourier.forward(field[fourier.slab.lo : fourier.slab.hi]))

    np.testing.assert_allclose(np.concatenate(ThreadComm.run(size, round_trip)), field, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("size", [1, 3])
def test_parseval(field: np.ndarray, size: int) -> None:
    def power(comm: Comm) -> float:
        fourier = Fourier(Slab(N, SIZE, comm))
        modes = fourier.forward(field[fourier.slab.lo : fourier.slab.hi])
        twice = np.where((fourier.i_modes[2] == 0) | (fourier.i_modes[2] == N // 2), 1, 2)
        return float(comm.allreduce((np.abs(modes) ** 2 * twice).sum()))

    np.testing.assert_allclose(ThreadComm.run(size, power), (field**2).sum() * N**3, rtol=1e-12)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("mode", [(2, 0, 0), (0, 6, 0), (0, 0, 5), (-1, 7, 3)])
def test_a_wave_is_one_mode_at_its_wavenumber(size: int, mode: tuple[int, int, int]) -> None:
    x = np.arange(N) / N * 2 * np.pi
    wave = np.cos(mode[0] * x[:, None, None] + mode[1] * x[:, None] + mode[2] * x)

    def wavenumbers(comm: Comm) -> np.ndarray:
        fourier = Fourier(Slab(N, SIZE, comm))
        modes = fourier.forward(wave[fourier.slab.lo : fourier.slab.hi])
        k = np.stack(np.broadcast_arrays(*fourier.k), axis=-1)
        return k[np.abs(modes) > 1e-6 * N**3]

    found = np.concatenate(ThreadComm.run(size, wavenumbers))
    expected = 2 * np.pi / SIZE * np.array(mode)
    assert len(found) in (1, 2)
    for k in found:
        np.testing.assert_allclose(k * np.sign(np.vdot(k, expected)), expected, rtol=1e-6, atol=1e-7)


@ENGINES
@RANKS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_filter_is_forward_change_inverse(
    field: np.ndarray, size: int, engine: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times kx + 2 ky + 3 kz, and zero at ky < 0."""
    choose(engine, monkeypatch)

    def part(comm: Comm) -> np.ndarray:
        fourier = Fourier(Slab(N, SIZE, comm))
        kx, ky, kz = (k.astype(dtype) for k in fourier.k)

        def change(modes: np.ndarray, first: int) -> None:
            rows = ky[:, first : first + modes.shape[1]]
            modes *= (kx + 2 * rows + 3 * kz) * (rows >= 0)

        planes = padded(fourier.slab, dtype)
        planes[:, :, :N] = field[fourier.slab.lo : fourier.slab.hi]
        fourier.filter(planes, change)
        return planes[:, :, :N]

    fourier = Fourier(Slab(N, SIZE))
    kx, ky, kz = (k.astype(np.float64) for k in fourier.k)
    expected = np.fft.irfftn(np.fft.rfftn(field) * (kx + 2 * ky + 3 * kz) * (ky >= 0), field.shape, (0, 1, 2))
    found = np.concatenate(ThreadComm.run(size, part))
    np.testing.assert_allclose(found, expected, atol=1e-12 if dtype == "float64" else 1e-5)


def test_precision_is_kept(field: np.ndarray) -> None:
    fourier = Fourier(Slab(N, SIZE))
    modes = fourier.forward(field.astype(np.float32))
    assert modes.dtype == np.complex64
    assert fourier.inverse(modes).dtype == np.float32
