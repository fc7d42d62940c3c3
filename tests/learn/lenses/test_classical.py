"""The classical fit finds an easy lens, and the global random state is as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_lenses import FIELD, K, M, N

from learn.lenses.classical import Classical, Grid
from learn.lenses.latent import Lens
from learn.lenses.scores import correlations
from sim.lensing.camera import Camera
from sim.lensing.light import Sersic
from sim.lensing.psf import gaussian

PIXEL = 0.1
LENS = torch.tensor([[0.45, 2.0, 0.1, -0.1, 0.02, -0.01, 0.03, 0.02, 0.0, 1.0, 0.0, 0.0]])


@pytest.mark.slow
def test_an_easy_lens_is_found() -> None:
    light = Sersic(*(torch.full((1, 1, 1), value) for value in (1.0, 0.12, 1.2, 0.1, 0.05, 0.08, -0.05)))
    psf = gaussian(torch.full((1,), 2.0), 1.0, K)
    clean = Camera(N, 2 / N, 4, psf).image(Lens(LENS).mass(), light)
    noise = torch.full_like(clean, float(clean.max()) / 50)
    image = clean + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    told = (image.numpy(), noise.numpy(), psf.numpy(), np.full(1, PIXEL, np.float32))
    found = Classical(50, 50, 800)(*told, Grid(M, FIELD), 0)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]  # noqa: NPY002
    assert found.lens is not None
    assert found.einstein_radius is not None
    assert found.model is not None
    assert found.source is not None
    frame = PIXEL * N / 2
    assert found.lens[0, 0] / frame == pytest.approx(0.45, rel=0.01)
    assert found.einstein_radius[0] / frame == pytest.approx(0.45, rel=0.02)
    chi2 = np.square((told[0] - found.model) / told[1]).mean()
    assert chi2 < 1.1 * float(((image - clean) / noise).square().mean())
    own = Camera(M, 2 * FIELD / M, 4)
    truth = (own.recorded(light.brightness(*own.rays)) * (2 / N / own.pixel_size) ** 2).numpy()
    assert correlations(found.source, truth, truth > 0.05 * truth.max())[0] > 0.98
    assert found.source.sum() == pytest.approx(truth.sum(), rel=0.3)  # a slope and a size may stand for one another
