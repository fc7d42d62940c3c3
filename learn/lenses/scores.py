"""How recovered sources and lenses compare with the true ones: numbers a system, that a blank frame cannot score.

Sources are those of `learn.lenses.inverter.Inversion`, (B, m, m). Knows nothing of networks or of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.image import structural_similarity_index_measure

from learn.data import Batch
from learn.lenses.alignment import aligned
from learn.lenses.inverter import Floats, in_frames
from learn.lenses.known import Known
from learn.lenses.latent import NAMES
from learn.lenses.likelihood import FRAME

Array = NDArray[np.floating]
BRIGHT = 0.05
"""Of the peak of a source, above which a pixel is one of it."""


class Answer(NamedTuple):
    """What a method makes of images: sources (B, m, m), lenses (B, 12), models (B, n, n); None: it says nothing of it.

    Einstein radii (B,) [arcsec] are of the whole lens; seconds are of a CPU, for an image. The model counts as
    `n_fitted` free numbers (B,).
    """

    source: Floats | None = None
    lens: Floats | None = None
    einstein_radius: Floats | None = None
    model: Floats | None = None
    seconds: float | None = None
    n_fitted: Floats | float = 0.0


NUMBERS = (
    *("source_mse", "r", "flux_ratio", "weighted_error", "ssim", "aligned_mse", "aligned_r"),
    *("theta_e", "power_law", "slope", "axis_ratio", "shear", "centre", "chi2", "seconds"),
)
"""Of every system; nan where a method says nothing of it."""


def scored(answer: Answer, batch: Batch, known: Known) -> dict[str, Array]:
    """`NUMBERS` by name, each (B,)."""
    found = {name: np.full(len(batch), np.nan) for name in NUMBERS}
    if answer.source is not None:
        weights = known.adjoint.magnification.double().numpy()
        truth = batch.targets[:, 0].double().numpy()
        found |= source_scores(on_pixels_of(truth, answer.source), truth, weights)
        if answer.lens is not None:
            moved = source_scores(on_pixels_of(truth, in_true_plane(answer.source, answer.lens, known)), truth, weights)
            found |= {f"aligned_{name}": moved[of] for name, of in (("mse", "source_mse"), ("r", "r"))}
    if answer.lens is not None and answer.einstein_radius is not None:
        own, true = (named(x) for x in (answer.lens, known.lens))
        radii = {"theta_e": answer.einstein_radius}, {"theta_e": known.einstein_radius}
        found |= lens_scores(own | radii[0], true | radii[1])
        found["power_law"] = own["theta_e"] / true["theta_e"] - 1
    if answer.model is not None:
        found["chi2"] = chi2(answer.model, batch, known, answer.n_fitted)
    if answer.seconds is not None:
        found["seconds"][:] = answer.seconds
    return found


def on_pixels_of(truth: Array, source: Array) -> Array:
    """Means of the pixels of a source (B, m k, m k) within those of the truth (B, m, m)."""
    n, m = truth.shape[:2]
    k = source.shape[-1] // m
    return np.asarray(source.astype(np.float64).reshape(n, m, k, m, k).mean((2, 4)))


def in_true_plane(source: Floats, lens: Floats, known: Known) -> Array:
    """Sources (B, m, m) that were found with these lenses, by `learn.lenses.alignment`."""
    light = torch.from_numpy(known.image)
    told = in_frames(lens, known.pixel_size * light.shape[-1] / FRAME)
    return aligned(torch.from_numpy(source), told, known.rays, light, known.field).double().numpy()


def chi2(model: Array, batch: Batch, known: Known, n_fitted: Array | float) -> Array:
    """Reduced, of each image (B,), by its true noise: the noise that is told may be wrong."""
    image, noise, _ = (x.double().numpy() for x in batch.inputs.unbind(1))
    seen = np.isfinite(noise)
    squares = np.square(np.where(seen, (image - model) / (noise * known.noise[:, None, None]), 0.0))
    return np.asarray(squares.sum((1, 2)) / (seen.sum((1, 2)) - n_fitted))


def named(lens: Array) -> dict[str, Array]:
    """Numbers (B, 12) of lenses by name."""
    return dict(zip(NAMES, lens.T.astype(np.float64), strict=True))


def source_scores(found: Array, truth: Array, magnification: Array) -> dict[str, Array]:
    """Of sources (B, m, m), each true one having a peak of 1; `magnification` of each pixel, of any scale.

    source_mse and r are of the pixels of the source, flux_ratio of the field; weighted_error is the relative squared
    error weighted by magnification: of what an image shows.
    """
    peak = truth.max((1, 2), keepdims=True)
    found, truth = found / peak, truth / peak
    inside = truth > BRIGHT
    squares = np.square(found - truth)
    n_inside = inside.sum((1, 2))
    power = np.maximum((magnification * np.square(truth)).sum((1, 2)), 1e-30)
    return {
        "source_mse": (squares * inside).sum((1, 2)) / n_inside,
        "r": correlations(found, truth, inside),
        "flux_ratio": found.sum((1, 2)) / truth.sum((1, 2)),
        "weighted_error": (magnification * squares).sum((1, 2)) / power,
        "ssim": similarity(found, truth),
    }


def correlations(found: Array, truth: Array, inside: NDArray[np.bool_]) -> Array:
    """Pearson's coefficient over the pixels `inside` of each map (B,); 0 where one of both does not vary."""
    n = inside.sum((1, 2), keepdims=True)
    off = [(x - (x * inside).sum((1, 2), keepdims=True) / n) * inside for x in (found, truth)]
    scatter = np.sqrt(np.square(off[0]).sum((1, 2)) * np.square(off[1]).sum((1, 2)))
    product = (off[0] * off[1]).sum((1, 2))
    return np.divide(product, scatter, out=np.zeros_like(product), where=scatter > 0)


def similarity(found: Array, truth: Array) -> Array:
    """SSIM (Wang et al. 2004) of each map (B,), of data from 0 to 1: a blank frame has more than it deserves."""
    one, other = (torch.from_numpy(np.ascontiguousarray(x, np.float32))[:, None] for x in (found, truth))
    each = structural_similarity_index_measure(one, other, data_range=1.0, reduction="none")
    assert isinstance(each, torch.Tensor)
    return np.atleast_1d(each.numpy())


def lens_scores(found: Mapping[str, Array], truth: Mapping[str, Array]) -> dict[str, Array]:
    """Errors of lenses by name, each (B,): theta_e relative, centre in theta_e, the others as they are."""
    theta_e = truth["theta_e"]
    return {
        "theta_e": found["theta_e"] / theta_e - 1,
        "slope": found["slope"] - truth["slope"],
        "axis_ratio": axis_ratio(found) - axis_ratio(truth),
        "shear": np.hypot(found["gamma1"] - truth["gamma1"], found["gamma2"] - truth["gamma2"]),
        "centre": np.hypot(found["x"] - truth["x"], found["y"] - truth["y"]) / theta_e,
    }


def axis_ratio(lens: Mapping[str, Array]) -> Array:
    """Of an ellipse of complex ellipticity e1 + i e2."""
    e = np.hypot(lens["e1"], lens["e2"])
    return np.asarray((1 - e) / (1 + e))
