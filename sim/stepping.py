"""When an N-body run steps, and the coefficients of each step. Knows nothing of particles or forces.

Time is the scale factor. The momentum is a^2 dx/dt / H0 [Mpc/h], the force is minus the gradient of the inverse
Laplacian of the density contrast [Mpc/h]. In second-order Lagrangian perturbation theory x = q + D psi + D2 psi2, so
with G = a^3 E dD/da the momentum is G (psi + dD2/dD psi2) and the force is D psi + (D2 - D^2) psi2 + ... Two
integrators, one form: drifts and kicks x += c p, p = keep p + c F, that keep orders of this solution at any length:

- FastPM (Feng et al. 2016, eq. 14 and 15), kick-drift-kick, exact at first order: drift (D1 - D0) / Gm with the
  momentum at the geometric mean, kick (G1 - G0) / Df with the force at f;
- BullFrog (Rampf, List & Hahn 2024, arXiv:2409.19049), drift-kick-drift, exact at second order too, but that a drift
  takes D2 for a parabola in D (1.3 % off in a single step from z=49 to 0): half of the way in D at each drift, and in
  between dx/dD = alpha dx/dD + (1 - alpha) F / D with alpha = (D2'1 - r) / (D2'0 - r), where
  r = (D2 + D2' (D - D0)) / D - D is the second-order force there over D.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from configs import Box, Cosmology
from sim.cosmology import growth, growth2, growth_rate, growth_rate2, hubble_rate


@dataclass(frozen=True)
class Step:
    """p += first F(x), x += drift p; F(x) anew; p = keep p + second F(x), x += last p. Ends at scale factor `a`.

    `output` is the redshift asked for that the step ends on.
    """

    first: float
    drift: float
    keep: float
    second: float
    last: float
    a: float
    output: float | None


def schedule(box: Box) -> list[Step]:
    """The n_steps of a run: each output redshift ends a step, and between two outputs the steps are equally long.

    ValueError when there are more outputs than steps.
    """
    outputs = [1 / (1 + z) for z in box.redshifts]
    knots = np.array([1 / (1 + box.z_initial), *outputs])
    counts = _share(box.n_steps, np.diff(_time(box, knots)))
    ends = dict(zip(np.cumsum(counts).tolist(), box.redshifts, strict=True))
    edges = [knots[:1]]
    for start, end, count in zip(knots, knots[1:], counts, strict=False):
        edges.append(_divide(box, start, end, count))
    a = np.concatenate(edges)
    step = _bullfrog if box.integrator == "bullfrog" else _fastpm
    return [step(box.cosmology, a[i], a[i + 1], ends.get(i + 1)) for i in range(box.n_steps)]


def _fastpm(cosmology: Cosmology, a0: float, a1: float, output: float | None) -> Step:
    a = np.array([a0, np.sqrt(a0 * a1), a1])
    (d0, _, d1), (g0, gm, g1) = growth(cosmology, a), momentum_growth(cosmology, a)
    drift, first, second = (d1 - d0) / gm, (gm - g0) / d0, (g1 - gm) / d1
    return Step(float(first), float(drift), 1.0, float(second), 0.0, float(a1), output)


def _bullfrog(cosmology: Cosmology, a0: float, a1: float, output: float | None) -> Step:
    a = np.array([a0, a1])
    (d0, d1), (g0, g1) = growth(cosmology, a), momentum_growth(cosmology, a)
    second, slope = growth2(cosmology, a), second_order_slope(cosmology, a)
    half = (d1 - d0) / 2
    middle = d0 + half
    force = (second[0] + slope[0] * half) / middle - middle
    alpha = (slope[1] - force) / (slope[0] - force)
    keep, kick = g1 / g0 * alpha, g1 * (1 - alpha) / middle
    return Step(0.0, float(half / g0), float(keep), float(kick), float(half / g1), float(a1), output)


def second_order_slope(cosmology: Cosmology, a: NDArray[np.float64]) -> NDArray[np.float64]:
    """dD2/dD."""
    rates = growth_rate2(cosmology, a) / growth_rate(cosmology, a)
    return growth2(cosmology, a) / growth(cosmology, a) * rates


def momentum_growth(cosmology: Cosmology, a: NDArray[np.float64]) -> NDArray[np.float64]:
    """G = a^3 E dD/da."""
    return a**2 * hubble_rate(cosmology, a) * growth(cosmology, a) * growth_rate(cosmology, a)


def _time(box: Box, a: NDArray[np.float64]) -> NDArray[np.float64]:
    """The variable in which steps are equally long."""
    if box.spacing == "growth":
        return growth(box.cosmology, a)
    return np.log(a) if box.spacing == "log_a" else a


def _divide(box: Box, start: float, end: float, count: int) -> NDArray[np.float64]:
    """Scale factors after `start` that divide the way to `end` in `count` equal steps of the time variable."""
    fine = np.exp(np.linspace(np.log(start), np.log(end), 4097))
    times = _time(box, fine)
    inner = np.interp(np.linspace(times[0], times[-1], count + 1)[1:-1], times, fine)
    return np.append(inner, end)


def _share(n_steps: int, lengths: NDArray[np.float64]) -> NDArray[np.int64]:
    """`n_steps` shared out in proportion to `lengths`, at least one each; the remainder goes where most is missing."""
    if n_steps < len(lengths):
        raise ValueError(f"n_steps: expected at least one step for each of {len(lengths)} redshifts, got {n_steps}")
    wanted = lengths / lengths.sum() * n_steps
    counts = np.maximum(1, np.floor(wanted).astype(np.int64))
    while counts.sum() != n_steps:
        short = counts.sum() < n_steps
        spare = np.where(counts > 1, counts - wanted, -np.inf)
        counts[np.argmax(wanted - counts) if short else np.argmax(spare)] += 1 if short else -1
    return counts
