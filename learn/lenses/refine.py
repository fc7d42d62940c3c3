"""Estimates made to fit: the posterior's peak, and draws from it, near what a network has found.

The prior is the network's own answer and how far off it says that it is; the likelihood is exact. A draw is the peak
for data and a prior that are moved by their own noise (randomise then optimise, Bardsley et al. 2014; exact where the
forward operator is linear). Knows nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from learn.lenses.estimate import N_LENS, Estimate
from learn.lenses.fit import Fit
from learn.lenses.least_squares import Minimiser
from learn.lenses.likelihood import Observation
from learn.methods.rim import Rim

AGAIN = 3
"""A draw starts from the peak: one part in so many of its steps are enough."""


@dataclass(frozen=True)
class Refiner:
    """`n_steps` of Levenberg and Marquardt, source and lens at once."""

    rim: Rim
    n_steps: int

    def peak(self, prior: Estimate, seen: Observation) -> Tensor:
        """White noise (B, m^2 + 11) that moves the prior to the most probable source and lens."""
        none = prior.lens.new_zeros(len(prior.lens), prior.source[0].numel() + N_LENS)
        return Minimiser(self.n_steps)(self._fit(prior, seen), none, none)

    def draw(self, prior: Estimate, peak: Tensor, seen: Observation, rng: torch.Generator) -> Tensor:
        """One of the posterior, found from its peak."""
        centre = torch.randn(peak.shape, generator=rng)
        few = -(-self.n_steps // AGAIN)
        return Minimiser(few)(self._fit(prior, noisy(seen, rng)), peak, centre)

    def _fit(self, prior: Estimate, seen: Observation) -> Fit:
        return Fit(self.rim.physical, self.rim.exact(seen), prior, seen)


def noisy(seen: Observation, rng: torch.Generator) -> Observation:
    """With its noise once more."""
    sigma = torch.where(seen.weight > 0, 1 / seen.weight, 0.0)
    return replace(seen, image=seen.image + sigma * torch.randn(sigma.shape, generator=rng))
