"""Masks of real images: where they lie, and that a machine is shown them as noise without end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from lens_families import toy_systems

from learn.lenses.likelihood import Observation
from learn.lenses.masks import CORE, DISC, N_DISCS, RIM, drawn
from learn.methods.rim import core
from learn.sources.lenses import LensSource

N = 64
CENTRE = (0.1, -0.05)


def masks(n: int) -> np.ndarray:
    return np.stack([drawn(np.random.default_rng(seed), N, CENTRE) for seed in range(n)])


def test_masks_cover_no_more_than_their_parts() -> None:
    x, y = np.meshgrid(*[(np.arange(N) + 0.5) * 2 / N - 1] * 2)
    from_lens = np.hypot(x - CENTRE[0], y - CENTRE[1])
    far = (from_lens > CORE[1]) & (from_lens < RIM[0])
    most = (N_DISCS - 1) * np.pi * (DISC[1] * N / 2 + 1) ** 2
    hidden = (~masks(200) & far).sum((1, 2))
    assert hidden.max() <= most
    assert hidden.max() > most / 10


def test_half_of_the_cores_are_masked_about_the_lens_and_half_of_the_rims() -> None:
    used = masks(400)
    row, column = (int((at + 1) * N / 2) for at in reversed(CENTRE))
    assert abs((~used[:, row, column]).mean() - 0.5) < 0.1
    corners = ~(used[:, 0, 0] & used[:, 0, -1] & used[:, -1, 0] & used[:, -1, -1])
    assert abs(corners.mean() - 0.5) < 0.12


def test_the_share_of_systems_is_what_is_asked_and_nothing_else_changes(tmp_path: Path) -> None:
    plain, masked = (LensSource(toy_systems(tmp_path, masked=share), "test").read(range(4)) for share in (0.0, 1.0))
    hidden = torch.isinf(masked.inputs[:, 1])
    assert hidden.any((1, 2)).all()
    assert torch.isfinite(plain.inputs).all()
    torch.testing.assert_close(masked.inputs[:, 1][~hidden], plain.inputs[:, 1][~hidden], rtol=0, atol=0)
    torch.testing.assert_close(masked.inputs[:, 0], plain.inputs[:, 0], rtol=0, atol=0)
    torch.testing.assert_close(masked.params, plain.params, rtol=0, atol=0)
    image, noise, psf = masked.inputs.unbind(1)
    seen = Observation.of(image, noise, core(psf, 9))
    assert (seen.weight[hidden] == 0).all()
    assert (seen.image[hidden] == 0).all()
