from __future__ import annotations

import shutil
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from configs import Box, Cosmology
from sim import nbody
from sim.cosmology import growth
from sim.mesh import paint
from sim.nbody import State
from sim.parallel import Comm, ThreadComm
from sim.poisson import Poisson
from sim.slab import Slab
from sim.stepping import Step, momentum_growth, schedule

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
BOX = Box(cosmology=PLANCK, box_size=64.0, n_particles=16, seed=3, n_steps=6)
INTEGRATORS = pytest.mark.parametrize("integrator", ["fastpm", "bullfrog"])
SCHEMES = pytest.mark.parametrize("scheme", ["cic", "tsc"])


def changed(box: Box, **update: object) -> Box:
    return box.model_copy(update=update)


def by_id(state: State) -> State:
    """The same state with particles by rising id."""
    order = np.argsort(state.ids)
    return replace(state, **{name: getattr(state, name)[order] for name in ("pos", "mom", "ids")})


def last(box: Box) -> State:
    *_, state = nbody.run(box)
    return by_id(state)


def distance(a: np.ndarray, b: np.ndarray, box_size: float) -> np.ndarray:
    """Between particles of equal order, through the edges of the box."""
    offset = a.astype(np.float64) - b
    return np.sqrt(((offset - box_size * np.rint(offset / box_size)) ** 2).sum(axis=1))


def test_states_come_one_a_step_and_outputs_are_flagged() -> None:
    states = [(s.step, s.output, s.a) for s in nbody.run(changed(BOX, redshifts=(1.0, 0.0)))]
    assert [step for step, _, _ in states] == list(range(7))
    assert [output for _, output, _ in states if output is not None] == [1.0, 0.0]
    assert states[0][2] == 1 / 50
    assert states[-1][1:] == (0.0, 1.0)


@SCHEMES
def test_momentum_is_conserved(scheme: str) -> None:
    first, *_ = ((s.mom.mean(axis=0, dtype=np.float64)) for s in nbody.run(changed(BOX, assignment=scheme)))
    state = last(changed(BOX, assignment=scheme))
    drift = state.mom.mean(axis=0, dtype=np.float64) - first
    assert np.abs(drift).max() < 1e-6 * state.mom.std()


@INTEGRATORS
def test_a_step_back_undoes_a_step(integrator: str) -> None:
    box = changed(BOX, integrator=integrator)
    state = nbody.start(box)
    poisson = Poisson(box, Slab(box.n_mesh, box.box_size))
    before = state.pos.copy()
    steps = schedule(box)
    acc = None
    for step in steps:
        acc = nbody.advance(state, step, poisson, acc)
    assert distance(by_id(state).pos, before, BOX.box_size).max() > 2
    for step in reversed(steps):
        keep, second = 1 / step.keep, -step.second / step.keep
        if step.first:
            keep, second = 1.0, -step.first
        back = Step(-step.second if step.first else 0.0, -(step.last or step.drift), keep, second, 0.0, step.a, None)
        acc = nbody.advance(state, replace(back, last=-step.drift if step.last else 0.0), poisson, acc)
    assert distance(by_id(state).pos, before, BOX.box_size).max() < 0.02


def test_error_falls_as_the_square_of_the_step() -> None:
    box = Box(cosmology=PLANCK, box_size=256.0, n_particles=16, seed=3, z_initial=9.0, redshifts=(0.0,), n_steps=160)
    exact = last(box).pos.copy()
    counts = np.array([10, 20, 40])
    errors = [np.sqrt((distance(last(changed(box, n_steps=int(n))).pos, exact, 256.0) ** 2).mean()) for n in counts]
    slopes = np.diff(np.log(errors)) / np.diff(np.log(1 / counts))
    np.testing.assert_allclose(slopes, 2, atol=0.25)


@pytest.mark.parametrize("axis", [0, 2])
def test_zeldovich_wave_before_crossing(axis: int) -> None:
    """A plane wave moves as x = q + D psi until particles cross, at D = 1 here; it is followed to D = .6."""
    box = Box(cosmology=PLANCK, box_size=64.0, n_particles=32, seed=0, redshifts=(1.0,), n_steps=10)
    state = nbody.start(box)
    q = nbody._lattice(box, Slab(box.n_particles, box.box_size))
    k = 2 * np.pi / box.box_size
    psi = np.zeros_like(q)
    psi[:, axis] = -np.sin(k * q[:, axis]) / k
    state.pos = ((q + growth(PLANCK, state.a) * psi) % box.box_size).astype(np.float32)
    state.mom = (momentum_growth(PLANCK, np.array([state.a])) * psi).astype(np.float32)
    *_, state = nbody.evolve(state)
    state = by_id(state)
    expected = q + growth(PLANCK, state.a) * psi
    assert distance(state.pos, expected, box.box_size).max() < 0.01 * growth(PLANCK, state.a) / k
    np.testing.assert_allclose(state.mom, momentum_growth(PLANCK, np.array([state.a])) * psi, atol=0.02 / k)


@SCHEMES
def test_large_scales_grow_linearly(scheme: str) -> None:
    box = Box(
        cosmology=PLANCK, box_size=4000.0, n_particles=32, seed=1, n_steps=8, fixed_amplitude=True, assignment=scheme
    )

    def modes(state: State) -> np.ndarray:
        field = np.fft.rfftn(paint(state.pos, box.box_size, 64, "tsc"))
        return np.array([field[1, 0, 0], field[0, 1, 0], field[0, 0, 1]])

    first, *_, final = (modes(state) / growth(PLANCK, state.a) for state in nbody.run(box))
    np.testing.assert_allclose(np.abs(final / first), 1, atol=0.01)
    np.testing.assert_allclose(np.angle(final / first), 0, atol=0.01)


def test_velocities_are_those_of_linear_theory() -> None:
    """The velocity is the displacement times 100 km/s/Mpc a E f."""
    state = nbody.start(changed(BOX, z_initial=1.0, lpt_order=1))
    a = 0.5
    offset = state.pos - nbody._lattice(BOX, Slab(BOX.n_particles, BOX.box_size))
    offset -= BOX.box_size * np.rint(offset / BOX.box_size)
    e = np.sqrt(PLANCK.omega_m / a**3 + 1 - PLANCK.omega_m)
    f = (PLANCK.omega_m / a**3 / e**2) ** 0.55
    np.testing.assert_allclose(state.vel, 100 * a * e * f * offset, atol=0.01 * np.abs(state.vel).max())


@pytest.mark.parametrize("size", [2, 3, 4, 8])
@pytest.mark.parametrize(
    "options",
    [{}, {"integrator": "bullfrog"}, {"assignment": "tsc"}, {"gradient": "spectral", "deconvolve": True}],
    ids=["default", "bullfrog", "tsc", "spectral"],
)
def test_slabs_are_serial(size: int, options: dict[str, object]) -> None:
    """Over more steps than particles stay in one order, on slabs of unequal width too."""
    box = changed(BOX, n_particles=22, box_size=88.0, n_steps=10, **options)
    serial = last(box)

    def part(comm: Comm) -> State:
        *_, state = nbody.run(box, comm)
        return state

    parts = ThreadComm.run(size, part)
    ids = np.concatenate([state.ids for state in parts])
    order = np.argsort(ids)
    np.testing.assert_array_equal(ids[order], serial.ids)
    pos = np.concatenate([state.pos for state in parts])[order]
    vel = np.concatenate([state.vel for state in parts])[order]
    assert distance(pos, serial.pos, box.box_size).max() < 1e-3
    np.testing.assert_allclose(vel, serial.vel, atol=1e-4 * np.abs(serial.vel).max())


def test_migration_moves_each_particle_once_and_keeps_its_columns_together() -> None:
    """Particles scattered over the ranks at random, in several turns, so that ranks gain and lose."""
    rng = np.random.default_rng(8)
    pos = rng.uniform(0, 64, (500, 3)).astype(np.float32)

    def part(comm: Comm) -> State:
        mine = rng_of_rank(comm)
        state = State(BOX, 1.0, 0, None, pos[mine], -pos[mine], mine.astype(np.uint64))
        for turn in range(4):
            slab = Slab(BOX.n_mesh, 64.0, comm)
            state.pos[:, 0] = (pos[state.ids.astype(int), 0] * (turn + 1)) % 64
            nbody.migrate(state, slab)
            assert (slab.owners(state.pos) == comm.rank).all()
        return state

    def rng_of_rank(comm: Comm) -> np.ndarray:
        return np.flatnonzero(np.arange(500) ** 2 % 7 % comm.size == comm.rank)

    parts = ThreadComm.run(3, part)
    ids = np.concatenate([state.ids for state in parts]).astype(int)
    np.testing.assert_array_equal(np.sort(ids), np.arange(500))
    np.testing.assert_array_equal(np.concatenate([state.mom for state in parts]), -pos[ids])
    np.testing.assert_array_equal(np.concatenate([state.pos for state in parts])[:, 1:], pos[ids, 1:])


def test_same_seed_is_the_same_run_to_the_bit() -> None:
    one, two = last(BOX), last(BOX)
    np.testing.assert_array_equal(one.pos, two.pos)
    np.testing.assert_array_equal(one.mom, two.mom)


def test_more_particles_are_the_same_universe() -> None:
    coarse, fine = (nbody.start(changed(BOX, n_particles=n, z_initial=9.0)) for n in (16, 32))
    meshes = [np.fft.rfftn(paint(state.pos, BOX.box_size, 32, "tsc"))[1:4, 1:4, 1:4] for state in (coarse, fine)]
    small, large = (mesh / state.pos.shape[0] for mesh, state in zip(meshes, (coarse, fine), strict=True))
    assert np.abs(np.vdot(small, large)) / (np.linalg.norm(small) * np.linalg.norm(large)) > 0.99


@INTEGRATORS
def test_a_force_that_is_not_finite_stops_the_run(monkeypatch: pytest.MonkeyPatch, integrator: str) -> None:
    def solve(poisson: Poisson, modes: np.ndarray, row: int) -> None:
        modes[:] = np.nan

    monkeypatch.setattr(Poisson, "_solve", solve)
    with pytest.raises(RuntimeError, match=r"expected finite momenta after step 0 \(a=0.0200\), got \d+ particles"):
        last(changed(BOX, integrator=integrator))


def test_a_mesh_too_small_for_the_ranks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"planes over 16 ranks: expected at least 3 planes a rank, got 2"):
        ThreadComm.run(16, lambda comm: list(nbody.run(BOX, comm)))


def test_memory_is_estimated_from_above_and_not_wildly() -> None:
    box = changed(BOX, n_particles=32, n_steps=1)
    last(box)
    tracemalloc.start()
    last(box)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.5 < peak / nbody.memory_bytes(box) < 1


def test_mpi_is_serial(repository: Path, tmp_path: Path) -> None:
    mpiexec = shutil.which("mpiexec", path=Path(sys.executable).parent)
    if mpiexec is None:
        pytest.skip("no mpiexec beside python")
    script = (
        "import sys, numpy as np; from configs import Box; from sim import nbody; from sim.parallel import MpiComm;"
        "comm = MpiComm(); *_, s = nbody.run(Box.model_validate_json(sys.argv[1]), comm);"
        "np.savez(f'{sys.argv[2]}/{comm.rank}.npz', ids=s.ids, pos=s.pos)"
    )
    command = [mpiexec, "-n", "2", sys.executable, "-c", script, BOX.model_dump_json(), str(tmp_path)]
    subprocess.run(command, env={"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}, check=True, timeout=200)
    parts = [np.load(tmp_path / f"{rank}.npz") for rank in range(2)]
    ids, pos = (np.concatenate([part[name] for part in parts]) for name in ("ids", "pos"))
    assert len(parts[0]["ids"]) < len(ids)
    assert distance(pos[np.argsort(ids)], last(BOX).pos, BOX.box_size).max() < 1e-3
