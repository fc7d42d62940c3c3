from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from configs import Box, Cosmology
from sim import device, mesh, nbody, tensors
from sim.nbody import State
from sim.parallel import ThreadComm
from sim.slab import Slab
from sim.stepping import Step, schedule

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
BOX = Box(cosmology=PLANCK, box_size=64.0, n_particles=16, seed=3, n_steps=6)
FORCES = pytest.mark.parametrize(
    ("scheme", "gradient", "laplacian", "deconvolve"),
    list(
        product(
            ["cic", "tsc"], ["four_point", "spectral"], ["spectral", "seven_point", "thirteen_point"], [False, True]
        )
    ),
)
INTEGRATORS = pytest.mark.parametrize("integrator", ["fastpm", "bullfrog"])
SINGLE, DOUBLE = torch.float32, torch.float64


def changed(box: Box, **update: object) -> Box:
    return box.model_copy(update=update)


def last(box: Box, where: str = "cpu", dtype: torch.dtype = SINGLE) -> State:
    *_, state = device.run(box, where, dtype)
    return state


def cells_apart(a: State, b: State) -> np.ndarray:
    """Distance between the same particles of two states, through the edges of the box, in cells of the force mesh."""
    offset = a.pos[np.argsort(a.ids)].astype(np.float64) - b.pos[np.argsort(b.ids)]
    offset -= a.box.box_size * np.rint(offset / a.box.box_size)
    return np.linalg.norm(offset, axis=1) * (a.box.n_mesh / a.box.box_size)


@FORCES
def test_the_force_is_that_of_the_host(
    scheme: mesh.Assignment, gradient: str, laplacian: str, deconvolve: bool
) -> None:
    options = {"assignment": scheme, "gradient": gradient, "laplacian": laplacian, "deconvolve": deconvolve}
    state = nbody.start(changed(BOX, z_initial=3.0, **options))
    slab = Slab(state.box.n_mesh, state.box.box_size)
    expected = nbody.force(mesh.sort(state.pos, slab, scheme), nbody.Poisson(state.box, slab))
    cpu = torch.device("cpu")
    got = device.force(device.Particles.of(state, cpu, SINGLE), tensors.Poisson.of(state.box, cpu, SINGLE))
    np.testing.assert_allclose(got.T, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    "options",
    [
        {"assignment": "tsc"},
        {"integrator": "fastpm"},
        {"gradient": "spectral", "redshifts": (2.0, 0.5)},
        {"laplacian": "seven_point", "spacing": "growth"},
        {"gradient": "spectral", "deconvolve": True, "assignment": "tsc", "integrator": "fastpm"},
    ],
    ids=str,
)
def test_a_run_is_that_of_the_host(options: dict[str, object]) -> None:
    box = changed(BOX, **options)
    *_, expected = nbody.run(box)
    state = last(box)
    assert cells_apart(state, expected).max() < 1e-3
    order = np.argsort(expected.ids)
    np.testing.assert_allclose(state.vel, expected.vel[order], atol=2e-3 * np.abs(expected.vel).max())


@pytest.mark.parametrize("mesh_factor", [1, 3])
def test_a_larger_run_is_that_of_the_host(mesh_factor: int) -> None:
    box = changed(BOX, n_particles=32, box_size=128.0, n_steps=8 // mesh_factor, mesh_factor=mesh_factor)
    *_, expected = nbody.run(box)
    distance = cells_apart(last(box), expected)
    assert distance.max() < 1e-3
    assert np.sqrt((distance**2).mean()) < 1e-4


@INTEGRATORS
def test_a_step_costs_one_force(integrator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    kick = tensors.Poisson.kick
    monkeypatch.setattr(tensors.Poisson, "kick", lambda *args: calls.append(kick(*args)))
    last(changed(BOX, integrator=integrator))
    assert len(calls) == BOX.n_steps + (integrator == "fastpm")


def test_states_are_those_of_the_host_in_name_and_time() -> None:
    box = changed(BOX, redshifts=(1.0, 0.0))
    host = [(s.step, s.output, s.a, s.redshift) for s in nbody.run(box)]
    assert [(s.step, s.output, s.a, s.redshift) for s in device.run(box, "cpu")] == host


def test_the_universe_is_that_of_the_host_to_the_bit() -> None:
    first, start = next(device.run(BOX, "cpu")), nbody.start(BOX)
    for name in ("pos", "mom", "ids"):
        np.testing.assert_array_equal(getattr(first, name), getattr(start, name))


@INTEGRATORS
def test_same_seed_is_the_same_run_to_the_bit_and_so_is_one_resumed(integrator: str) -> None:
    box = changed(BOX, integrator=integrator)
    one, two = last(box), last(box)
    states = device.run(box, "cpu")
    middle = next(state for state in states if state.step == 3)
    kept = State(box, middle.a, middle.step, middle.output, middle.pos, middle.mom, middle.ids)
    *_, resumed = device.evolve(kept, device="cpu")
    for name in ("pos", "mom", "ids"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        np.testing.assert_array_equal(getattr(one, name), getattr(resumed, name))


def test_the_host_continues_what_a_device_began() -> None:
    middle = next(state for state in device.run(BOX, "cpu") if state.step == 3)
    *_, state = nbody.evolve(State(BOX, middle.a, 3, None, middle.pos, middle.mom, middle.ids.copy()))
    assert cells_apart(state, last(BOX)).max() < 1e-3


def test_arrays_are_copies_and_cannot_be_had_too_late() -> None:
    states = device.run(BOX, "cpu")
    next(states)
    first = next(states)
    pos = first.pos.copy()
    second = next(states)
    np.testing.assert_array_equal(first.pos, pos)
    assert np.abs(second.pos - pos).max() > 0
    with pytest.raises(RuntimeError, match="before the next step, got the request for mom of step 1 at step 2"):
        _ = first.mom
    assert not hasattr(second, "force")


def test_forces_sum_to_nothing_and_more_so_in_double_precision() -> None:
    for dtype, allowed in ((SINGLE, 1e-6), (DOUBLE, 1e-13)):
        particles = device.Particles.of(nbody.start(changed(BOX, z_initial=3.0)), torch.device("cpu"), dtype)
        acc = device.force(particles, tensors.Poisson.of(BOX, torch.device("cpu"), dtype)).to(DOUBLE)
        assert acc.mean(dim=1).abs().max() < allowed * acc.std()


@INTEGRATORS
def test_double_precision_shows_the_rounding_of_single(integrator: str) -> None:
    """Steps undone lead back to where they began, up to the rounding that the way has amplified."""
    box = changed(BOX, integrator=integrator)
    for dtype, allowed in ((SINGLE, 2e-2), (DOUBLE, 1e-9)):
        particles = device.Particles.of(nbody.start(box), torch.device("cpu"), dtype)
        poisson = tensors.Poisson.of(box, torch.device("cpu"), dtype)
        before = particles.pos.clone()
        for step in schedule(box):
            device.advance(particles, step, poisson)
        assert farthest(particles.pos - before) > 2
        for step in reversed(schedule(box)):
            device.advance(particles, undone(step), poisson)
        assert farthest(particles.pos - before) < allowed


def undone(step: Step) -> Step:
    """The step that leads back, for integrators that have a first kick or a last drift but not both."""
    if step.first:
        return Step(-step.second, -step.drift, 1.0, -step.first, 0.0, step.a, None)
    return Step(0.0, -step.last, 1 / step.keep, -step.second / step.keep, -step.drift, step.a, None)


def farthest(offset: torch.Tensor) -> float:
    """The largest coordinate difference through the edges of the box."""
    return float((offset - BOX.box_size * torch.round(offset / BOX.box_size)).abs().max())


def test_single_precision_is_close_to_double() -> None:
    box = changed(BOX, n_steps=10)
    *_, host = nbody.run(box)
    double = last(box, dtype=DOUBLE)
    assert double.pos.dtype == np.float64
    assert cells_apart(host, double).max() < 1e-3
    assert cells_apart(last(box), double).max() < 1e-3


def test_a_force_that_is_not_finite_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "difference", lambda mesh, *_: torch.full_like(mesh, torch.nan))
    with pytest.raises(RuntimeError, match=r"finite momenta after step 0 \(a=0.0200\), got 12288 coordinates"):
        last(BOX)


@pytest.mark.parametrize(
    ("where", "dtype", "message"),
    [
        ("gpu", SINGLE, r"device: expected cpu or one of \d+ CUDA devices, got gpu"),
        ("cuda:x", SINGLE, "got cuda:x"),
        ("cuda:99", SINGLE, "got cuda:99"),
        ("cpu", torch.float16, "expected float32 or float64, got torch.float16"),
    ],
)
def test_what_cannot_run_is_refused_before_the_start(
    where: str, dtype: torch.dtype, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nbody, "start", lambda _: pytest.fail("began"))
    with pytest.raises(ValueError, match=message):
        next(device.run(BOX, where, dtype))


def test_several_ranks_are_refused() -> None:
    start = nbody.start(BOX)
    with pytest.raises(ValueError, match="device: expected one rank, got 2"):
        ThreadComm.run(2, lambda comm: next(device.evolve(start, comm, device="cpu")))


def test_too_little_memory_is_refused_with_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (8 << 30, 16 << 30))
    assert device.refuse(BOX, "cuda", SINGLE) == torch.device("cuda")
    with pytest.raises(ValueError, match=r"expected \d+\.\d GiB free on cuda for 1024\^3 cells, got 8.0 GiB"):
        next(device.run(changed(BOX, n_particles=512), "cuda"))


def peak_bytes(work: Callable[[], object]) -> int:
    """Most memory that torch held on the CPU at a time while `work` ran, beyond what it held before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        work()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(np.cumsum([event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]))


@pytest.mark.parametrize(("gradient", "dtype"), [("spectral", SINGLE), ("four_point", DOUBLE)])
def test_memory_is_estimated_from_above_and_not_wildly(
    gradient: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tensors.CHUNK, "cpu", 1 << 9)
    box = changed(BOX, n_steps=1, gradient=gradient, assignment="tsc")
    peak = peak_bytes(lambda: last(box, dtype=dtype))
    assert 0.5 < peak / device.memory_bytes(box, dtype, "cpu") < 1


def test_512_cubed_particles_on_1024_cubed_cells_fit_a_large_gpu() -> None:
    assert device.memory_bytes(changed(BOX, n_particles=512)) < 40 << 30


@pytest.mark.gpu
@FORCES
def test_a_run_on_cuda_is_that_of_the_host(
    scheme: mesh.Assignment, gradient: str, laplacian: str, deconvolve: bool, cuda: str
) -> None:
    options = {"assignment": scheme, "gradient": gradient, "laplacian": laplacian, "deconvolve": deconvolve}
    box = changed(BOX, **options)
    *_, expected = nbody.run(box)
    one, two = last(box, cuda), last(box, cuda)
    assert cells_apart(one, expected).max() < 1e-3
    np.testing.assert_array_equal(one.pos, two.pos)
    np.testing.assert_array_equal(one.mom, two.mom)


@pytest.mark.gpu
@pytest.mark.parametrize("gradient", ["four_point", "spectral"])
def test_memory_on_cuda_is_estimated_from_above(gradient: str, cuda: str) -> None:
    box = changed(BOX, n_particles=128, n_steps=2, gradient=gradient)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    last(box, cuda)
    assert torch.cuda.max_memory_allocated() - before < device.memory_bytes(box)
