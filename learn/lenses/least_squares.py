"""Least squares by Levenberg and Marquardt, each step by conjugate gradients: a batch of problems side by side.

A problem is to find the z (B, N) of the smallest |residual(z)|^2 + |z - centre|^2: data, and white noise of a prior.
Madsen, Nielsen & Tingleff 2004, section 3.2; Nocedal & Wright 2006, algorithm 5.3. Knows nothing of lenses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

FIRST, EASED, RAISED = 1e-2, 1 / 4, 8.0
"""Damping at first, and its factor after a step that helped and after one that did not."""
TINY = 1e-20


class Linear(Protocol):
    """A residual (B, P) as it changes with z (B, N): minus the derivative of it, `forward`."""

    def forward(self, z: Tensor) -> Tensor:
        """(B, N) -> (B, P)."""
        ...

    def adjoint(self, u: Tensor) -> Tensor:
        """(B, P) -> (B, N)."""
        ...

    def preconditioned(self, z: Tensor, damping: Tensor) -> Tensor:
        """About the inverse of adjoint(forward(z)) + (1 + damping) z, symmetric; damping (B,)."""
        ...


class Problem(Protocol):
    """Data, and what they are held against."""

    def residual(self, z: Tensor) -> Tensor:
        """(B, N) -> (B, P), in standard deviations."""
        ...

    def linear(self, z: Tensor) -> Linear:
        """About z."""
        ...


@dataclass(frozen=True)
class Minimiser:
    """`n_steps`, each by `n_inner` conjugate gradients; those that do not help are not taken."""

    n_steps: int
    n_inner: int

    def __call__(self, problem: Problem, start: Tensor, centre: Tensor) -> Tensor:
        """Where it ends: nowhere worse than `start`."""
        z, damping = start, torch.full_like(start[:, 0], FIRST)
        residual = problem.residual(z)
        for _ in range(self.n_steps):
            tried = z + gauss_newton(problem.linear(z), residual, centre - z, damping, self.n_inner)
            found = problem.residual(tried)
            is_better = total(found, tried - centre) < total(residual, z - centre)
            damping = damping * torch.where(is_better, EASED, RAISED)
            z = torch.where(is_better[:, None], tried, z)
            residual = torch.where(is_better[:, None], found, residual)
        return z


def gauss_newton(linear: Linear, residual: Tensor, pull: Tensor, damping: Tensor, n_steps: int) -> Tensor:
    """A step (B, N) along which a residual (B, P) falls; `pull` (B, N) is the way to the centre."""
    more = 1 + damping[:, None]
    return conjugate_gradients(
        lambda z: linear.adjoint(linear.forward(z)) + more * z,
        linear.adjoint(residual) + pull,
        lambda z: linear.preconditioned(z, damping),
        n_steps,
    )


def total(residual: Tensor, moved: Tensor) -> Tensor:
    """(B,): what is to be small."""
    return residual.square().sum(1) + moved.square().sum(1)


def conjugate_gradients(
    operator: Callable[[Tensor], Tensor], target: Tensor, preconditioned: Callable[[Tensor], Tensor], n_steps: int
) -> Tensor:
    """About the z (B, N) whose `operator`, symmetric and positive, is `target`."""
    z, rest = torch.zeros_like(target), target
    along = near = preconditioned(rest)
    power = (rest * near).sum(1, keepdim=True)
    for _ in range(n_steps):
        answer = operator(along)
        length = power / (along * answer).sum(1, keepdim=True).clamp(min=TINY)
        z, rest = z + length * along, rest - length * answer
        near = preconditioned(rest)
        last, power = power, (rest * near).sum(1, keepdim=True)
        along = near + power / last.clamp(min=TINY) * along
    return z
