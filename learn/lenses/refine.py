"""Estimates made to fit: the posterior's peak, and draws from it, near what a network has found.

The prior is the network's own answer and how far off it says that it is; the likelihood is exact. A draw is the peak
for data and a prior that are moved by their own noise (randomise then optimise, Bardsley et al. 2014; exact where the
forward operator is linear). Knows nothing of files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from learn.lenses.estimate import N_LENS, Estimate
from learn.lenses.fit import Fit
from learn.lenses.least_squares import Minimiser, gauss_newton, total
from learn.lenses.likelihood import Observation
from learn.methods.rim import Rim

N_STARTS = 6
"""Fits from which the best goes on: of the network's answer, and of draws of the lens that it may be off by."""
SHORT, AGAIN = 0.6, 0.35
"""Shares of the steps that such a fit takes, and a draw, which starts from the peak."""
N_PROBES = 4
"""Images of white noise by which it is measured how many numbers are fitted: to 3, of 50."""
N_INNER, N_ROUGH = 60, 30
"""Conjugate gradients of a step, and of one of the fits among which the best is chosen."""


@dataclass(frozen=True)
class Refiner:
    """`n_steps` of Levenberg and Marquardt, source and lens at once."""

    rim: Rim
    n_steps: int

    def peak(self, prior: Estimate, seen: Observation, rng: torch.Generator) -> Tensor:
        """White noise (B, m^2 + 12) that moves the prior to the most probable source and lens, of `N_STARTS` tries."""
        fit, none = self._fit(prior, seen), prior.lens.new_zeros(len(prior.lens), prior.source[0].numel() + N_LENS)
        rough = Minimiser(self._few(SHORT), N_ROUGH)
        best = rough(fit, none, none)
        for _ in range(N_STARTS - 1):
            start = none.clone()
            start[:, -N_LENS:] = torch.randn(prior.lens.shape, generator=rng)
            best = likelier(fit, best, rough(fit, start, none))
        return Minimiser(self.n_steps, N_INNER)(fit, best, none)

    def draw(self, prior: Estimate, peak: Tensor, seen: Observation, rng: torch.Generator) -> Tensor:
        """One of the posterior, found from its peak."""
        centre = torch.randn(peak.shape, generator=rng)
        return Minimiser(self._few(AGAIN), N_INNER)(self._fit(prior, noisy(seen, rng)), peak, centre)

    def n_fitted(self, prior: Estimate, peak: Tensor, seen: Observation, rng: torch.Generator) -> Tensor:
        """(B,): as how many free numbers a fit counts, the trace of what makes fitted images of given ones.

        By what it makes of white noise (Hutchinson 1990); of a prior that is right, chi^2 is expected to be the number
        of pixels less this.
        """
        linear, none = self._fit(prior, seen).linear(peak), torch.zeros_like(peak)
        made = torch.zeros_like(peak[:, 0])
        for _ in range(N_PROBES):
            noise = torch.randn(seen.weight.shape, generator=rng).where(seen.weight > 0, 0.0).flatten(1)
            made += (noise * linear.forward(gauss_newton(linear, noise, none, none[:, 0], N_INNER))).sum(1)
        return made / N_PROBES

    def _few(self, share: float) -> int:
        return math.ceil(share * self.n_steps)

    def _fit(self, prior: Estimate, seen: Observation) -> Fit:
        return Fit(self.rim.physical, self.rim.exact(seen), prior, seen)


def likelier(fit: Fit, one: Tensor, other: Tensor) -> Tensor:
    """The more probable of two (B, N), each by itself."""
    misfits = (total(fit.residual(z), z) for z in (one, other))
    return torch.where(torch.le(*misfits)[:, None], one, other)


def noisy(seen: Observation, rng: torch.Generator) -> Observation:
    """With its noise once more."""
    sigma = torch.where(seen.weight > 0, 1 / seen.weight, 0.0)
    return replace(seen, image=seen.image + sigma * torch.randn(sigma.shape, generator=rng))
