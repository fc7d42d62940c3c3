"""Maps and cubes continued beyond their edges as on a torus, with a gradient that costs as little."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def wrapped(x: Tensor, n_dims: int) -> Tensor:
    """One pixel more on every side of the last `n_dims` axes, the same numbers as those of torch's circular padding.

    The gradient of that one, a copy of the whole for every side, takes twice as long where nothing is compiled.
    """
    if torch.is_grad_enabled() and x.requires_grad and not torch.compiler.is_compiling():
        return _Wrapped.apply(x, n_dims)  # type: ignore[no-untyped-call]
    return functional.pad(x, (1, 1) * n_dims, mode="circular")


class _Wrapped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, n_dims: int) -> Tensor:
        ctx.n_dims = n_dims
        for axis in range(-n_dims, 0):
            x = torch.cat((x.narrow(axis, -1, 1), x, x.narrow(axis, 0, 1)), axis)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        for axis in range(-1, -ctx.n_dims - 1, -1):
            n = gradient.shape[axis] - 2
            inner = gradient.narrow(axis, 1, n).clone()
            inner.narrow(axis, 0, 1).add_(gradient.narrow(axis, n + 1, 1))
            inner.narrow(axis, n - 1, 1).add_(gradient.narrow(axis, 0, 1))
            gradient = inner
        return gradient, None
