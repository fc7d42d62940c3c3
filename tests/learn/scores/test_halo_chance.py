"""What a painter without fault would score by chance is what such painters do score."""

from __future__ import annotations

import numpy as np
import pytest

from learn.scores.halo_chance import by_chance
from learn.scores.halo_scores import scores
from learn.scores.halo_statistics import Bench, Measured, mean_of, stacked, with_all

N, BOX, N_DRAWS = 24, 96.0, 2
BENCH = Bench.of(N, BOX, 6)
USED = (BENCH.shells.k > 0.1) & (BENCH.shells.k < 0.6)
GOALS = ("power_worst", "two_halo", "shot_noise", "stochasticity_worst")


def measured(seed: int) -> tuple[Measured, Measured]:
    """Draws of the halos of a box, averaged, and the truth, another draw: the bias is linear, the scatter Poisson's."""
    rng = np.random.default_rng(seed)
    field = rng.normal(size=(N, N, N))
    field = 1 + sum(np.roll(field, by, axis) for axis in range(3) for by in (-1, 0, 1)) / 15
    rates = 0.3 * np.maximum(field, 0)[None]
    modes, truth = BENCH.shells.modes(field), rng.poisson(rates)
    true_modes = [BENCH.shells.modes(one) for one in with_all(truth)]
    draws = [BENCH.measure(rng.poisson(rates), true_modes, modes) for _ in range(N_DRAWS)]
    return mean_of(draws), BENCH.measure(truth, true_modes, modes)


@pytest.fixture(scope="module")
def boxes() -> list[tuple[Measured, Measured]]:
    return [measured(seed) for seed in range(48)]


def test_painters_without_fault_score_what_is_expected_of_them(boxes: list[tuple[Measured, Measured]]) -> None:
    found, expected = [], []
    for i in range(0, len(boxes), 2):
        own, true = (stacked(some) for some in zip(*boxes[i : i + 2], strict=True))
        row = scores(own, true, 1, USED)
        found.append([abs(row[name]["value"]) for name in GOALS])
        chance = by_chance(true, 1, USED, BENCH.shells.n_modes, n_draws=N_DRAWS)
        expected.append([chance[name] for name in GOALS])
    for name, a, b in zip(GOALS, np.mean(found, axis=0), np.mean(expected, axis=0), strict=True):
        assert a == pytest.approx(b, rel=0.3), name


def test_chance_falls_as_the_root_of_the_boxes_and_with_draws(boxes: list[tuple[Measured, Measured]]) -> None:
    _, truth = zip(*boxes, strict=True)
    few, many = (by_chance(stacked(truth[:n]), 1, USED, BENCH.shells.n_modes, n_draws=1) for n in (4, 16))
    drawn = by_chance(stacked(truth[:4]), 1, USED, BENCH.shells.n_modes, n_draws=10_000)
    for name in GOALS:
        assert few[name] / many[name] == pytest.approx(2, rel=0.25)
        assert few[name] / drawn[name] == pytest.approx(2**0.5, rel=1e-3)


def test_a_single_halo_has_no_two_halo_part() -> None:
    alone = np.zeros((1, N, N, N))
    alone[0, 3, 4, 5] = 1
    field = np.random.default_rng(0).normal(size=(N, N, N))
    truth = stacked(
        [BENCH.measure(alone, [BENCH.shells.modes(one) for one in with_all(alone)], BENCH.shells.modes(field))]
    )
    found = by_chance(truth, 1, USED, BENCH.shells.n_modes, n_draws=1)
    assert set(found) == set(GOALS) - {"two_halo"}
    assert found["shot_noise"] == pytest.approx((2 * 2 / np.pi) ** 0.5, rel=0.1)


def test_without_halos_or_bins_nothing_is_known(boxes: list[tuple[Measured, Measured]]) -> None:
    truth = stacked([boxes[0][1]])
    nothing = Measured(**vars(truth) | {"number": np.zeros_like(truth.number)})
    assert by_chance(nothing, 1, USED, BENCH.shells.n_modes, n_draws=1) is None
    assert by_chance(truth, 1, np.zeros_like(USED), BENCH.shells.n_modes, n_draws=1) is None
