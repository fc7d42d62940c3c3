"""How many halos of each mass bin a cell holds: one of one bin, or none, and further ones of all.

With the occupation p_i of bin i, and p_0 = 1 - sum of p_i of none,

    P(n) = prod_i NB(n_i) [p_0 + sum_i p_i NB(n_i - 1) / NB(n_i)],
    mean_i = p_i + m_i,   variance_i = p_i (1 - p_i) + m_i + alpha_i m_i^2,   covariance_ij = -p_i p_j,

m and alpha being mean and dispersion of the further ones, a negative binomial number NB of each bin. Counts scatter
less than Poisson's where a cell surely holds a halo, even if its mass is not sure, and more where others crowd. It is
the split into central and satellite galaxies (Zheng et al. 2005, astro-ph/0408564), for the halos of a cell. Knows
nothing of networks or of what is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from learn.methods.negative_binomial import Array, NegativeBinomial, array

BELOW_ONE = np.nextafter(1.0, 0.0)


@dataclass(frozen=True)
class Occupation:
    """Log-odds ln (p_i / p_0) that the one halo is of bin i, and the distribution of the others: (B, bins, ...)."""

    log_odds: Tensor
    further: NegativeBinomial

    @property
    def log_shares(self) -> Tensor:
        """Of p_0 and p_i, (B, 1 + bins, ...)."""
        return torch.log_softmax(with_none(self.log_odds), dim=1)

    @property
    def mean(self) -> Tensor:
        return self.log_shares[:, 1:].exp() + self.further.mean

    @property
    def variance(self) -> Tensor:
        p = self.log_shares[:, 1:].exp()
        return p * (1 - p) + self.further.variance

    def log_likelihood(self, counts: Tensor) -> Tensor:
        """Natural logarithm of the probability of `counts` (B, bins, ...) together, (B, 1, ...)."""
        without = self.further.log_likelihood(counts)
        beside = self.further.log_likelihood((counts - 1).clamp(min=0)) - without
        terms = with_none(torch.where(counts > 0, beside, -torch.inf)) + self.log_shares
        return without.sum(1, keepdim=True) + torch.logsumexp(terms, dim=1, keepdim=True)

    def quantiles(self, uniforms: Array) -> Array:
        """The counts that `uniforms` (B, bins, ...) in [0, 1) draw; the first bin's say which bin the one halo is of.

        What is left of these, stretched over their share, is uniform again and draws the further ones of that bin.
        """
        ends = np.cumsum(array(self.log_shares.exp()), axis=1)
        first = uniforms[:, :1]
        chosen = (first >= ends[:, :-1]).sum(axis=1, keepdims=True)  # (B, 1, ...): 0 is none
        low = np.where(chosen > 0, np.take_along_axis(ends, np.maximum(chosen - 1, 0), axis=1), 0.0)
        left = (first - low) / (np.take_along_axis(ends, chosen, axis=1) - low)
        others = np.concatenate([np.clip(left, 0.0, BELOW_ONE), uniforms[:, 1:]], axis=1)
        bins = 1 + np.arange(uniforms.shape[1]).reshape(-1, *(1,) * (uniforms.ndim - 2))
        return self.further.quantiles(others) + (chosen == bins)


def with_none(x: Tensor) -> Tensor:
    """(B, bins, ...) behind a zero, (B, 1 + bins, ...)."""
    return torch.cat((torch.zeros_like(x[:, :1]), x), dim=1)
