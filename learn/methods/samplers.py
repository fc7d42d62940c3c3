"""From noise to a sample. A sampler is a row of a table; one loop runs them all.

Each step goes, in closed form, to where the field would be if its estimate x0 stayed as it is: samplers differ in whose
x0 that is (of this step, drawn on from the one before, or averaged with that of the end of the step) and in how much of
the noise is replaced by fresh one. Knows nothing of networks, of files or of what fields are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

Estimate = Callable[[Tensor, float, float], Tensor]
"""x0 of xt (B, ...) that holds so much signal and so much noise."""
Level = tuple[float, float]
"""Signal and noise."""


@dataclass(frozen=True)
class Sampler:
    """A row of the table."""

    fresh: float = 0.0  # share of the noise that a step of ancestral sampling would replace
    looks_back: bool = False  # draws x0 on from the step before
    looks_ahead: bool = False  # averages x0 with that at the end of the step: two evaluations


SAMPLERS: Mapping[str, Sampler] = {
    "ddpm": Sampler(fresh=1.0),
    "ddim": Sampler(),
    "dpmpp_2m": Sampler(looks_back=True),
    "heun": Sampler(looks_ahead=True),
}


@dataclass(frozen=True)
class Step:
    """xt -> keep xt + pull x0 + stir (fresh noise), x0 being that of this step with shares of two others."""

    start: Level
    end: Level
    keep: float
    pull: float
    stir: float
    back: float  # of the change of x0 since the step before
    ahead: float  # of the change of x0 to the end of the step


def plan(sampler: Sampler, levels: Sequence[Level]) -> list[Step]:
    """The steps between `levels`, before each step and after the last, where nothing but the field is left."""
    gaps = [gap(start, end) for start, end in pairwise(levels)]
    return [
        step(sampler, start, end, here=here, before=before)
        for (start, end), here, before in zip(pairwise(levels), gaps, [math.inf, *gaps], strict=False)
    ]


def step(sampler: Sampler, start: Level, end: Level, *, here: float, before: float) -> Step:
    """From one level to a less noisy one; `here` and `before` are the gaps of this step and of the one before it.

    Song et al. 2021, eq. 12 and 16; Lu et al. 2022, algorithm 2; Karras et al. 2022, algorithm 1, which begins with
    some signal: without, the plain mean of both ends takes its place. The last step is of first order in all.
    """
    (signal, noise), (more_signal, less_noise) = start, end
    stir = sampler.fresh * replaced(start, end)
    keep = math.sqrt(max(0.0, less_noise**2 - stir**2)) / noise
    back = here / before / 2 if sampler.looks_back and less_noise else 0.0
    ratio = noise * more_signal / (signal * less_noise) if signal and less_noise else 1.0
    ahead = ratio / 2 if sampler.looks_ahead and less_noise else 0.0
    return Step(start, end, keep, more_signal - keep * signal, stir, back, ahead)


def gap(start: Level, end: Level) -> float:
    """By how much ln(signal / noise) rises; infinite from no signal, and to no noise."""
    (signal, noise), (more_signal, less_noise) = start, end
    return math.log(more_signal * noise / (less_noise * signal)) if signal and less_noise else math.inf


def replaced(start: Level, end: Level) -> float:
    """Standard deviation of the noise at the end of a step that the field and the start of the step leave open."""
    (signal, noise), (more_signal, less_noise) = start, end
    return less_noise * math.sqrt(max(0.0, 1 - (signal * less_noise / (more_signal * noise)) ** 2))


def run(steps: Sequence[Step], estimate: Estimate, xt: Tensor, fresh: Callable[[], Tensor]) -> Tensor:
    """The sample that `steps` make of the noise `xt` (B, ...); `fresh` draws noise of its shape for those that stir."""
    last: Tensor | None = None
    for one in steps:
        x0 = estimate(xt, *one.start)
        aim = x0 if last is None or not one.back else x0 + one.back * (x0 - last)
        if one.ahead:
            aim = x0 + one.ahead * (estimate(one.keep * xt + one.pull * x0, *one.end) - x0)
        xt, last = one.keep * xt + one.pull * aim, x0
        if one.stir:
            xt = xt + one.stir * fresh()
    return xt


def n_evaluations(steps: Sequence[Step]) -> int:
    """How often `run` asks for an estimate."""
    return len(steps) + sum(one.ahead != 0 for one in steps)
