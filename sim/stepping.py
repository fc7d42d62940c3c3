"""When an N-body run steps, and the coefficients of each step. Knows nothing of particles or forces.

Time is the scale factor. The momentum is a^2 dx/dt / H0 [Mpc/h], the force is minus the gradient of the inverse
Laplacian of the density contrast [Mpc/h]. In the Zel'dovich solution x = q + D psi, so the momentum is G psi with
G = a^3 E dD/da, and the force is D psi. The factors of FastPM (Feng et al. 2016, eq. 14 and 15) make a step exact for
it, however long:

    drift from a0 to a1 with the momentum at am:   x += p (D(a1) - D(a0)) / G(am)
    kick from a0 to a1 with the force at af:       p += F (G(a1) - G(a0)) / D(af)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from configs import Box, Cosmology
from sim.cosmology import growth, growth_rate, hubble_rate


@dataclass(frozen=True)
class Step:
    """Kick, drift, kick: p += first F, x += drift p, p += second F(x). Ends at scale factor `a`.

    `output` is the redshift asked for that the step ends on.
    """

    first: float
    drift: float
    second: float
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
    return [_step(box.cosmology, a[i], a[i + 1], ends.get(i + 1)) for i in range(box.n_steps)]


def _step(cosmology: Cosmology, a0: float, a1: float, output: float | None) -> Step:
    """The coefficients from a0 to a1; the momentum changes hands at the geometric mean."""
    a = np.array([a0, np.sqrt(a0 * a1), a1])
    (d0, _, d1), (g0, gm, g1) = growth(cosmology, a), momentum_growth(cosmology, a)
    return Step(float((gm - g0) / d0), float((d1 - d0) / gm), float((g1 - gm) / d1), float(a1), output)


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
