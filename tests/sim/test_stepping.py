from __future__ import annotations

import numpy as np
import pytest

from configs import Box, Cosmology
from sim.cosmology import growth, growth2
from sim.stepping import momentum_growth, schedule, second_order_slope

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)
BOX = Box(cosmology=PLANCK, box_size=100.0, n_particles=16, seed=0, n_steps=7, redshifts=(2.0, 1.0, 0.0))
SPACINGS = pytest.mark.parametrize("spacing", ["a", "log_a", "growth"])


@SPACINGS
def test_outputs_end_steps(spacing: str) -> None:
    steps = schedule(BOX.model_copy(update={"spacing": spacing}))
    assert len(steps) == 7
    assert [step.output for step in steps if step.output is not None] == [2.0, 1.0, 0.0]
    assert all(step.a == 1 / (1 + step.output) for step in steps if step.output is not None)
    assert (np.diff([1 / 50, *(step.a for step in steps)]) > 0).all()


@pytest.mark.parametrize("integrator", ["fastpm", "bullfrog"])
@SPACINGS
@pytest.mark.parametrize("n_steps", [1, 3, 20])
def test_the_growing_mode_is_exact_at_any_number_of_steps(integrator: str, spacing: str, n_steps: int) -> None:
    """With psi = 1, x = D, p = G and F = D are kept to rounding."""
    update = {"spacing": spacing, "n_steps": n_steps, "redshifts": (0.0,), "integrator": integrator}
    a = np.array([1 / 50])
    x, p = growth(PLANCK, a)[0], momentum_growth(PLANCK, a)[0]
    for step in schedule(BOX.model_copy(update=update)):
        p += step.first * x
        x += step.drift * p
        p = step.keep * p + step.second * x
        x += step.last * p
        np.testing.assert_allclose(x, growth(PLANCK, step.a), rtol=1e-10)
        np.testing.assert_allclose(p, momentum_growth(PLANCK, np.array([step.a]))[0], rtol=1e-10)


@SPACINGS
@pytest.mark.parametrize("n_steps", [1, 3, 20])
def test_bullfrog_keeps_the_second_order_too(spacing: str, n_steps: int) -> None:
    """With psi2 = 1, x = D2, p = G dD2/dD and F = x - D^2; a drift takes D2 for a parabola in D."""
    update = {"spacing": spacing, "n_steps": n_steps, "redshifts": (0.0,)}

    def end(integrator: str) -> tuple[float, float]:
        a = np.array([1 / 50])
        d, x = growth(PLANCK, a)[0], growth2(PLANCK, a)[0]
        p = momentum_growth(PLANCK, a)[0] * second_order_slope(PLANCK, a)[0]
        g = momentum_growth(PLANCK, a)[0]
        for step in schedule(BOX.model_copy(update={**update, "integrator": integrator})):
            p, g = p + step.first * (x - d**2), g + step.first * d
            x, d = x + step.drift * p, d + step.drift * g
            p, g = step.keep * p + step.second * (x - d**2), step.keep * g + step.second * d
            x, d = x + step.last * p, d + step.last * g
        return x, p

    today = np.array([1.0])
    exact = growth2(PLANCK, today)[0], (momentum_growth(PLANCK, today) * second_order_slope(PLANCK, today))[0]
    errors = {name: np.abs(np.divide(end(name), exact) - 1).max() for name in ("bullfrog", "fastpm")}
    assert errors["bullfrog"] < {1: 0.014, 3: 0.007, 20: 3e-4}[n_steps]
    assert errors["fastpm"] > 30 * errors["bullfrog"]


def test_steps_are_equal_in_their_variable() -> None:
    for spacing, time in (("a", np.asarray), ("log_a", np.log), ("growth", lambda a: growth(PLANCK, a))):
        steps = schedule(BOX.model_copy(update={"spacing": spacing, "redshifts": (0.0,)}))
        lengths = np.diff(time(np.array([1 / 50, *(step.a for step in steps)])))
        np.testing.assert_allclose(lengths, lengths.mean(), rtol=1e-4)


@pytest.mark.parametrize("integrator", ["fastpm", "bullfrog"])
def test_short_steps_are_quinns(integrator: str) -> None:
    """The equations of motion to lowest order in the step: da / (a^3 E) and 1.5 omega_m da / (a^2 E)."""
    steps = schedule(BOX.model_copy(update={"n_steps": 2000, "redshifts": (0.0,), "integrator": integrator}))
    before, step = steps[999], steps[1000]
    middle, da = (before.a + step.a) / 2, step.a - before.a
    rate = np.sqrt(PLANCK.omega_m * middle**-3 + 1 - PLANCK.omega_m)
    np.testing.assert_allclose(step.keep, 1, rtol=1e-5)
    np.testing.assert_allclose(step.drift + step.last, da / (middle**3 * rate), rtol=1e-5)
    np.testing.assert_allclose(step.first + step.second, 1.5 * PLANCK.omega_m * da / (middle**2 * rate), rtol=1e-5)


def test_outputs_share_the_steps_by_length() -> None:
    """From a = 1/50 to 1/3, 1/2 and 1 of seven steps: 2.2, 1.2 and 3.6."""
    steps = schedule(BOX)
    assert [i + 1 for i, step in enumerate(steps) if step.output is not None] == [2, 3, 7]


@pytest.mark.parametrize(
    ("redshifts", "n_steps", "ends"),
    [((0.03, 0.02, 0.01, 0.0), 6, [3, 4, 5, 6]), ((48.9, 48.8, 0.0), 3, [1, 2, 3])],
)
def test_close_outputs_have_a_step_each(redshifts: tuple[float, ...], n_steps: int, ends: list[int]) -> None:
    steps = schedule(BOX.model_copy(update={"redshifts": redshifts, "n_steps": n_steps}))
    assert [i + 1 for i, step in enumerate(steps) if step.output is not None] == ends


def test_too_few_steps_for_the_outputs_are_refused() -> None:
    with pytest.raises(ValueError, match="n_steps: expected at least one step for each of 3 redshifts, got 2"):
        schedule(BOX.model_copy(update={"n_steps": 2}))
