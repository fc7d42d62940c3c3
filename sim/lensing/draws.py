"""Systems of a family drawn from its priors: a function of (seed, index, attempt) and of nothing else.

Knows nothing of images: whether a system is one to keep is decided elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from configs import Cosmology, Lenses
from configs.galaxies import Sources
from configs.instruments import Instrument, Psf
from configs.lensing import MAX_SUBHALOS, Perturber, Subhalos
from configs.priors import Normal, Prior, Uniform, highest
from sim.cosmology import comoving_distance
from sim.lensing.truth import CLUMP, PSF_KINDS, SOURCE_KINDS, SUBHALO, TRUTH, Array, System
from sim.units import SPEED_OF_LIGHT

ARCSEC = math.pi / 180 / 3600
N_TURNS = 8
"""Ways to lay a square image."""

Numbers = Iterator[tuple[str, float]]
Rng = np.random.Generator


def value(prior: Prior, rng: Rng) -> float:
    """One number of `prior`; every distribution takes one uniform number of `rng`."""
    if isinstance(prior, float | int):
        return float(prior)
    u = float(rng.random())
    if isinstance(prior, Uniform):
        low, high = (math.log(prior.low), math.log(prior.high)) if prior.log else (prior.low, prior.high)
        drawn = low + (high - low) * u
        return math.exp(drawn) if prior.log else drawn
    if isinstance(prior, Normal):
        low, high = (float(ndtr((end - prior.mean) / prior.std)) for end in (prior.low, prior.high))
        return float(np.clip(prior.mean + prior.std * ndtri(low + (high - low) * u), prior.low, prior.high))
    return prior.choice[index_of(u, prior.weights or [1.0] * len(prior.choice))]


def index_of(u: float, weights: Sequence[float]) -> int:
    """Which of things with `weights` a uniform number stands for."""
    return int(np.searchsorted(np.cumsum(weights), u * sum(weights), side="right"))


def angle(rng: Rng) -> float:
    """Of an axis [rad]."""
    return float(rng.uniform(-math.pi / 2, math.pi / 2))


def place(radius: float, rng: Rng) -> tuple[float, float]:
    """At this distance in any direction."""
    turn = rng.uniform(0, 2 * math.pi)
    return radius * math.cos(turn), radius * math.sin(turn)


def system(config: Lenses, index: int, attempt: int) -> System:
    """System `index` of a family at its `attempt`; n_images and magnification are not known yet."""
    rng = np.random.default_rng([config.seed, index, attempt])
    told = dict.fromkeys(TRUTH, 0.0) | {"index": float(index), "attempt": float(attempt)}
    told |= lens(config, rng)
    told |= source(config.sources, told, rng)
    told |= light(config, told, rng)
    told |= observation(config.instruments, rng)
    behind = subhalos(config.mass.subhalos, told, rng)
    spots = clumps(config.sources, told, rng)
    told["n_subhalos"], told["n_clumps"] = float((behind[:, 0] > 0).sum()), float((spots[:, 0] > 0).sum())
    return System(told, behind, spots)


def lens(config: Lenses, rng: Rng) -> Numbers:
    """Redshifts and masses."""
    mass, z_lens, z_source = config.mass, value(config.z_lens, rng), value(config.z_source, rng)
    yield from (("z_lens", z_lens), ("z_source", z_source))
    if mass.sigma_v is None:
        theta_e = value(mass.theta_e or 0.0, rng)
    else:
        sigma_v = value(mass.sigma_v, rng)
        theta_e = einstein_radius(sigma_v, z_lens, z_source, config.cosmology)
        yield "sigma_v", sigma_v
    yield "theta_e", theta_e
    for name in ("slope", "q", "x", "y", "gamma"):
        yield name, value(getattr(mass, name), rng)
    yield from (("phi", angle(rng)), ("phi_gamma", angle(rng)))
    if mass.halo is not None:
        yield from (("kappa_s", value(mass.halo.kappa_s, rng)), ("r_s", value(mass.halo.r_s, rng)))
    if mass.line_of_sight is not None:
        yield from perturber(mass.line_of_sight, theta_e, (z_lens, z_source), config.cosmology, rng)


def einstein_radius(sigma_v: float, z_lens: float, z_source: float, cosmology: Cosmology) -> float:
    """Of an isothermal lens [arcsec]: 4 pi (sigma_v / c)^2 D_ls / D_s; 0 if the source is not behind it."""
    to_lens, to_source = (float(comoving_distance(cosmology, z)) for z in (z_lens, z_source))
    return 4 * math.pi * (sigma_v / SPEED_OF_LIGHT) ** 2 * max(0.0, 1 - to_lens / to_source) / ARCSEC


def perturber(
    config: Perturber, theta_e: float, redshifts: tuple[float, float], cosmology: Cosmology, rng: Rng
) -> Numbers:
    """A mass in another plane; behind the source it bends nothing."""
    size, z = value(config.theta_e, rng), value(config.redshift, rng)
    x, y = place(theta_e * value(config.radius, rng), rng)
    yield from (("x_los", x), ("y_los", y), ("z_los", z))
    if z < redshifts[1]:
        yield from (("theta_e_los", size), ("between_los", between(z, *redshifts, cosmology)))


def between(z: float, z_lens: float, z_source: float, cosmology: Cosmology) -> float:
    """D_ij D_s / (D_j D_is) of the nearer and the farther of two planes in a flat universe."""
    near, far, to_source = (float(comoving_distance(cosmology, one)) for one in (*sorted((z, z_lens)), z_source))
    return (1 - near / far) / (1 - near / to_source)


def subhalos(config: Subhalos | None, told: dict[str, float], rng: Rng) -> Array:
    """(s, 3), s the most that a lens of the family may have."""
    if config is None:
        return np.zeros((0, len(SUBHALO)))
    most = n_most(highest(config.number))
    n = min(int(rng.poisson(value(config.number, rng))), most)
    table = np.zeros((most, len(SUBHALO)))
    for row in table[:n]:
        x, y = place(told["theta_e"] * value(config.radius, rng), rng)
        row[:] = power_law(config, rng), told["x"] + x, told["y"] + y
    return table


def n_most(mean: float) -> int:
    """What a Poisson number of this mean hardly ever exceeds."""
    return min(MAX_SUBHALOS, math.ceil(mean + 5 * math.sqrt(mean)))


def power_law(config: Subhalos, rng: Rng) -> float:
    """An Einstein radius of dN / dm ~ m^slope, m ~ theta_e^1.5."""
    low, high = config.theta_e
    power = 1.5 * (config.slope + 1)
    u = float(rng.random())
    if power == 0:
        return low * (high / low) ** u
    return float((low**power + (high**power - low**power) * u) ** (1 / power))


def source(config: Sources, told: dict[str, float], rng: Rng) -> Numbers:
    """The galaxy behind."""
    kind = SOURCE_KINDS[index_of(float(rng.random()), [config.kinds.get(name, 0.0) for name in SOURCE_KINDS])]
    yield "source_kind", float(SOURCE_KINDS.index(kind))
    x, y = place(told["theta_e"] * value(config.offset, rng), rng)
    yield from (("source_x", told["x"] + x), ("source_y", told["y"] + y), ("source_phi", angle(rng)))
    r_e, index = value(config.r_e, rng), value(config.n, rng)
    yield from (("source_r_e", r_e), ("source_n", 1.0 if kind in ("spiral", "bulge_disc") else index))
    yield from (("source_magnitude", value(config.magnitude, rng)), ("source_q", value(config.q, rng)))
    if kind == "clumpy":
        yield "clump_share", value(config.clumps.share, rng)
    if kind == "spiral":
        yield from spiral(config, rng)
    if kind == "bulge_disc":
        yield from bulge(config, r_e, rng)
    if kind == "image":
        yield from (("source_image", float(rng.integers(2**31))), ("source_turn", float(rng.integers(N_TURNS))))


def spiral(config: Sources, rng: Rng) -> Numbers:
    yield "n_arms", float(round(value(config.arms.number, rng)))
    yield from (("arm_contrast", value(config.arms.contrast, rng)), ("winding", value(config.arms.winding, rng)))


def bulge(config: Sources, r_e: float, rng: Rng) -> Numbers:
    yield from (("bulge_share", value(config.bulge.share, rng)), ("bulge_r_e", r_e * value(config.bulge.size, rng)))
    yield from (("bulge_n", value(config.bulge.n, rng)), ("bulge_q", value(config.bulge.q, rng)))


def clumps(config: Sources, told: dict[str, float], rng: Rng) -> Array:
    """(c, 4), c the most that a source of the family may have; scattered like a Gaussian disc of its shape."""
    most = round(highest(config.clumps.number)) if config.kinds.get("clumpy", 0) > 0 else 0
    table = np.zeros((most, len(CLUMP)))
    if not told["clump_share"]:
        return table
    n, stretch = max(1, round(value(config.clumps.number, rng))), math.sqrt(told["source_q"])
    cos, sin = math.cos(told["source_phi"]), math.sin(told["source_phi"])
    for row in table[:n]:
        along, across = told["source_r_e"] * rng.standard_normal(2) / (stretch, 1 / stretch)
        size = told["source_r_e"] * value(config.clumps.size, rng)
        row[:] = rng.uniform(0.3, 1), size, along * cos - across * sin, along * sin + across * cos
    table[:, 0] /= table[:, 0].sum()
    return table


def light(config: Lenses, told: dict[str, float], rng: Rng) -> Numbers:
    """The light of the lens; an infinite magnitude if it has none."""
    if config.lens_light is None:
        yield from (("lens_magnitude", math.inf), ("lens_r_e", 1.0), ("lens_n", 1.0), ("lens_q", 1.0))
        return
    for name in ("magnitude", "r_e", "n", "q"):
        yield f"lens_{name}", value(getattr(config.lens_light, name), rng)
    yield "lens_phi", told["phi"] + value(config.lens_light.misalignment, rng)


def observation(instruments: Sequence[Instrument], rng: Rng) -> Numbers:
    """An instrument and what an exposure of it is like."""
    i = index_of(float(rng.random()), [one.weight for one in instruments])
    chosen = instruments[i]
    yield "instrument", float(i)
    for name in ("pixel_size", "source_field", "zero_point", "n_reads", "ray_charge"):
        yield name, float(getattr(chosen, name))
    for name in ("exposure_time", "read_noise", "sky_magnitude", "correlation", "cosmic_rays"):
        yield name, value(getattr(chosen, name), rng)
    yield from psf(chosen.psf, rng)


def psf(config: Psf, rng: Rng) -> Numbers:
    """A point spread function, and what the observer takes it for."""
    kind = config.kinds[int(rng.integers(len(config.kinds)))]
    fwhm, beta, e = (value(prior, rng) for prior in (config.fwhm, config.beta, config.ellipticity))
    turn, errors, known = 2 * angle(rng), rng.standard_normal(3), kind == "kernel"
    yield from (("psf_kind", float(PSF_KINDS.index(kind))), ("psf_fwhm", fwhm), ("psf_beta", beta))
    yield "assumed_fwhm", fwhm * (1 if known else float(np.clip(1 + config.fwhm_error * errors[0], 0.5, 1.5)))
    for name, part, error in zip(("e1", "e2"), (math.cos(turn), math.sin(turn)), errors[1:], strict=True):
        flat = e * part if kind == "moffat" else 0.0
        yield f"psf_{name}", flat
        yield f"assumed_{name}", flat + (config.ellipticity_error * float(error) if kind == "moffat" else 0.0)
