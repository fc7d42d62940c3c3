"""Angular power spectra of the convergence: of a map, by Limber's integral, and of what mass planes can show of it.

Flat sky: a mode l of the sky is a mode k = l / chi of the matter. Knows nothing of particles or of files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import RectBivariateSpline

from configs import Box, Cosmology
from sim.efficiency import Sources, sources_of
from sim.lightcone import Plane, cone_of, planes, redshift_at
from sim.power import nonlinear_powers

Array = NDArray[np.float64]
Power = Callable[[Array, float], Array]
"""P(k, z) in (Mpc/h)^3 at k [h/Mpc] of any shape."""

N_REDSHIFTS = 17
_N_CHI = 400
_N_ANGLES = 64
_N_ALONG = 8
"""Modes along the line of sight that are kept, in units of box over plane: the rest is below 1e-3 of the power."""


@dataclass(frozen=True)
class AngularPower:
    """C(l) in bins that hold modes: ell the mean over the bin, cl, n_modes (both of +-l)."""

    ell: Array
    cl: Array
    n_modes: NDArray[np.int64]


@dataclass(frozen=True)
class Expected:
    """C(l) of the planes of a box: `signal`, and `noise` of its particles if they were thrown at random."""

    signal: Array
    noise: Array


def measured(kappa: NDArray[np.floating], field_deg: float, edges: ArrayLike, *, taper: float = 0.1) -> AngularPower:
    """C(l) of a square map (n, n) in bins between `edges` of l.

    The map is not periodic: it falls as a cosine to zero over `taper` of its side at each edge, and C is divided by
    the mean square of that window.
    """
    n, side = len(kappa), np.deg2rad(field_deg)
    window = tapered(n, taper)
    mask = window[:, None] * window
    field = kappa - float((mask * kappa).sum() / mask.sum())
    modes = scipy.fft.rfft2(mask * field) * (side / n) ** 2
    power = np.abs(modes) ** 2 / (side**2 * float((mask**2).mean()))
    ell = 2 * np.pi / side * np.hypot(np.fft.fftfreq(n, 1 / n)[:, None], np.arange(n // 2 + 1))
    both = np.full(ell.shape, 2.0)
    both[:, 0] = both[:, n // 2] = 1
    bins = np.asarray(edges, np.float64)
    sums = [np.histogram(ell, bins, weights=both * part)[0] for part in (np.ones_like(ell), ell, power)]
    held = sums[0] > 0
    n_modes, total_ell, total = (part[held] for part in sums)
    return AngularPower(total_ell / n_modes, total / n_modes, n_modes.astype(np.int64))


def tapered(n: int, share: float) -> Array:
    """One, but a rising and a falling half cosine over `share` of the n points at either end."""
    distance = np.minimum(np.arange(n) + 0.5, n - 0.5 - np.arange(n)) / max(share * n, 1e-9)
    return 0.5 - 0.5 * np.cos(np.pi * np.minimum(distance, 1))


def limber(ell: Array, sources: Sources, power: Power, *, nearest: float = 1.0) -> Array:
    """C(l) = integral of (W / chi)^2 P(l / chi, z) dchi from `nearest` [Mpc/h] to the farthest source."""
    x, weights = np.polynomial.legendre.leggauss(_N_CHI)
    chi = nearest + 0.5 * (sources.chi - nearest) * (x + 1)
    z = redshift_at(sources.cosmology, chi)
    share = 0.5 * (sources.chi - nearest) * weights * (sources.kernel(chi) / chi) ** 2
    return np.sum([w * power(ell / r, float(at)) for w, r, at in zip(share, chi, z, strict=True)], axis=0)


def nonlinear(cosmology: Cosmology, z_max: float, feedback: float | None = None) -> Power:
    """HMCode2020 of CAMB as a smooth function of k and of z up to `z_max`; a power law of k beyond its table."""
    z = z_max * np.linspace(0, 1, N_REDSHIFTS)
    tables = nonlinear_powers(cosmology, z.tolist(), feedback)
    log_k = np.log(tables[0].k)
    log_pk = RectBivariateSpline(z, log_k, np.log([table.pk for table in tables]))

    def power(k: Array, at: float) -> Array:
        wanted = np.log(k)
        inside = np.clip(wanted, log_k[0], log_k[-1])
        value = log_pk(at, inside, grid=False)
        beyond = wanted != inside
        value[beyond] += log_pk(at, inside[beyond], dy=1, grid=False) * (wanted - inside)[beyond]
        return np.exp(value)

    return power


def expected(ell: Array, box: Box, power: Power, *, smoothed: bool = True) -> Expected:
    """C(l) that the planes of a periodic box show of matter with `power`.

    A plane is a top hat `depth` deep cut out of a periodic box, so its modes are the sum over the modes m along the
    line of sight of P(k) sinc^2(m depth / L) / L (the finite shells of Takahashi et al. 2017, app. B, for a box);
    planes of one repetition are correlated. `smoothed`: by the CIC of the planes and by the bilinear sampling.
    """
    sources, signal, noise = sources_of(box), np.zeros(len(ell)), np.zeros(len(ell))
    cell = box.box_size / cone_of(box).plane_pixels
    shot = (box.box_size / box.n_particles) ** 3
    for repetition in _repetitions(planes(box)):
        for i, plane in enumerate(repetition):
            weight = sources.weight(plane)
            window, white = _windows(ell / plane.chi, cell) if smoothed else (1.0, 1.0)
            noise += (weight / plane.chi) ** 2 * shot / plane.depth * white
            for other in repetition[i:]:
                pair = (1 if other is plane else 2) * weight * sources.weight(other) / (plane.chi * other.chi)
                signal += pair * window * _between(ell, plane, other, box.box_size, power)
    return Expected(signal, noise)


def _repetitions(all_planes: Sequence[Plane]) -> list[list[Plane]]:
    """Planes of the same repetition of the box together."""
    found: dict[int, list[Plane]] = {}
    for plane in all_planes:
        found.setdefault(plane.repetition, []).append(plane)
    return list(found.values())


def _between(ell: Array, plane: Plane, other: Plane, box_size: float, power: Power) -> Array:
    """Power of the contrast of two planes of a repetition, or of one with itself [(Mpc/h)^2], at k = l / chi."""
    across = ell / np.sqrt(plane.chi * other.chi)
    m = np.arange(_N_ALONG * plane.n_layers + 1)
    shape = np.sinc(m / plane.n_layers) ** 2 * np.cos(2 * np.pi * m * (other.layer - plane.layer) / plane.n_layers)
    shape = shape * np.where(m == 0, 1, 2) / box_size
    used = np.flatnonzero(np.abs(shape) > 1e-12 / box_size)
    k = np.hypot(across[:, None], 2 * np.pi * m[used] / box_size)
    return power(k, 1 / np.sqrt(plane.a * other.a) - 1) @ shape[used]


def _windows(k: Array, cell: float) -> tuple[Array, Array]:
    """What CIC and bilinear sampling on cells [Mpc/h] leave of the power and of white noise, over all directions."""
    phi = (np.arange(_N_ANGLES) + 0.5) * (0.5 * np.pi / _N_ANGLES)
    x = k[:, None] * cell / (2 * np.pi) * np.cos(phi)
    y = k[:, None] * cell / (2 * np.pi) * np.sin(phi)
    once = (np.sinc(x) * np.sinc(y)) ** 4
    aliased = (1 - 2 / 3 * np.sin(np.pi * x) ** 2) * (1 - 2 / 3 * np.sin(np.pi * y) ** 2)
    return (once**2).mean(axis=1), (once * aliased).mean(axis=1)
