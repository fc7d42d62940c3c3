"""The light of the lens galaxy: Sersic profiles about one centre and a constant, fitted beside the ring.

Pixels that stand above the fit are taken to be lensed light, or others' light, and left out of the next one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage, optimize

from configs.observing import Prepare
from sim.images.observation import Array, Mask, Observation, radii
from sim.images.sersic import Canvas, Sersic

N_ROUNDS = 6
MAX_REACH = 75
"""Pixels from the centre that are fitted, at most."""
STANDS_OUT = 3.0
"""Deviations above the fit, averaged over `SMOOTH` pixels, at which a pixel is left out."""
SMOOTH = 1.0
GROWN = 2
MODEL_ERROR = 0.02
"""Part of the brightness that Sersic profiles do not describe, added to the noise."""
CORE_ARCSEC = 0.3
CORE_PIXELS = 3.0
MOVES = 2.0
"""Pixels that the centre may move."""
N_OWN = 4
"""Parameters of a profile: ln r_e, n, e1, e2."""


@dataclass(frozen=True)
class Fit:
    """Profiles, their brightness at r_e, the constant, the centre, and the pixels that were fitted."""

    profiles: tuple[Sersic, ...]
    amplitudes: Array
    constant: float
    x: float
    y: float
    used: Mask

    def model(self, canvas: Canvas) -> Array:
        """(n, m), with the constant."""
        return np.asarray(np.tensordot(self.amplitudes, canvas.drawn(self.profiles, self.x, self.y), 1) + self.constant)


def modelled(seen: Observation, config: Prepare) -> Observation:
    """With the light of the lens, subtracted or not."""
    if config.lens_light == "keep" or seen.center is None:
        return seen
    fit, canvas = fitted(seen, config.n_profiles)
    model = fit.model(canvas)
    off = config.lens_light == "subtract"
    done = replace(seen, lens_light=model, image=seen.image - model if off else seen.image)
    if config.center == "brightness":
        done = replace(done, center=(fit.x, fit.y))
    numbers = {"LIGHTOFF": off, **_numbers(fit), **core_residual(seen, model, (fit.x, fit.y))}
    profiles = " and ".join(f"n {one.n:.2f}, r_e {one.r_e:.1f} pixels" for one in fit.profiles)
    text = f"{'subtracted' if off else 'fitted, not subtracted'}: {profiles}, about x {fit.x:.2f}, y {fit.y:.2f}; "
    text += f"core: residual {numbers['CORECHI']:.2f} of the noise, {100 * numbers['COREPART']:.1f} % of the light"
    return done.after("light", text, numbers)


def fitted(seen: Observation, n_profiles: int) -> tuple[Fit, Canvas]:
    """The fit, and what draws it. ValueError without a noise map; RuntimeError if nothing is left to be fitted."""
    canvas, center = Canvas(seen.image.shape, seen.psf), seen.center or seen.middle
    near = seen.mask & (radii(seen.mask.shape, center) <= MAX_REACH)
    core = radii(seen.mask.shape, center) <= core_radius(seen)
    start, used = _start(seen, center, 1), near
    for i in range(N_ROUNDS):
        if i == N_ROUNDS // 2 and n_profiles == 2:
            start = _split(start)
        start = _best(seen, canvas, used, start, center)
        fit = _solved(seen, canvas, used, start)
        used = near & (core | ~outstanding(seen, fit.model(canvas)))
        if used.sum() < 10 * len(start):
            raise RuntimeError(
                f"{seen.name}: lens_light: expected pixels to fit, got {used.sum()}; give lens_light=keep"
            )
    return replace(fit, used=used), canvas


def outstanding(seen: Observation, model: Array) -> Mask:
    """Pixels that are brighter than the model, and those about them."""
    error = np.hypot(seen.sigma, MODEL_ERROR * np.abs(model))
    excess = ndimage.gaussian_filter(np.where(seen.mask, (seen.image - model) / error, 0), SMOOTH)
    bright = excess * math.sqrt(4 * math.pi) * SMOOTH > STANDS_OUT
    sure = ndimage.binary_opening(bright, iterations=1)
    return np.asarray(ndimage.binary_dilation(sure, iterations=GROWN))


def core_radius(seen: Observation) -> float:
    """Of the circle [pixel] about the centre that always belongs to the galaxy."""
    return CORE_PIXELS if seen.pixel_size is None else max(CORE_PIXELS, CORE_ARCSEC / seen.pixel_size)


def core_residual(seen: Observation, model: Array, center: tuple[float, float]) -> dict[str, float]:
    """What the model leaves in the core: rms in noise, and the sum of its sizes over that of the light."""
    inside = radii(seen.mask.shape, center) <= core_radius(seen)
    left = (seen.image - model)[inside]
    part = float(np.abs(left).sum() / np.abs(seen.image[inside]).sum())
    return {"CORECHI": math.sqrt(float(np.square(left / seen.sigma[inside]).mean())), "COREPART": part}


def _best(seen: Observation, canvas: Canvas, used: Mask, start: Array, center: tuple[float, float]) -> Array:
    """The parameters (x, y, then those of the profiles) that leave least, amplitudes being solved for."""
    low, high = _bounds(len(start), center, max(seen.image.shape))
    inner = np.clip(start, low + 1e-6, high - 1e-6)
    found = optimize.least_squares(
        lambda p: _residual(seen, canvas, used, p), inner, bounds=(low, high), loss="soft_l1", max_nfev=25, x_scale=0.1
    )
    return np.asarray(found.x)


def _residual(seen: Observation, canvas: Canvas, used: Mask, parameters: Array) -> Array:
    basis, weight = _basis(seen, canvas, used, parameters)
    return np.asarray(basis.T @ _amplitudes(basis, weight * seen.image[used]) - weight * seen.image[used])


def _solved(seen: Observation, canvas: Canvas, used: Mask, parameters: Array) -> Fit:
    basis, weight = _basis(seen, canvas, used, parameters)
    *amplitudes, constant = _amplitudes(basis, weight * seen.image[used])
    x, y = map(float, parameters[:2])
    return Fit(tuple(_profiles(parameters)), np.array(amplitudes), float(constant), x, y, used)


def _basis(seen: Observation, canvas: Canvas, used: Mask, parameters: Array) -> tuple[Array, Array]:
    """Profiles and a constant (profiles + 1, pixels) over the errors, and one over the errors."""
    images = canvas.drawn(_profiles(parameters), float(parameters[0]), float(parameters[1]))
    weight = 1 / np.hypot(seen.sigma[used], MODEL_ERROR * np.abs(seen.image[used]))
    return np.vstack([images[:, used], np.ones((1, int(used.sum())))]) * weight, weight


def _amplitudes(basis: Array, data: Array) -> Array:
    """Least squares; profiles are not negative, the constant may be."""
    both = np.vstack([basis, -basis[-1:]])
    norm = np.linalg.norm(both, axis=1) + 1e-300
    q, r = np.linalg.qr((both / norm[:, None]).T)
    found = optimize.nnls(r, q.T @ data)[0] / norm
    return np.append(found[:-2], found[-2] - found[-1])


def _start(seen: Observation, center: tuple[float, float], n_profiles: int) -> Array:
    """A round de Vaucouleurs-like galaxy of a tenth of the frame."""
    return np.array([*center, *[math.log(max(seen.image.shape) / 10), 3.0, 0.0, 0.0] * n_profiles])


def _split(one: Array) -> Array:
    """Two profiles in the place of one: a compact and an extended one."""
    r_e, n, e1, e2 = one[2:]
    return np.array([*one[:2], r_e - 0.7, n, e1, e2, r_e + 0.5, 1.0, e1, e2])


def _profiles(parameters: Array) -> Sequence[Sersic]:
    own = parameters[2:].reshape(-1, N_OWN)
    return [Sersic(math.exp(log_r), n, e1, e2) for log_r, n, e1, e2 in own]


def _bounds(size: int, center: tuple[float, float], side: int) -> tuple[Array, Array]:
    n = (size - 2) // N_OWN
    low = [center[0] - MOVES, center[1] - MOVES, *[math.log(0.5), 0.5, -0.5, -0.5] * n]
    high = [center[0] + MOVES, center[1] + MOVES, *[math.log(side), 8.0, 0.5, 0.5] * n]
    return np.array(low), np.array(high)


def _numbers(fit: Fit) -> dict[str, float]:
    numbers: dict[str, float] = {"LIGHTX": fit.x, "LIGHTY": fit.y, "LIGHTCON": fit.constant}
    for i, (one, amplitude) in enumerate(zip(fit.profiles, fit.amplitudes, strict=True), 1):
        own = {"AMP": float(amplitude), "RE": one.r_e, "N": one.n, "E1": one.e1, "E2": one.e2}
        numbers |= {f"SER{i}{key}": value for key, value in own.items()}
    return numbers
