"""Estimates made to fit: the posterior's peak, and draws from it, near what a network has found.

The prior is the network's own answer and how far off it says that it is; the likelihood is exact. A draw is the peak
for data and a prior that are moved by their own noise (randomise then optimise, Bardsley et al. 2014; exact where the
forward operator is linear). Knows nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from learn.lenses.likelihood import Observation
from learn.methods.method import Nets
from learn.methods.rim import Estimate, Rim

BETAS = (0.9, 0.95)


class White(NamedTuple):
    """What moves a prior: white noise (B, m, m) of its source and (B, 11) of its lens."""

    source: Tensor
    lens: Tensor


@dataclass(frozen=True)
class Refiner:
    """`n_steps` of Adam at a rate that falls from `rate` to 0, in units of the prior's standard deviations."""

    rim: Rim
    nets: Nets
    n_steps: int
    rate: float = 0.1

    def peak(self, prior: Estimate, seen: Observation) -> White:
        """Of the most probable source and lens."""
        none = White(torch.zeros_like(prior.source), torch.zeros_like(prior.lens))
        return self._descended(prior, none, none, seen)

    def draw(self, prior: Estimate, peak: White, seen: Observation, rng: torch.Generator) -> White:
        """One of the posterior, found from its peak."""
        centre = White(*(torch.randn(x.shape, generator=rng) for x in peak))
        return self._descended(prior, peak, centre, noisy(seen, rng))

    def _descended(self, prior: Estimate, first: White, centre: White, seen: Observation) -> White:
        white = White(*(x.clone().requires_grad_() for x in first))
        optimizer = torch.optim.Adam(white, lr=self.rate, betas=BETAS)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.n_steps)
        for _ in range(self.n_steps):
            optimizer.zero_grad()
            improbable = sum((x - at).square().sum() for x, at in zip(white, centre, strict=True))
            misfit = self._misfit(prior.moved(*white), seen) + improbable
            (misfit / 2).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        return White(*(x.detach() for x in white))

    def _misfit(self, estimate: Estimate, seen: Observation) -> Tensor:
        return self.rim.residual(estimate, seen, self.nets).square().sum()


def noisy(seen: Observation, rng: torch.Generator) -> Observation:
    """With its noise once more."""
    sigma = torch.where(seen.weight > 0, 1 / seen.weight, 0.0)
    return replace(seen, image=seen.image + sigma * torch.randn(sigma.shape, generator=rng))
