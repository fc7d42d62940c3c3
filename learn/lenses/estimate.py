"""What a machine says of a source and a lens, with how far off both may be. Knows shapes only."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from learn.lenses.correlated import correlated
from learn.lenses.latent import NAMES

N_LENS = len(NAMES)
N_FACTOR = N_LENS * (N_LENS + 1) // 2


@dataclass(frozen=True)
class Estimate:
    """Latent source (B, m, m) with its standard deviation, standardised lens (B, 12), and A (B, 12, 12).

    A is lower triangular: A (truth - lens) is white noise.
    """

    source: Tensor
    spread: Tensor
    lens: Tensor
    factor: Tensor

    def finer(self, n: int) -> Estimate:
        """With n x n pixels for each of the source, linear between their centres."""
        source, spread = (
            functional.interpolate(one[:, None], scale_factor=n, mode="bilinear", align_corners=False)[:, 0]
            for one in (self.source, self.spread)
        )
        return replace(self, source=source, spread=spread)

    def moved(self, source: Tensor, lens: Tensor) -> Estimate:
        """As white noise moves it: (B, m, m) the source, whose errors are correlated, and (B, 12) the lens."""
        by = torch.linalg.solve_triangular(self.factor, lens[..., None], upper=False)[..., 0]
        return replace(self, source=self.source + self.spread * correlated(source), lens=self.lens + by)

    def draw(self, rng: torch.Generator) -> Estimate:
        """As far off as it says that it may be."""
        white = (torch.randn(x.shape, generator=rng) for x in (self.source, self.lens))
        return self.moved(*white)


def triangular(numbers: Tensor) -> Tensor:
    """(B, 78) as lower triangular matrices (B, 12, 12) with a diagonal above 0."""
    rows, columns = torch.tril_indices(N_LENS, N_LENS)
    matrix = numbers.new_zeros(len(numbers), N_LENS, N_LENS)
    matrix[:, rows, columns] = numbers
    diagonal = torch.diagonal(matrix, dim1=1, dim2=2)
    return matrix - torch.diag_embed(diagonal) + torch.diag_embed(torch.exp(diagonal))
