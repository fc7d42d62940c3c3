from __future__ import annotations

import numpy as np
import pytest
import torch
from astropy.cosmology import FlatLambdaCDM
from lens_systems import MASSES, drawn, keywords
from lenstronomy.LensModel.lens_model import LensModel

from sim.lensing.planes import Planes
from sim.lensing.profiles import Shear, Sum

COSMOLOGY = FlatLambdaCDM(H0=70, Om0=0.3)


def grid() -> tuple[torch.Tensor, torch.Tensor]:
    side = torch.linspace(-2, 2, 15, dtype=torch.float64) + 0.013
    y, x = torch.meshgrid(side, side, indexing="ij")
    return x.reshape(1, -1), y.reshape(1, -1)


@pytest.mark.filterwarnings("ignore:Cosmology is provided:UserWarning")
def test_three_planes_are_lenstronomys() -> None:
    draw, kinds, redshifts = drawn(5, 1), ["SIE", "NFW", "SIE", "SHEAR"], [0.5, 0.3, 0.9, 0.5]
    masses = [MASSES[kind](draw) for kind in kinds]
    planes = Planes.of([Sum([masses[0], masses[3]]), masses[1], masses[2]], redshifts[:3], 2.0, COSMOLOGY)
    oracle = LensModel(kinds, lens_redshift_list=redshifts, z_source=2.0, multi_plane=True, cosmo=COSMOLOGY)
    x, y = grid()
    found = planes.deflection(x, y)
    for i in range(5):
        expected = oracle.alpha(x[0].numpy(), y[0].numpy(), [keywords(mass, i) for mass in masses])
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours[i], theirs, rtol=0, atol=1e-5)
    one_plane = Sum(masses).deflection(x, y)
    assert float((found[0] - one_plane[0]).abs().max()) > 0.01


@pytest.mark.parametrize("n", [1, 3])
def test_planes_that_are_one_add_up(n: int) -> None:
    masses = [MASSES[kind](drawn(4, i)) for i, kind in enumerate(("SIE", "SIE", "NFW"))][:n]
    planes = Planes.of(masses, [0.4] * n, 1.5, COSMOLOGY)
    for found, expected in zip(planes.deflection(*grid()), Sum(masses).deflection(*grid()), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("redshifts", [[0.5], [0.5, 2.5], [0.0, 0.5]])
def test_a_lens_is_in_front_of_the_source(redshifts: list[float]) -> None:
    shear = Shear(torch.zeros(1, 1), torch.zeros(1, 1))
    with pytest.raises(ValueError, match="planes: 2 redshifts above 0 and below the source's 2, got"):
        Planes.of([shear, shear], redshifts, 2.0, COSMOLOGY)
