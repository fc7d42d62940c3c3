"""Systems that are made while they are learned: the same whoever asks for them, in whatever order."""

from __future__ import annotations

from pathlib import Path

import torch
from lens_families import toy_systems

from learn.sources.lenses import LensSource


def test_systems_of_several_families_come_in_the_order_that_they_are_asked_for(tmp_path: Path) -> None:
    source = LensSource(toy_systems(tmp_path), "test")
    plain, crowded = source.simulations.values()
    indices = [crowded[1], plain[0], crowded[0], plain[1], crowded[1]]
    together = source.read(indices)
    assert together.seeds.tolist() == indices
    for i, index in enumerate(indices):
        alone = source.read([index])
        for name in ("inputs", "targets", "params"):
            one, some = getattr(alone, name)[0], getattr(together, name)[i]
            photon = 1e-3 * float(one[one.isfinite()].abs().max())  # rounding makes one of a count more or less
            torch.testing.assert_close(some, one, rtol=1e-5, atol=photon)
