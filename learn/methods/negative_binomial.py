"""The negative binomial distribution by its mean and dispersion: variance = mean + dispersion mean^2.

Dispersion 0 is Poisson's. Knows nothing of networks or of what is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special
from torch import Tensor

POISSON = 1e-7
"""A dispersion below it is none: the terms that it makes are lost in rounding."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class NegativeBinomial:
    """Means of counts and their dispersion, shapes alike; Poisson's without."""

    mean: Tensor
    dispersion: Tensor | None = None

    @property
    def variance(self) -> Tensor:
        return self.mean if self.dispersion is None else self.mean + self.dispersion * self.mean**2

    def log_likelihood(self, counts: Tensor) -> Tensor:
        """Natural logarithm of the probability of `counts`, in the precision of the mean."""
        return log_likelihood(counts, self.mean, self.dispersion)

    def quantiles(self, uniforms: Array) -> Array:
        """The count that each of `uniforms` in [0, 1) draws."""
        return quantiles(uniforms, array(self.mean), None if self.dispersion is None else array(self.dispersion))


def log_likelihood(counts: Tensor, mean: Tensor, dispersion: Tensor | None = None) -> Tensor:
    """Natural logarithm of the probability of `counts`, shapes alike; Poisson's without `dispersion`.

    With r = 1 / dispersion it is ln G(n + r) - ln G(r) - ln n! + r ln(r / (r + mean)) + n ln(mean / (r + mean)). In
    float64; of float32 input the answer is float32.
    """
    n, mu = counts.double(), mean.double()
    poisson = torch.xlogy(n, mu) - mu - torch.lgamma(n + 1)
    if dispersion is None:
        return poisson.to(mean.dtype)
    alpha = dispersion.double().clamp(min=POISSON)
    r = 1 / alpha
    spread = torch.log1p(alpha * mu)
    dispersed = torch.lgamma(n + r) - torch.lgamma(r) - torch.lgamma(n + 1) + torch.xlogy(n, alpha * mu)
    dispersed = dispersed - (r + n) * spread
    return torch.where(dispersion.double() > POISSON, dispersed, poisson).to(mean.dtype)


def quantiles(uniforms: Array, mean: Array, dispersion: Array | None = None) -> Array:
    """The least count whose cumulative probability reaches each of `uniforms` in [0, 1), shapes alike; nan of nan."""
    found = np.where(np.isnan(mean), np.nan, 0.0)
    alpha = np.zeros_like(mean) if dispersion is None else dispersion
    is_poisson = alpha <= POISSON
    with np.errstate(divide="ignore", invalid="ignore"):
        empty = np.where(is_poisson, np.exp(-mean), (1 + alpha * mean) ** (-1 / alpha))
    some = uniforms > empty  # most cells hold nothing, and are not worth a search
    plain, spread = some & is_poisson, some & ~is_poisson
    u, mu = uniforms[plain], mean[plain]
    found[plain] = least(u, special.pdtrik(u, mu), lambda n: special.pdtr(n, mu))
    u, r, p = uniforms[spread], 1 / alpha[spread], 1 / (1 + alpha[spread] * mean[spread])
    found[spread] = least(u, special.nbdtrik(u, r, p), lambda n: special.betainc(r, n + 1, p))
    return found


def least(uniforms: Array, near: Array, cumulative: Callable[[Array], Array]) -> Array:
    """The least count whose cumulative probability reaches `uniforms`; `near` is where a real number would."""
    above = np.ceil(near)
    below = np.maximum(above - 1, 0)
    return np.where(cumulative(below) >= uniforms, below, above)


def array(x: Tensor) -> Array:
    """In float64 on the CPU, without its gradient."""
    return x.detach().double().cpu().numpy()
