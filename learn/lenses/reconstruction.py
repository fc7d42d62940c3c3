"""One image of a lens inverted: what a machine says of it, as a record of numbers. Knows nothing of files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from configs.lens_model import LensModel
from configs.provenance import commit, provenance
from configs.reconstruction import Reconstruct
from learn.lenses import flags
from learn.lenses.framing import given, in_frame
from learn.lenses.inverter import Effort, Exposures, Floats, Inversion, Inverter
from learn.lenses.latent import LENS, NUISANCE, radii_of
from learn.lenses.lens_words import at_ends, learned_radii, lens_model
from sim.images.observation import Observation

FORMAT = 2


@dataclass(frozen=True)
class Reconstruction:
    """An image in the frame of a machine, the inversion of this one image in its unit, and the lens in words."""

    name: str
    seen: Observation
    found: Inversion
    lens: LensModel
    record: dict[str, Any]

    @property
    def half(self) -> float:
        """Of the side of the image [arcsec]."""
        return self.lens.field / 2

    @property
    def source_half(self) -> float:
        """Of the side of the source [arcsec]."""
        return float(self.found.source_pixel[0]) * len(self.found.source[0]) / 2


def reconstruction(
    name: str, prepared: Observation, machine: Inverter, config: Reconstruct, made: Mapping[str, Any]
) -> Reconstruction:
    """Of a prepared image; `made` says what it is made from. ValueError says what the image lacks.

    RuntimeError where the machine has no finite answer.
    """
    seen = in_frame(prepared, config, machine.n_pixels)
    found, raised = inverted(seen, machine, config)
    refuse_not_finite(name, found)
    lens = lens_model(name, seen, found, machine)
    return Reconstruction(name, seen, found, lens, record(lens, seen, found, raised, machine, made))


def inverted(seen: Observation, machine: Inverter, config: Reconstruct) -> tuple[Inversion, float]:
    """In the unit of the image, residuals by the noise that is told; and by how much that was raised."""
    told = given(seen)
    effort = Effort(config.n_iterations, config.n_refine, config.n_draws)
    exposures = Exposures(told.images, told.noise, told.psf, told.pixel_size)
    with one_thread():
        raised = noise_raised(machine, exposures, effort, config.seed)
        noisier = exposures._replace(noise=exposures.noise * np.float32(raised))
        found = machine.answer(noisier, effort, config.seed)
    lit = {name: getattr(found, name) * np.float32(told.unit) for name in ("source", "source_error", "model")}
    by_told = {"residual": found.residual * np.float32(raised), "chi2": found.chi2 * np.float32(raised**2)}
    return replace(found, **lit, **by_told), raised


def noise_raised(machine: Inverter, told: Exposures, effort: Effort, seed: int) -> float:
    """By how much noise is raised so that a first fit has a reduced chi2 of 1: at least 1, and 1 without a fit.

    What a model lacks is noise to it: else the source takes it up, and errors are too small.
    """
    if not effort.n_refine:
        return 1.0
    first = machine.answer(told, replace(effort, n_draws=0), seed)
    return float(np.sqrt(max(float(first.chi2[0]), 1.0)))


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums do not depend on the cores of a machine; an image is too small to be faster on more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def refuse_not_finite(name: str, found: Inversion) -> None:
    for what in ("source", "source_error", "lens", "draws", "model"):
        if not np.isfinite(getattr(found, what)).all():
            raise RuntimeError(f"{name}: expected a finite {what.replace('_', ' ')}, got one that is not")


def record(
    lens: LensModel, seen: Observation, found: Inversion, raised: float, machine: Inverter, made: Mapping[str, Any]
) -> dict[str, Any]:
    """What NAME_parameters.json holds; angles in arcsec. The noise was `raised` by a factor."""
    return {
        "format": FORMAT,
        "name": lens.name,
        "lens_model": json.loads(lens.model_dump_json()),
        "theta_e": spread(radii_of(found.lens)[0], radii_of(found.draws)[:, 0]),
        "chi2": float(found.chi2[0]),
        "n_fitted": float(found.n_fitted[0]),
        "noise_raised": raised,
        "n_used": int(seen.mask.sum()),
        "nuisance": nuisance(found),
        "flags": flagged(lens, seen, found, machine),
        "frame": {"n_pixels": lens.n_pixels, "pixel_size": lens.pixel_size, "field": lens.field, "unit": seen.unit},
        "source": {"n_pixels": found.source.shape[-1], "pixel_size": float(found.source_pixel[0])},
        "preparation": {
            "steps": [{"name": one.name, "text": one.text, "numbers": plain(one.numbers)} for one in seen.history],
            "warnings": list(seen.warnings),
        },
        "machine": {"step": machine.meta.step, "commit": machine.meta.commit},
        "made": dict(made),
        **provenance(),
    }


def flagged(lens: LensModel, seen: Observation, found: Inversion, machine: Inverter) -> dict[str, str]:
    """By name."""
    size = lens.pixel_size
    kinds = [one.kind for one in lens.components]
    ended = [f"{name} of the {kinds[i]}" for i, name, one in lens.parameters() if one.at_bound]
    ended += [name for name in NUISANCE if name in at_ends(found, machine, size)]
    return {
        **flags.of_bounds(ended),
        **flags.of_chi2(float(found.chi2[0])),
        **flags.of_radius(float(found.lens[0, 0]), learned_radii(machine, size)),
        **flags.of_source(found.source[0]),
        **flags.of_image(seen),
    }


def nuisance(found: Inversion) -> dict[str, Any]:
    """True over assumed width of the point spread function, and noise."""
    best, draws = (np.exp(x[..., len(LENS) :].astype(np.float64)) for x in (found.lens[0], found.draws[:, 0]))
    return {name: spread(best[i], draws[:, i]) for i, name in enumerate(NUISANCE)}


def spread(value: float, draws: Floats | np.ndarray) -> dict[str, float]:
    """A value, its standard deviation and the central 68 % of its draws."""
    low, high = np.quantile(draws.astype(np.float64), (0.16, 0.84))
    error = float(draws.std(ddof=1, dtype=np.float64))
    return {"value": float(value), "error": error, "quantile_16": float(low), "quantile_84": float(high)}


def plain(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Null for what JSON has no number for."""
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in numbers.items()
    }


def told(made: Reconstruction) -> list[str]:
    """How it was made, in lines that a FITS header has room for."""
    options = made.record["made"]["options"]
    effort = ", ".join(f"{name} {options[name]}" for name in ("n_iterations", "n_refine", "n_draws", "seed"))
    sha256 = made.record["made"]["weights_sha256"]
    return [f"inverted: {effort}", f"machine {sha256}", f"commit {commit()}"]
