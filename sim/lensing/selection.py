"""Which of the drawn systems are kept: each index is drawn again until its system is one, and what was wrong is counted.

Knows nothing of noise or of files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs import Lenses
from sim.lensing.camera import Camera
from sim.lensing.draws import system
from sim.lensing.image_positions import Points, image_positions
from sim.lensing.profiles import Vector
from sim.lensing.scene import Columns, smooth, source, source_flux
from sim.lensing.scene import mass as mass_of
from sim.lensing.truth import Truths, joined

MAX_ATTEMPTS = 1000
WINDOW = 4.0
"""Half the side of the window that images are looked for in, over Einstein radius + distance of the source."""
N_RAYS = 2
"""Along a side of a pixel, to measure a magnification with."""
TOGETHER = 16
"""Systems at a time: what fits into the caches of a core."""

REASONS = {
    "source_in_front": "the source is not behind the lens",
    "einstein_radius": "an Einstein radius outside of `reject.theta_e`",
    "source_outside": "the source's half-light radius reaches out of its own field",
    "image_outside": "an image of the source's centre is outside of the field",
    "few_images": "fewer images than `reject.min_images`",
    "faint": "a magnification below `reject.min_magnification`",
}
"""Why a system is rejected; of several reasons the first counts."""


class Selection(NamedTuple):
    """Systems that are kept, in the order they were asked for, and how many were rejected why."""

    truths: Truths
    rejected: dict[str, int]


def select(config: Lenses, indices: Sequence[int]) -> Selection:
    """The systems `indices` of a family; RuntimeError when one is rejected `MAX_ATTEMPTS` times."""
    kept: dict[int, Truths] = {}
    rejected: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
    waiting = list(indices)
    for attempt in range(MAX_ATTEMPTS):
        truths, reasons = judged(config, waiting, attempt)
        rejected.update(reason for reason in reasons if reason)
        kept |= {index: truths.take(slice(i, i + 1)) for i, index in enumerate(waiting) if not reasons[i]}
        waiting = [index for index, reason in zip(waiting, reasons, strict=True) if reason]
        if not waiting:
            return Selection(joined([kept[index] for index in indices]), dict(rejected))
    often = rejected.most_common(1)[0][0]
    raise RuntimeError(
        f"family {config.family}: system {waiting[0]} was rejected {MAX_ATTEMPTS} times, most often for {REASONS[often]}"
    )


def judged(config: Lenses, indices: Sequence[int], attempt: int) -> tuple[Truths, list[str]]:
    """One draw of each, with all numbers known of those that are kept, and why the others are not ("": it is kept)."""
    truths = Truths.of([system(config, index, attempt) for index in indices])
    reasons = np.full(len(truths), "", dtype=object)
    for check in (in_sight, multiple, magnified):
        left = np.flatnonzero(reasons == "")
        for some in np.array_split(left, max(1, -(-len(left) // TOGETHER))):
            if len(some):
                columns, reasons[some] = check(config, truths.take(some))
                for name, values in columns.items():
                    truths[name][some] = values
    return truths, list(reasons)


Judgement = tuple[dict[str, NDArray[np.float64]], NDArray[np.object_]]
"""Numbers that became known, and why each of the systems is rejected."""


def in_sight(config: Lenses, truths: Truths) -> Judgement:
    """By what was drawn alone."""
    low, high = config.reject.theta_e
    reasons = first(
        source_in_front=truths["z_source"] <= truths["z_lens"],
        einstein_radius=(truths["theta_e"] < low) | (truths["theta_e"] > high),
        source_outside=config.reject.in_field & (reach(truths) > truths["source_field"] / 2),
    )
    return {}, reasons


def reach(truths: Truths) -> NDArray[np.float64]:
    """Greatest |x| or |y| of a source at its half-light radius."""
    return np.maximum(abs(truths["source_x"]), abs(truths["source_y"])) + truths["source_r_e"]


def multiple(config: Lenses, truths: Truths) -> Judgement:
    """By the images of the source's centre."""
    found = source_images(config, truths)
    n = found.counted(len(truths))
    rim = truths["pixel_size"][found.system] * config.n_pixels / 2
    outside = np.maximum(abs(found.x), abs(found.y)) > rim
    any_outside = np.bincount(found.system[outside], minlength=len(truths)) > 0
    reasons = first(image_outside=config.reject.in_field & any_outside, few_images=n < config.reject.min_images)
    return {"n_images": n.astype(np.float64)}, reasons


def source_images(config: Lenses, truths: Truths) -> Points:
    """The images of the centres of sources by the lenses without subhalos."""

    def lens(which: Tensor) -> Callable[[Tensor, Tensor], Vector]:
        return smooth(Columns(truths.take(which.numpy()), torch.float64, "cpu"), config).deflection

    columns = Columns(truths, torch.float64, "cpu")
    x, y, theta_e = (columns.flat(name) for name in ("x", "y", "theta_e"))
    point = columns.flat("source_x"), columns.flat("source_y")
    half = WINDOW * (theta_e + torch.hypot(point[0] - x, point[1] - y))
    return image_positions(lens, (x, y), half, point)


def magnified(config: Lenses, truths: Truths) -> Judgement:
    """By the flux in the field."""
    columns = Columns(truths, torch.float32, "cpu")
    camera = Camera(config.n_pixels, columns("pixel_size"), N_RAYS)
    flux = camera.image(mass_of(columns, config), source(columns, config)).double().sum((1, 2)).numpy()
    magnification = flux / source_flux(truths)
    return {"magnification": magnification}, first(faint=magnification < config.reject.min_magnification)


def first(**reasons: NDArray[np.bool_]) -> NDArray[np.object_]:
    """The first of the reasons that holds for each system, else ""."""
    return np.select(list(reasons.values()), list(reasons), default="").astype(object)
