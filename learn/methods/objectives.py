"""What a network is asked for: some mix of field and noise, from which the field it was shown follows.

The answer to xt = signal x0 + noise eps is a x0 + b eps; two equations, two unknowns. The objectives differ in (a, b),
in the noise levels that are trained and in those that a sampler visits. Fields have unit variance: the normaliser's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from configs import Diffusion as Config
from learn.methods.paths import Cosine, Path, Straight

LAST_WITH_SIGNAL = 0.99
"""Time at which samples begin where noise is what is predicted: without signal it says nothing of the field."""

Ends = tuple[float, float]
"""Noise over signal, of the least and the most noisy level."""
Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Times(Protocol):
    """The noise levels of training and of sampling."""

    def drawn(self, u: Tensor) -> Tensor:
        """Times of training, as a function of numbers even in [0, 1)."""
        ...

    def grid(self, n: int, ends: Ends) -> Tensor:
        """The n + 1 times between n steps, falling to 0; float64. Noise over signal is between `ends`, or beyond."""
        ...


@dataclass(frozen=True)
class Even:
    """In training all times alike, up to `last`."""

    path: Path
    last: float = 1.0

    def drawn(self, u: Tensor) -> Tensor:
        return self.last * u

    def grid(self, n: int, ends: Ends) -> Tensor:
        return even_in_log(self.path, n, ends, last=self.last)


@dataclass(frozen=True)
class LogNormal:
    """In training ln(noise / signal) is normal (Karras et al. 2022, table 1)."""

    path: Path
    mean: float
    std: float

    def drawn(self, u: Tensor) -> Tensor:
        return self.path.time_of(torch.exp(self.mean + self.std * torch.special.ndtri(u.clamp(min=1e-12))))

    def grid(self, n: int, ends: Ends) -> Tensor:
        return even_in_log(self.path, n, ends)


@dataclass(frozen=True)
class Partly:
    """A share of the draws even in ln(noise / signal) between `ends`, the others as `rest` has them."""

    rest: Times
    path: Path
    share: float
    ends: Ends

    def drawn(self, u: Tensor) -> Tensor:
        low, high = map(math.log, self.ends)
        even = self.path.time_of(torch.exp(low + (high - low) * u / self.share))
        return torch.where(u < self.share, even, self.rest.drawn((u - self.share).clamp(min=0) / (1 - self.share)))

    def grid(self, n: int, ends: Ends) -> Tensor:
        return self.rest.grid(n, ends)


def even_in_log(path: Path, n: int, ends: Ends, *, last: float = 1.0) -> Tensor:
    """`last`, then times even in ln(noise / signal) as if they had begun at the upper of `ends`, to the lower, then 0.

    Where `last` has less noise than that end they begin there.

    The rarest fields and pixels, many standard deviations high, are decided where noise is many times the signal:
    times even in the angle have one step there (Lu et al. 2022, section 3.3, has even steps for the rate of the rest).
    """
    start = torch.tensor(last, dtype=torch.float64)
    low, high = ends[0], min(ends[1], float(path.noise(start) / path.signal(start)))
    ratios = torch.linspace(math.log(high), math.log(low), n, dtype=torch.float64).exp()
    times = torch.cat((path.time_of(ratios), torch.zeros(1, dtype=torch.float64)))
    times[0] = last
    return times


@dataclass(frozen=True)
class Objective:
    """One algebra for all; signal and noise broadcast against the fields."""

    path: Path
    times: Times
    mix: Mix
    known: Mix | None = None  # shares of xt and of what the network says in the answer; None: it says all of it

    def completed(self, said: Tensor, xt: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
        """The answer to xt of a network that says no more than xt does not tell."""
        if self.known is None:
            return said
        keep, scale = self.known(signal, noise)
        return keep * xt + scale * said

    def answer(self, x0: Tensor, eps: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
        """What a network should answer."""
        a, b = self.mix(signal, noise)
        return a * x0 + b * eps

    def field(self, answer: Tensor, xt: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
        """The x0 that an answer to xt stands for."""
        a, b = self.mix(signal, noise)
        return (b * xt - noise * answer) / (signal * b - noise * a)


def eps(signal: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The noise (Ho et al. 2020)."""
    return torch.zeros_like(noise), torch.ones_like(signal)


def told(signal: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """On the turning path eps = noise xt + signal v: without much signal xt is the noise, and only v need be said.

    A network that had to say xt as well would err by a share of it, which 1 / signal magnifies in x0, step after step.
    """
    return noise, signal


def v(signal: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The velocity of the turning path (Salimans & Ho 2022)."""
    return -noise, signal


def edm(signal: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """F of Karras et al. 2022, eq. 7 and table 1: x0 = c_skip y + c_out F for y = xt / signal, sigma = noise / signal.

    c_in y is xt of the turning path, so F is finite, and means something, where the signal is 0.
    """
    size = torch.hypot(signal, noise)
    return noise / size, -signal / size


def flow(signal: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The velocity of the straight path, from field to noise (Lipman et al. 2023)."""
    return -torch.ones_like(noise), torch.ones_like(signal)


def objective_of(config: Config) -> Objective:
    """The objective that a configuration names, and the noise levels that it is trained at."""
    named = named_objective(config)
    if config.even == 0:
        return named
    return replace(named, times=Partly(named.times, named.path, config.even, config.sampler.noise_range))


def named_objective(config: Config) -> Objective:
    """An objective with the noise levels of the paper that it is from."""
    turning, straight = Cosine(), Straight()
    if config.objective == "flow":
        return Objective(straight, Even(straight), flow)
    if config.objective == "edm":
        return Objective(turning, LogNormal(turning, *config.log_noise), edm)
    if config.objective == "eps":
        return Objective(turning, Even(turning, LAST_WITH_SIGNAL), eps, told)
    return Objective(turning, Even(turning), v)
