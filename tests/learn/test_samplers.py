"""Paths, objectives and samplers, where the right answer is known in closed form."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from configs import Diffusion
from learn.methods.objectives import Objective, objective_of
from learn.methods.paths import Cosine, Path, Straight, level
from learn.methods.samplers import SAMPLERS, Estimate, n_evaluations, plan, run

OBJECTIVES = ("eps", "v", "edm", "flow")
PATHS = (Cosine(), Straight())
ENDS = (0.05, 40.0)
MEAN, STD = 0.7, torch.tensor([0.1, 0.5, 1.0, 2.0], dtype=torch.float64)


def objective(kind: str) -> Objective:
    return objective_of(Diffusion.model_validate({"objective": kind}))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def levels(path: Path, n: int) -> list[tuple[float, float]]:
    t = torch.arange(n, -1, -1, dtype=torch.float64) / n
    return list(zip(path.signal(t).tolist(), path.noise(t).tolist(), strict=True))


def of_a_gaussian(xt: Tensor, signal: float, noise: float) -> Tensor:
    """The best estimate of x0 from N(MEAN, STD^2), a standard deviation a column."""
    gain = signal * STD**2 / (signal**2 * STD**2 + noise**2)
    return MEAN + gain * (xt - signal * MEAN)


def sampled(name: str, path: Path, n: int, start: Tensor, estimate: Estimate = of_a_gaussian, seed: int = 5) -> Tensor:
    steps = plan(SAMPLERS[name], levels(path, n))
    generator = torch.Generator().manual_seed(seed)
    return run(steps, estimate, start, lambda: torch.randn(start.shape, generator=generator, dtype=start.dtype))


@pytest.mark.parametrize("path", PATHS)
def test_both_ends_of_a_path_are_exact(path: Path) -> None:
    for dtype in (torch.float32, torch.float64):
        ends = torch.tensor([0.0, 1.0], dtype=dtype)
        assert path.signal(ends).tolist() == [1.0, 0.0]
        assert path.noise(ends).tolist() == [0.0, 1.0]
        assert level(path.signal(ends), path.noise(ends)).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_knows_when_its_ratio_is_what(path: Path) -> None:
    t = torch.linspace(0.001, 0.999, 97, dtype=torch.float64)
    signal, noise = path.signal(t), path.noise(t)
    assert (signal.diff() < 0).all()
    assert (noise.diff() > 0).all()
    np.testing.assert_allclose(path.time_of(noise / signal), t, rtol=1e-12)
    assert path.time_of(torch.tensor(math.inf)) == 1


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_the_right_answer_gives_the_field_back(kind: str) -> None:
    told, x0, eps = objective(kind), normal(9, 3), normal(9, 3, seed=1)
    t = torch.linspace(0.01, 0.99 if kind == "eps" else 1.0, 9, dtype=torch.float64)[:, None]
    signal, noise = told.path.signal(t), told.path.noise(t)
    answer = told.answer(x0, eps, signal, noise)
    np.testing.assert_allclose(told.field(answer, signal * x0 + noise * eps, signal, noise), x0, rtol=1e-9, atol=1e-9)


def test_what_a_noisy_field_tells_of_its_noise_need_not_be_said() -> None:
    """The rest is the velocity: its errors are those of the field over the noise, however little signal there is."""
    told, x0, eps = objective("eps"), normal(9, 3), normal(9, 3, seed=1)
    t = torch.linspace(0.01, 0.999, 9, dtype=torch.float64)[:, None]
    signal, noise = told.path.signal(t), told.path.noise(t)
    xt, velocity = signal * x0 + noise * eps, signal * eps - noise * x0
    np.testing.assert_allclose(told.completed(velocity, xt, signal, noise), eps, rtol=1e-9, atol=1e-12)
    wrong = told.field(told.completed(velocity + 0.1, xt, signal, noise), xt, signal, noise)
    np.testing.assert_allclose(wrong - x0, (-0.1 * noise).expand(9, 3), rtol=1e-6)
    for kind in ("v", "edm", "flow"):
        assert torch.equal(objective(kind).completed(velocity, xt, signal, noise), velocity)


@pytest.mark.parametrize(("kind", "rate"), [("v", 2 / math.pi), ("flow", 1.0)])
def test_a_velocity_is_how_fast_a_noisy_field_moves(kind: str, rate: float) -> None:
    told, x0, eps = objective(kind), normal(9), normal(9, seed=1)
    t = torch.linspace(0.05, 0.95, 9, dtype=torch.float64, requires_grad=True)
    signal, noise = told.path.signal(t), told.path.noise(t)
    (moving,) = torch.autograd.grad((signal * x0 + noise * eps).sum(), t)
    np.testing.assert_allclose(told.answer(x0, eps, signal, noise).detach(), rate * moving, rtol=1e-9, atol=1e-12)


def test_edm_is_the_preconditioning_of_karras_et_al() -> None:
    """Table 1 with sigma_data = 1: D(y) = c_skip y + c_out F(c_in y), y = x0 + sigma eps."""
    told, x0, eps = objective("edm"), normal(7), normal(7, seed=1)
    sigma = torch.logspace(-2.5, 2, 7, dtype=torch.float64)
    t = told.path.time_of(sigma)
    signal, noise = told.path.signal(t), told.path.noise(t)
    c_skip, c_out, c_in = 1 / (sigma**2 + 1), sigma / (sigma**2 + 1).sqrt(), 1 / (sigma**2 + 1).sqrt()
    y = x0 + sigma * eps
    np.testing.assert_allclose(signal * x0 + noise * eps, c_in * y, rtol=1e-12)
    answer = told.answer(x0, eps, signal, noise)
    np.testing.assert_allclose(answer, (x0 - c_skip * y) / c_out, rtol=1e-8)
    np.testing.assert_allclose(told.field(answer, c_in * y, signal, noise), c_skip * y + c_out * answer, rtol=1e-8)


def test_the_noise_levels_of_edm_are_log_normal_and_its_steps_those_of_the_velocity() -> None:
    told = objective("edm")
    u = torch.rand(200_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    t = told.times.drawn(u)
    logs = torch.log(told.path.noise(t) / told.path.signal(t))
    np.testing.assert_allclose([logs.mean(), logs.std()], [-0.5, 1.2], atol=0.01)
    assert torch.equal(told.times.grid(6, ENDS), objective("v").times.grid(6, ENDS))


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("most", [40.0, 1000.0])
def test_a_grid_falls_from_nothing_but_noise_to_none(kind: str, n: int, most: float) -> None:
    told = objective(kind)
    grid = told.times.grid(n, (0.05, most))
    assert len(grid) == n + 1
    assert (grid.diff() < 0).all()
    assert grid[-1] == 0
    assert told.path.signal(grid)[0] == 0 if kind != "eps" else 0 < told.path.signal(grid)[0] < 0.02
    u = torch.tensor([0.0, 1e-9, 0.5, 1 - 1e-9], dtype=torch.float64)
    t = told.times.drawn(u)
    assert ((t >= 0) & (t <= 1)).all()
    assert (t.diff() > 0).all()


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_steps_are_even_in_the_logarithm_of_noise_over_signal(kind: str) -> None:
    told = objective(kind)
    inner = told.times.grid(9, ENDS)[1:-1]
    logs = torch.log(told.path.noise(inner) / told.path.signal(inner))
    expected = np.linspace(math.log(ENDS[1]), math.log(ENDS[0]), 9)[1:]  # of the first, only where it would have been
    np.testing.assert_allclose(logs, expected, atol=1e-9)


def test_what_is_rare_and_bright_is_as_rare_in_25_steps() -> None:
    """One pixel in 50 at 15 standard deviations is decided where noise is 15 times the signal."""
    share, bright = 0.02, 15.0

    def ideal(xt: Tensor, signal: float, noise: float) -> Tensor:
        variance = signal**2 + noise**2  # of both kinds: normal about 0, or about `bright`
        odds = math.log(share / (1 - share)) + (xt * signal * bright - 0.5 * (signal * bright) ** 2) / variance
        return signal * xt / variance + torch.sigmoid(odds) * bright * noise**2 / variance

    def found(times: Tensor) -> float:
        ladder = list(zip(Cosine().signal(times).tolist(), Cosine().noise(times).tolist(), strict=True))
        sample = run(plan(SAMPLERS["dpmpp_2m"], ladder), ideal, normal(20_000, 1), lambda: normal(1))
        return float((sample > bright / 2).double().mean())

    assert abs(found(objective("v").times.grid(25, ENDS)) / share - 1) < 0.1
    even = torch.arange(25, -1, -1, dtype=torch.float64) / 25
    assert abs(found(even) / share - 1) > 0.2


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("n", [1, 2, 7])
def test_an_estimate_that_is_sure_is_the_sample(path: Path, name: str, n: int) -> None:
    x0 = normal(4, 4)
    found = sampled(name, path, n, normal(4, 4, seed=1), lambda _xt, _signal, _noise: x0)
    np.testing.assert_allclose(found, x0, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_ideal_denoiser_of_a_data_set_gives_its_members_back(path: Path, name: str) -> None:
    data = 3 * normal(5, 2, seed=3)

    def ideal(xt: Tensor, signal: float, noise: float) -> Tensor:
        distance = (xt[:, None] - signal * data).square().sum(-1) / (2 * noise**2)
        return torch.softmax(-distance, dim=1) @ data

    found = sampled(name, path, 200, normal(200, 2, seed=4), ideal)
    nearest = (found[:, None] - data).norm(dim=-1).min(dim=1)
    assert nearest.values.max() < 1e-2
    counts = torch.bincount(nearest.indices, minlength=5)
    assert (counts > 15).all()  # 40 each if all are drawn alike


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_samples_of_a_gaussian_have_its_mean_and_its_variance(path: Path, name: str) -> None:
    start = normal(10_000, 4)
    found = sampled(name, path, 400, start)
    np.testing.assert_allclose(found.mean(0), MEAN, atol=0.03 * STD.max())
    np.testing.assert_allclose(found.std(0), STD, rtol=0.05 if name == "ddpm" else 0.025)


def errors(name: str, path: Path, numbers: tuple[int, ...], begin: float = 1.0, end: float = 0.0) -> list[float]:
    """Largest distance from the exact trajectories of a Gaussian, which keep their place in it, at their end."""
    eps = normal(64, 4)

    def exact(signal: float, noise: float) -> Tensor:
        return signal * MEAN + (signal**2 * STD**2 + noise**2).sqrt() * eps

    found = []
    for n in numbers:
        t = torch.linspace(begin, end, n + 1, dtype=torch.float64)
        ladder = list(zip(path.signal(t).tolist(), path.noise(t).tolist(), strict=True))
        reached = run(plan(SAMPLERS[name], ladder), of_a_gaussian, exact(*ladder[0]), lambda: eps)
        found.append(float((reached - exact(*ladder[-1])).abs().max()))
    return found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("heun", 2), ("dpmpp_2m", 2)])
def test_errors_fall_by_the_order_of_the_sampler(path: Path, name: str, order: int) -> None:
    """Between two noise levels: at both ends of a path ln(signal / noise) is infinite, and orders come late."""
    found = errors(name, path, (40, 80, 160), begin=0.9, end=0.1)
    slopes = [math.log2(a / b) for a, b in pairwise(found)]
    np.testing.assert_allclose(slopes, order, atol=0.25)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["ddim", "heun", "dpmpp_2m"])
def test_from_end_to_end_more_steps_are_better(path: Path, name: str) -> None:
    found = errors(name, path, (10, 20, 40, 80))
    assert all(b < (0.6 if name == "ddim" else 0.55) * a for a, b in pairwise(found))


def test_a_better_sampler_needs_fewer_evaluations() -> None:
    ddim, heun, multistep = (
        errors(name, Straight(), (n,))[0] for name, n in (("ddim", 25), ("heun", 13), ("dpmpp_2m", 25))
    )
    assert heun < 0.75 * ddim
    assert multistep < 0.25 * ddim


def test_evaluations_are_counted() -> None:
    def counted(name: str) -> int:
        steps, seen = plan(SAMPLERS[name], levels(Cosine(), 9)), []

        def estimate(xt: Tensor, signal: float, noise: float) -> Tensor:
            seen.append((signal, noise))
            return xt

        run(steps, estimate, normal(1), lambda: normal(1))
        assert len(seen) == n_evaluations(steps)
        assert all(noise > 0 for _, noise in seen)
        return len(seen)

    assert [counted(name) for name in ("ddpm", "ddim", "dpmpp_2m", "heun")] == [9, 9, 9, 17]


def test_fresh_noise_is_drawn_by_the_ancestral_sampler_alone() -> None:
    start = normal(3, 4)
    for name in SAMPLERS:
        same = torch.equal(sampled(name, Cosine(), 9, start, seed=1), sampled(name, Cosine(), 9, start, seed=2))
        assert same == (name != "ddpm")


def test_ancestral_steps_are_those_of_ho_et_al() -> None:
    """Eq. 6 and 7: mean and variance of the posterior, alpha-bar being the square of the signal."""
    for start, end in pairwise(levels(Cosine(), 9)[1:-1]):
        bar, less = start[0] ** 2, end[0] ** 2
        alpha = bar / less
        (step,) = plan(SAMPLERS["ddpm"], [start, end])
        np.testing.assert_allclose(step.stir**2, (1 - less) / (1 - bar) * (1 - alpha), rtol=1e-9)
        np.testing.assert_allclose(step.keep, math.sqrt(alpha) * (1 - less) / (1 - bar), rtol=1e-9)
        np.testing.assert_allclose(step.pull, math.sqrt(less) * (1 - alpha) / (1 - bar), rtol=1e-9)
