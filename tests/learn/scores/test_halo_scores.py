"""Scores of halos: the truth has none, each known fault is seen by its score, draws and boxes are means."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from learn.scores.halo_scores import GROUPS, SCORES, scores
from learn.scores.halo_statistics import N_COUNTS, Bench, Measured, count_pdf, mean_of, stacked, with_all

N, BOX = 24, 96.0
BENCH = Bench.of(N, BOX, 6)
USED = BENCH.shells.k < 0.6


def density(seed: int) -> NDArray:
    field = np.random.default_rng(seed).normal(size=(N, N, N))
    field = sum(np.roll(field, by, axis) for axis in range(3) for by in (-1, 0, 1)) / 3
    return np.exp(field) / np.exp(field).mean()


def measured(counts: NDArray, truth: NDArray, field: NDArray) -> Measured:
    true_modes = [BENCH.shells.modes(one) for one in with_all(truth)]
    return BENCH.measure(counts, true_modes, BENCH.shells.modes(field))


def judged(paint, n_boxes: int = 3, seed: int = 100) -> dict[str, float]:
    """Scores of the second of two bins, painted by paint(rates, rng, truth)."""
    own, true = [], []
    for i in range(n_boxes):
        field, rng = density(i), np.random.default_rng(seed + i)
        rates = np.stack([0.3 * field, 0.6 * field**1.3])
        truth = np.random.default_rng(i).poisson(rates)
        own.append(measured(paint(rates, rng, truth), truth, field))
        true.append(measured(truth, truth, field))
    found = scores(stacked(own), stacked(true), 2, USED)
    return {name: value["value"] for name, value in found.items() if value is not None}


def test_the_truth_has_no_fault() -> None:
    found = judged(lambda _rates, _rng, truth: truth)
    assert found["correlation"] == pytest.approx(1, abs=1e-9)
    others = set(found) - {"correlation", "poisson", "poisson_truth"}
    assert others == {score.name for score in SCORES} - {"correlation", "poisson", "poisson_truth"}
    assert all(abs(found[name]) < 1e-9 for name in others)
    assert found["poisson"] == found["poisson_truth"]


def test_another_draw_of_the_truth_differs_by_shot_noise_alone() -> None:
    found = judged(lambda rates, rng, _truth: rng.poisson(rates))
    assert found["power_worst"] < 0.1
    assert abs(found["shot_noise"]) < 0.03
    assert 0.4 < found["correlation"] < 0.99
    assert found["pdf"] < 0.01


def test_each_fault_is_seen_by_its_score() -> None:
    many = judged(lambda rates, rng, _truth: rng.poisson(1.3 * rates))
    assert many["number"] == pytest.approx(0.3, abs=0.05)
    assert many["shot_noise"] == pytest.approx(-0.23, abs=0.05)
    assert many["empty"] < -0.01
    smooth = judged(lambda rates, _rng, _truth: rates)  # the rates themselves: no shot noise in their power
    assert smooth["poisson"] == pytest.approx(smooth["poisson_truth"] - 1, abs=0.3)
    assert smooth["stochasticity_worst"] > 0.3
    blind = judged(
        lambda rates, rng, _truth: rng.poisson(np.broadcast_to(rates.mean((1, 2, 3), keepdims=True), rates.shape))
    )
    assert blind["two_halo"] > 0.8
    assert abs(blind["shot_noise"]) < 0.05
    assert abs(blind["correlation"]) < 0.2
    assert blind["bispectrum"] > 0.5
    moved = judged(lambda _rates, _rng, truth: np.roll(truth, N // 2, 1))
    assert abs(moved["power_worst"]) < 1e-9
    assert abs(moved["correlation"]) < 0.3


def test_few_of_the_halos_cluster_as_all_of_them_and_have_more_shot_noise() -> None:
    found = judged(lambda _rates, rng, truth: rng.binomial(truth, 0.05))
    assert found["shot_noise"] == pytest.approx(19, rel=0.1)
    assert found["power_error"] > 0.5
    assert found["two_halo"] < 0.2


def test_halos_that_follow_the_density_by_chance_alone_have_the_stochasticity_of_poisson() -> None:
    field = np.maximum(1 + 0.2 * np.log(density(0)), 0)
    truth = np.random.default_rng(0).poisson(0.5 * field[None])
    found = stacked([measured(truth, truth, field)])
    many = BENCH.shells.k > 0.3  # where there are many modes to a bin
    assert scores(found, found, 1, many)["poisson"]["value"] == pytest.approx(1, abs=0.1)


def test_shot_noise_and_clustering_are_told_apart() -> None:
    field = density(0)
    truth = np.random.default_rng(0).poisson(np.stack([0.3 * field, 0.6 * field]))
    found = measured(truth, truth, field)
    assert found.shot[1] == pytest.approx(BOX**3 / truth[0].sum())
    assert found.number.tolist() == [truth.sum(), truth[0].sum(), truth[1].sum()]
    white = np.random.default_rng(1).poisson(0.3, (1, N, N, N))
    noise = measured(white, white, field)
    assert np.abs(noise.power[1] / noise.shot[1] - 1)[2:].max() < 0.2


def test_a_bin_without_halos_has_no_score_and_stops_nothing() -> None:
    field = density(0)
    truth = np.zeros((1, N, N, N))
    empty = stacked([measured(truth, truth, field)])
    assert set(scores(empty, empty, 1, USED).values()) == {None}
    some = np.random.default_rng(0).poisson(0.1 * field[None])
    none_painted = scores(
        stacked([measured(np.zeros_like(some), some, field)]), stacked([measured(some, some, field)]), 1, USED
    )
    assert none_painted["number"] == {"value": -1.0, "standard_error": 0.0}
    assert none_painted["power_worst"]["value"] == pytest.approx(1)
    assert none_painted["correlation"] is None


def test_errors_are_those_of_the_simulations() -> None:
    fields = [density(i) for i in range(6)]
    truths = [np.random.default_rng(i).poisson(0.5 * field[None]) for i, field in enumerate(fields)]
    draws = [np.random.default_rng(50 + i).poisson(0.5 * field[None]) for i, field in enumerate(fields)]
    true = stacked([measured(t, t, f) for t, f in zip(truths, fields, strict=True)])
    own = stacked([measured(d, t, f) for d, t, f in zip(draws, truths, fields, strict=True)])
    many = scores(own, true, 1, USED)["number"]
    assert 0 < many["standard_error"] < 0.05
    alone = Measured(*(getattr(own, name)[:1] for name in Measured.__dataclass_fields__))
    first = Measured(*(getattr(true, name)[:1] for name in Measured.__dataclass_fields__))
    assert scores(alone, first, 1, USED)["number"]["standard_error"] == 0


def test_the_shares_of_cells_sum_to_one_and_the_last_takes_all_above() -> None:
    counts = np.array([0, 0, 1, 5, 1000, N_COUNTS - 1]).reshape(1, 2, 3)
    pdf = count_pdf(counts)
    assert pdf.sum() == pytest.approx(1)
    assert pdf[[0, 1, 5, -1]].tolist() == pytest.approx([2 / 6, 1 / 6, 1 / 6, 2 / 6])


def test_draws_are_averaged() -> None:
    field = density(0)
    draws = [np.random.default_rng(i).poisson(0.5 * field[None]) for i in range(2)]
    both = [measured(one, draws[0], field) for one in draws]
    np.testing.assert_allclose(mean_of(both).power, (both[0].power + both[1].power) / 2)
    assert with_all(np.stack([draws[0][0], draws[1][0]]))[0].sum() == draws[0].sum() + draws[1].sum()


def test_every_score_is_in_a_group() -> None:
    assert GROUPS == ("Power", "Phases", "Shapes")
    assert len({score.name for score in SCORES}) == len(SCORES)


def test_a_bias_that_differs_from_box_to_box_is_no_stochasticity() -> None:
    field = density(0)
    halos = [np.maximum(1 + bias * (field - 1), 0)[None] for bias in (0.3, 0.6)]  # as smooth as the density
    true = stacked([measured(one, one, field) for one in halos])
    assert scores(true, true, 1, USED)["poisson"]["value"] == pytest.approx(0, abs=1e-6 * true.power.mean())
    assert true.power[1, 1].mean() > 3 * true.power[0, 1].mean()
