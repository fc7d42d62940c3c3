from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from learn.nets.torus import wrapped


@pytest.mark.parametrize("sides", [(4, 3), (3, 2, 1), (1, 3)])
def test_edges_go_round_and_so_do_gradients(sides: tuple[int, ...]) -> None:
    n_dims, generator = len(sides), torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, *sides, generator=generator, dtype=torch.float64, requires_grad=True)
    found, expected = wrapped(x, n_dims), functional.pad(x, (1, 1) * n_dims, mode="circular")
    assert torch.equal(found, expected)
    assert torch.equal(wrapped(x.detach(), n_dims), expected)
    weights = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    (own,), (true,) = (torch.autograd.grad(one, x, weights) for one in (found, expected))
    torch.testing.assert_close(own, true, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradgradcheck(lambda y: wrapped(y, n_dims).square(), x)
