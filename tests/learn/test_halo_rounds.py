"""Cells counted in rounds: a round is shown the counts of those before it, and so halos know of each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_counts import opened

from configs import Train

Make = Callable[..., Train]
OCCUPATION = {"kind": "counts", "likelihood": "occupation"}


def test_a_round_is_shown_the_counts_of_those_before_it_and_no_others(count_train: Make) -> None:
    method, batch = opened(count_train(OCCUPATION | {"rounds": 3}))
    halos, seen = method.halos, []
    normals = torch.randn(2, 1, 6, 6, 6, generator=torch.Generator().manual_seed(0))

    def count(shown: Tensor) -> Tensor:
        seen.append(shown)
        return torch.full((2, halos.n_bins, 6, 6, 6), float(len(seen)))

    counts = halos.in_rounds(torch.zeros(2, 1, 10, 10, 10), normals, count, is_box=True)
    turns = halos.turns(normals)
    assert torch.equal(counts, (turns + 1).float().expand_as(counts))
    np.testing.assert_allclose([(turns == i).float().mean() for i in range(3)], 1 / 3, atol=0.1)
    for i, shown in enumerate(seen):
        assert torch.equal(shown[:, -1:, 2:-2, 2:-2, 2:-2], (turns < i).float())
        assert torch.equal(shown[:, 1:3, 2:-2, 2:-2, 2:-2], counts * (turns < i))
        assert torch.equal(shown[:, 1:, :2, 2:-2, 2:-2], shown[:, 1:, -4:-2, 2:-2, 2:-2])  # the box goes on
    shown, is_open = method._shown(batch)
    hidden = ~shown[:, -1:, 2:-2, 2:-2, 2:-2].bool()
    assert torch.equal(is_open, hidden.float())
    assert torch.equal(shown[:, 1:-1, 2:-2, 2:-2, 2:-2], batch.targets * ~hidden)
    assert shown[:, 1:, :2].abs().sum() == 0


@pytest.mark.parametrize(("rounds", "share"), [(1, 1 / 2), (6, 11 / 12)])
def test_halos_know_of_each_other_in_rounds_alone(count_train: Make, rounds: int, share: float) -> None:
    """One halo in one of two cells: drawn apart, half of the pairs have two or none; in rounds, half of a sixth."""
    method, _ = opened(count_train(OCCUPATION | {"rounds": rounds}))
    halos, n = method.halos, 4000
    drawn = halos.drawn(torch.arange(n), (6, 5, 5), (2, 1, 1))

    def count(seen: Tensor) -> Tensor:
        """A halo for sure beside a cell that is known to have none, none beside one that has, else half of the time."""
        inner = seen[:, 1:, 2:4, 2:3, 2:3].flip(2) if rounds > 1 else torch.zeros(n, 3, 2, 1, 1)
        odds = torch.where(inner[:, -1:] > 0, 1 - inner[:, :1], 0.5)
        return (drawn.uniforms < odds).float()

    counts = halos.in_rounds(torch.zeros(n, 1, 6, 5, 5), drawn.normals[..., 2:4, 2:3, 2:3], count, is_box=False)
    assert float((counts[:, 0].sum((1, 2, 3)) == 1).float().mean()) == pytest.approx(share, abs=0.03)
