from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from learn.scores.peaks import ENOUGH, PeakCounts, are_peaks, highest


def test_planted_peaks_are_found_and_flat_tops_are_not() -> None:
    field = np.zeros((16, 16))
    field[3, 4], field[10, 10], field[0, 15] = 1, 3, 2
    field[6, 6] = field[6, 7] = 5
    assert [tuple(at) for at in highest(field, 9, periodic=True)] == [(10, 10), (0, 15), (3, 4)]
    assert [tuple(at) for at in highest(field, 2, periodic=True)] == [(10, 10), (0, 15)]
    assert [tuple(at) for at in highest(field, 9, periodic=False)] == [(10, 10), (3, 4)]
    assert [tuple(at) for at in highest(field, 9, periodic=False, margin=4)] == [(10, 10)]


def test_each_neighbour_counts() -> None:
    for step in [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]:
        field = np.zeros((8, 8))
        field[0, 0], field[step] = 1, 2
        assert [tuple(at) for at in np.argwhere(are_peaks(field, periodic=True))] == [tuple(np.array(step) % 8)]


def test_counts_do_not_change_under_rolls_turns_and_mirrors(lognormal: Callable, views: Callable) -> None:
    truth = lognormal(0, n=4)
    counts = PeakCounts().measure(views(truth))
    assert counts.sum() > 50
    for moved in (np.roll(truth, (5, 9), (2, 3)), np.rot90(truth, axes=(2, 3)), truth[..., ::-1]):
        np.testing.assert_array_equal(PeakCounts().measure(views(moved)), counts)


def test_the_score_is_over_bins_with_enough_true_peaks() -> None:
    truth = np.array([[100.0, ENOUGH, ENOUGH - 1], [3, 2, 1]])
    painted = np.array([[80.0, ENOUGH, 0], [0, 0, 0]])
    score = PeakCounts().scores(painted, truth)["peaks"]
    assert score[0] == pytest.approx(0.1)
    assert np.isnan(score[1])
    np.testing.assert_array_equal(PeakCounts().scores(truth, truth)["peaks"][0], 0)


def test_smoother_fields_have_fewer_peaks(lognormal: Callable, views: Callable) -> None:
    truth = lognormal(0)
    fine, coarse = (PeakCounts().measure(views(truth, smoothing=radius)).sum() for radius in (0.5, 2.0))
    assert coarse < 0.5 * fine
