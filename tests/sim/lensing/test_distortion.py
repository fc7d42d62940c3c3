from __future__ import annotations

import numpy as np
import pytest
import torch
from lens_systems import MASSES, drawn, keywords
from lenstronomy.LensModel.lens_model import LensModel

from sim.lensing import distortion as module
from sim.lensing.distortion import distortion
from sim.lensing.profiles import Sum

KINDS = ["EPL", "NFW", "SHEAR"]


def points(n: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    x, y = 4 * torch.rand(2, 1, n, generator=rng, dtype=torch.float64) - 2
    return x, y


def test_shear_and_convergence_are_lenstronomys() -> None:
    draw, (x, y) = drawn(6, 1), points()
    masses = [MASSES[kind](draw) for kind in KINDS]
    here, oracle = distortion(Sum(masses), x, y), LensModel(KINDS)
    for i in range(6):
        told = [keywords(mass, i) for mass in masses]
        at = x[0].numpy(), y[0].numpy()
        np.testing.assert_allclose(here.kappa[i], oracle.kappa(*at, told), rtol=1e-6, atol=1e-8)
        for ours, theirs in zip((here.gamma1[i], here.gamma2[i]), oracle.gamma(*at, told), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(1 / here.inverse_magnification[i], oracle.magnification(*at, told), rtol=1e-4)


def test_points_are_taken_some_at_a_time_and_a_step_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    mass, (x, y) = MASSES["SIE"](drawn(3, 2)), points(50)
    whole = distortion(mass, x, y)
    monkeypatch.setattr(module, "N_AT_A_TIME", 20)
    for one, other in zip(whole, distortion(mass, x, y), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    back_x, back_y = whole.undone(x, y)
    forth_x = (1 - whole.kappa - whole.gamma1) * back_x - whole.gamma2 * back_y
    torch.testing.assert_close(forth_x, x.expand(3, -1), rtol=1e-8, atol=1e-8)
