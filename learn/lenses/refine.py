"""Estimates made to fit: the posterior's peak, and draws from it, near what a network has found.

The prior is the network's own answer and how far off it says that it is; the likelihood is exact. A draw is the peak
for data and a prior that are moved by their own noise (randomise then optimise, Bardsley et al. 2014; exact where the
forward operator is linear). Knows nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from learn.lenses.latent import brightness
from learn.lenses.likelihood import Forward, Observation
from learn.methods.rim import Estimate, Rim

BETAS = (0.9, 0.95)


@dataclass(frozen=True)
class Refiner:
    """`n_steps` of Adam at a rate that falls from `rate` to 0, in units of the prior's standard deviations."""

    rim: Rim
    n_steps: int = 120
    rate: float = 0.3

    def peak(self, start: Estimate, seen: Observation) -> Estimate:
        """The most probable source and lens; ValueError never: what does not fit stays far off, as chi^2 says."""
        return self._descend(start, start, seen)

    def draws(self, start: Estimate, peak: Estimate, seen: Observation, n: int, rng: torch.Generator) -> list[Estimate]:
        """`n` draws about the peak."""
        return [self._descend(self._moved(start, rng), peak, self._noisy(seen, rng)) for _ in range(n)]

    def _descend(self, prior: Estimate, first: Estimate, seen: Observation) -> Estimate:
        source = ((first.source - prior.source) / prior.spread).detach().requires_grad_()
        lens = (prior.factor @ (first.lens - prior.lens)[..., None]).detach().requires_grad_()
        optimizer = torch.optim.Adam([source, lens], lr=self.rate, betas=BETAS)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.n_steps)
        for _ in range(self.n_steps):
            optimizer.zero_grad()
            found = self._estimate(prior, source, lens)
            misfit = self.residual(found, seen).square().sum() + source.square().sum() + lens.square().sum()
            (misfit / 2).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        return self._estimate(prior, source.detach(), lens.detach())

    def residual(self, estimate: Estimate, seen: Observation) -> Tensor:
        """Image less model, in standard deviations, (B, n, n)."""
        forward: Forward = self.rim.likelihood(seen)
        model = forward.image(brightness(estimate.source), self.rim.physical(estimate.lens), seen.psf)
        return (seen.image - model) * seen.weight

    def _estimate(self, prior: Estimate, source: Tensor, lens: Tensor) -> Estimate:
        moved = torch.linalg.solve_triangular(prior.factor, lens, upper=False)[..., 0]
        return replace(prior, source=prior.source + prior.spread * source, lens=prior.lens + moved)

    def _moved(self, prior: Estimate, rng: torch.Generator) -> Estimate:
        white = torch.randn(prior.source.shape, generator=rng), torch.randn((*prior.lens.shape, 1), generator=rng)
        return self._estimate(prior, *white)

    def _noisy(self, seen: Observation, rng: torch.Generator) -> Observation:
        sigma = torch.where(seen.weight > 0, 1 / seen.weight, 0.0)
        return replace(seen, image=seen.image + sigma * torch.randn(sigma.shape, generator=rng))
