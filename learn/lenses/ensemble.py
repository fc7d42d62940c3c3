"""Several inference machines that answer as one: the mean of what they find, and the draws of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from learn.lenses.inverter import Answering, Effort, Exposures, Inversion, Inverter


@dataclass(frozen=True)
class Ensemble(Answering):
    """At least one, all for the same images and sources."""

    members: tuple[Inverter, ...]

    @classmethod
    def load(cls, folders: Sequence[Path | str]) -> Self:
        """From their checkpoints; errors as those of `Inverter.load`, and ValueError where one is for other images."""
        members = tuple(Inverter.load(folder) for folder in folders)
        for folder, one in zip(folders, members, strict=True):
            refuse_other_images(one, members[0], folder)
        return cls(members)

    def answer(self, given: Exposures, effort: Effort, seed: int) -> Inversion:
        """As of one: a source's variance is that within the members and that between them; models are their mean."""
        return pooled([one.answer(given, effort, seed + i) for i, one in enumerate(self.members)])


def refuse_other_images(one: Inverter, first: Inverter, folder: Path | str) -> None:
    """ValueError unless both are for the same images and sources."""
    for name in ("n_pixels", "n_source", "field"):
        expected, got = getattr(first, name), getattr(one, name)
        if expected != got:
            raise ValueError(f"{folder}: expected a machine with {name} {expected} as the first, got {got}")


def pooled(found: Sequence[Inversion]) -> Inversion:
    """One answer of several to the same images."""
    sources, draws = np.stack([one.source for one in found]), np.concatenate([one.draws for one in found])
    within = np.mean([np.square(one.source_error) for one in found], axis=0)
    residual = np.mean([one.residual for one in found], axis=0)
    share = found[0].chi2 / np.maximum(np.square(found[0].residual).sum((1, 2)), np.finfo(np.float32).tiny)
    return Inversion(
        source=sources.mean(0),
        source_error=np.sqrt(within + sources.var(0)),
        source_pixel=found[0].source_pixel,
        lens=np.mean([one.lens for one in found], axis=0),
        lens_error=draws.std(0, ddof=1) if len(draws) else np.full_like(found[0].lens, np.nan),
        draws=draws,
        model=np.mean([one.model for one in found], axis=0),
        residual=residual,
        n_fitted=np.mean([one.n_fitted for one in found], axis=0),
        chi2=np.square(residual).sum((1, 2)) * share,
    )
