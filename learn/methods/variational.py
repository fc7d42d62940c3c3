"""Diffusion with a learned schedule of noise: which levels are trained, and visited by samplers, follows the errors.

The loss is the bound of variational diffusion in continuous time (Kingma et al. 2021, arXiv:2107.00630, eq. 17), an
integral of the error of the noise over ln(noise / signal). It is the same whatever the schedule; how much its estimate
from one level a map scatters is not, and the schedule that makes that least (there, section 5.1 and appendix I.2) draws
each level as often as its rms error is large. Here the shares of bins of ln(noise / signal) are learned by their
likelihood under weights that have that optimum, so no gradient has to pass through the denoiser. Knows nothing of the
training loop or of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from configs import Train
from configs import Variational as Config
from learn.data import About, Batch
from learn.methods.diffusion import N_LEVELS, NET, Condition, Diffusion, spread
from learn.methods.method import Metrics, Nets
from learn.methods.noise import Streams
from learn.methods.objectives import Ends, Times
from learn.methods.paths import Path
from learn.normalize import Normalizer

SCHEDULE = "schedule"
LEAST_SHARE = 0.1
"""Of the draws are spread evenly, whatever was learned: no level is forgotten."""


class Schedule(nn.Module):
    """Shares of equal bins of ln(noise / signal) between two ends, all alike before it has learned."""

    def __init__(self, low: float, high: float, n_bins: int) -> None:
        super().__init__()
        self.low, self.width = low, (high - low) / n_bins
        self.logits = nn.Parameter(torch.zeros(n_bins))

    def shares(self) -> Tensor:
        """Of the draws, (bins,)."""
        return (1 - LEAST_SHARE) * torch.softmax(self.logits, 0) + LEAST_SHARE / len(self.logits)

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers (B,) in [0, 1] -> ln(noise / signal), rising with them, and the logarithm of its density there.

        The gradient is that of the density at a level that stays where it is.
        """
        shares = self.shares()
        fixed = shares.detach().double()
        ends = fixed.cumsum(0)
        i = torch.searchsorted(ends, u.double().contiguous(), right=True).clamp(max=len(shares) - 1)
        within = (u.double() - (ends[i] - fixed[i])) / fixed[i]
        return self.low + self.width * (i + within.clamp(0, 1)), torch.log(shares[i] / self.width)


@dataclass(frozen=True)
class Learned:
    """The levels of a schedule as times of a path."""

    schedule: nn.Module
    path: Path

    def drawn(self, u: Tensor) -> Tensor:
        with torch.no_grad():
            return self.path.time_of(torch.exp(self.schedule(u)[0]))

    def grid(self, n: int, _ends: Ends) -> Tensor:
        """Equal shares of the draws, the first without signal, the last without noise."""
        device = next(self.schedule.parameters()).device
        u = torch.linspace(1, 0, n, dtype=torch.float64, device=device)
        times = torch.cat((self.drawn(u).cpu(), torch.zeros(1, dtype=torch.float64)))
        times[0] = 1.0
        return times


def unlikeness(bound: Tensor, log_density: Tensor) -> Tensor:
    """What a schedule descends: least where its density (B,) is as the rms of what makes up the `bound` (B,)."""
    weights = bound.square() / bound.square().mean()
    return -(weights * log_density).mean()


class Variational(Diffusion):
    """A denoiser, and beside it the schedule that it is trained and sampled with."""

    def __init__(self, config: Train, normalizer: Normalizer, about: About) -> None:
        super().__init__(config, normalizer, about)
        assert isinstance(config.method, Config)
        self.own = config.method

    def build(self) -> dict[str, nn.Module]:
        """A new network and an even schedule."""
        return {**super().build(), SCHEDULE: Schedule(*self.own.log_range, self.own.n_levels)}

    def phases(self, step: int) -> Sequence[str]:  # type: ignore[override]
        """The network; now and then the schedule after it."""
        return (NET,) if step % self.own.every else (NET, SCHEDULE)

    def times(self, nets: Nets | None = None) -> Times:
        """Those of the schedule in `nets`; those of a new one without."""
        schedule = Schedule(*self.own.log_range, self.own.n_levels) if nets is None else nets[SCHEDULE]
        return Learned(schedule, self.objective.path)

    def loss(self, phase: str, nets: Nets, batch: Batch) -> tuple[Tensor, Metrics]:
        """Of the network the bound, over the length of its integral; of the schedule how it scatters."""
        streams = Streams(batch.seeds)
        u, hidden = streams.uniform(), streams.uniform() < self.config.dropout
        if phase == NET:
            with torch.no_grad():
                at, log_density = nets[SCHEDULE](u)
            return self._bound(nets, batch, at, log_density, ~hidden, streams).mean(), {}
        at, log_density = nets[SCHEDULE](u)
        with torch.no_grad():
            bound = self._bound(nets, batch, at, log_density, ~hidden, streams)
        return unlikeness(bound, log_density), {"scatter": bound.std(correction=0) / bound.mean()}

    def validate(self, nets: Nets, batch: Batch) -> Metrics:
        """The bound with nothing hidden, at levels that spread evenly over those of training."""
        streams = Streams(batch.seeds)
        first, shown = streams.uniform(), torch.ones_like(batch.seeds, dtype=torch.bool)
        drawn = [nets[SCHEDULE]((first + i / N_LEVELS) % 1) for i in range(N_LEVELS)]
        bounds = [self._bound(nets, batch, at, log_density, shown, streams) for at, log_density in drawn]
        return {"loss": torch.stack(bounds).mean()}

    def _bound(
        self, nets: Nets, batch: Batch, at: Tensor, log_density: Tensor, shown: Tensor, streams: Streams
    ) -> Tensor:
        """Of each map (B,) what its level `at` [ln(noise / signal)] says of the integral, over its length."""
        x0 = self.normalizer.targets.forward(batch.targets, batch.inputs[:, :1])
        eps = streams.normal(tuple(x0.shape[1:]))
        t = self.objective.path.time_of(torch.exp(at))
        signal, noise = (share.to(x0.dtype) for share in (self.objective.path.signal(t), self.objective.path.noise(t)))
        xt = spread(signal, x0) * x0 + spread(noise, x0) * eps
        condition = Condition(*self._normalised(batch.inputs, batch.params), shown)
        wanted = self.objective.answer(x0, eps, spread(signal, x0), spread(noise, x0))
        miss = (self._answer(nets, xt, condition, signal, noise) - wanted).square().flatten(1).mean(1)
        # eps = signal v + noise xt: an error of the velocity is one of the noise, times the signal.
        length = self.own.log_range[1] - self.own.log_range[0]
        return signal.square() * miss / (torch.exp(log_density.to(x0.dtype)) * length)
