"""Least squares, against solutions in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from learn.lenses.least_squares import Minimiser, conjugate_gradients, total

B, P, N = 3, 9, 5


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


@dataclass(frozen=True)
class Matrix:
    """A residual that changes by the same matrices (B, P, N) everywhere."""

    values: Tensor

    def forward(self, z: Tensor) -> Tensor:
        return (self.values @ z[..., None])[..., 0]

    def adjoint(self, u: Tensor) -> Tensor:
        return (self.values.mT @ u[..., None])[..., 0]

    def preconditioned(self, z: Tensor, damping: Tensor) -> Tensor:
        return z / (1 + damping[:, None] + self.values.square().sum(1))


@dataclass(frozen=True)
class Straight:
    """Data that are linear in z."""

    matrix: Matrix
    data: Tensor

    def residual(self, z: Tensor) -> Tensor:
        return self.data - self.matrix.forward(z)

    def linear(self, _z: Tensor) -> Matrix:
        return self.matrix


@dataclass(frozen=True)
class Bent:
    """Rosenbrock's valley: 10 (y - x^2) and 1 - x."""

    def residual(self, z: Tensor) -> Tensor:
        x, y = z.unbind(1)
        return torch.stack((10 * (y - x.square()), 1 - x), dim=1)

    def linear(self, z: Tensor) -> Matrix:
        x, none = z[:, 0], torch.zeros(len(z), dtype=z.dtype)
        rows = (torch.stack((20 * x, none - 10), dim=1), torch.stack((none + 1, none), dim=1))
        return Matrix(torch.stack(rows, dim=1))


def test_conjugate_gradients_solve_as_many_equations_as_steps() -> None:
    root = random(B, N, N)
    matrix, target = root @ root.mT + torch.eye(N), random(B, N)
    found = conjugate_gradients(lambda z: (matrix @ z[..., None])[..., 0], target, lambda z: z / 2, N)
    torch.testing.assert_close(found, torch.linalg.solve(matrix, target))


def test_a_linear_problem_has_the_posterior_mean_of_a_normal_law() -> None:
    matrix, data, centre = Matrix(random(B, P, N)), random(B, P), random(B, N)
    found = Minimiser(12, N)(Straight(matrix, data), torch.zeros(B, N, dtype=torch.float64), centre)
    precision = matrix.values.mT @ matrix.values + torch.eye(N)
    torch.testing.assert_close(
        found, torch.linalg.solve(precision, matrix.adjoint(data) + centre), rtol=1e-6, atol=1e-7
    )


def test_a_curved_valley_is_followed_to_where_the_slope_vanishes() -> None:
    start = torch.tensor([[-1.2, 1.0], [2.0, -1.0]], dtype=torch.float64)
    problem, centre = Bent(), torch.zeros(2, 2, dtype=torch.float64)
    z = Minimiser(60, 2)(problem, start, centre).requires_grad_()
    (slope,) = torch.autograd.grad(total(problem.residual(z), z).sum(), z)
    assert slope.abs().max() < 1e-4


def test_it_ends_nowhere_worse_than_it_starts() -> None:
    """Also where steps by a wrong derivative are worse: they are not taken."""

    class Wrong(Bent):
        def linear(self, z: Tensor) -> Matrix:
            return Matrix(-super().linear(z).values)

    start = torch.tensor([[-1.2, 1.0]], dtype=torch.float64)
    found = Minimiser(3, 2)(Wrong(), start, start)
    assert total(Wrong().residual(found), found - start) <= total(Wrong().residual(start), start - start)


@pytest.mark.parametrize("n_steps", [1, 3])
def test_each_problem_of_a_batch_is_its_own(n_steps: int) -> None:
    matrix, data = Matrix(random(B, P, N)), random(B, P)
    none = torch.zeros(B, N, dtype=torch.float64)
    together = Minimiser(n_steps, 3)(Straight(matrix, data), none, none)
    alone = [
        Minimiser(n_steps, 3)(Straight(Matrix(matrix.values[i : i + 1]), data[i : i + 1]), none[:1], none[:1])
        for i in range(B)
    ]
    torch.testing.assert_close(together, torch.cat(alone))
