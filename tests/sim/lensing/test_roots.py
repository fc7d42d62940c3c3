from __future__ import annotations

import torch

from sim.lensing.roots import first_rise, last_rise, root


def test_each_root_is_found_between_its_ends() -> None:
    power = torch.linspace(0.2, 5, 40, dtype=torch.float64)
    found = root(lambda x: x**power - 0.5, torch.zeros_like(power), torch.full_like(power, 3.0))
    torch.testing.assert_close(found, 0.5 ** (1 / power), rtol=1e-11, atol=0)


def test_a_step_is_a_root_too_and_what_has_none_is_nan() -> None:
    low, high = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    edge = torch.tensor([0.3, 7.0], dtype=torch.float64)
    found = root(lambda x: torch.where(x < edge, -1.0, 1.0), low, high)
    torch.testing.assert_close(found[0], edge[0], rtol=0, atol=1e-11)
    assert torch.isnan(found[1])


def test_the_first_rise_is_the_innermost_and_the_last_the_outermost() -> None:
    values = torch.tensor([[1.0, -1, 1, -1, 1], [-1, -1, -1, -1, 1], [1, 1, 1, 1, -1]])
    assert first_rise(values).tolist() == [1, 3, -1]
    assert last_rise(values).tolist() == [3, 3, -1]
