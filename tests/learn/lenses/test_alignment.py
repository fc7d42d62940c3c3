"""Sources laid over the true ones: by what a mass sheet does, and by nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learn.lenses.alignment import Rays, aligned, mass_sheet
from learn.lenses.latent import Lens
from sim.lensing.profiles import Deflector, Vector

N, M, FIELD = 32, 40, 0.6
LENS = Lens(torch.tensor([[0.5, 2.0, 0.1, -0.1, 0.02, -0.01, 0.03, 0.02, 0.0, 1.0, 0.0, 0.0]] * 2))


@dataclass(frozen=True)
class Sheeted:
    """A lens less intense, a sheet that makes up for it, and a shift: beta -> scale beta + shift."""

    mass: Deflector
    scale: float
    shift: tuple[float, float]

    def deflection(self, x: Tensor, y: Tensor) -> Vector:
        alpha_x, alpha_y = self.mass.deflection(x, y)
        bent = (self.scale * a + (1 - self.scale) * at for a, at in ((alpha_x, x), (alpha_y, y)))
        bent_x, bent_y = (one - by for one, by in zip(bent, self.shift, strict=True))
        return bent_x, bent_y


def blobs(scale: float, shift: tuple[float, float]) -> Tensor:
    """Two, where beta -> scale beta + shift puts those of the plane as it is; (2, M, M)."""
    along = FIELD * ((torch.arange(M) + 0.5) * 2 / M - 1)
    y, x = torch.meshgrid(along, along, indexing="ij")
    x, y = (x - shift[0]) / scale, (y - shift[1]) / scale
    return torch.stack([torch.exp(-((x - at).square() + (y + 0.05).square()) / 0.02) for at in (0.0, 0.1)])


def test_a_sheet_of_mass_and_a_shift_are_undone() -> None:
    scale, shift = 0.8, (0.05, -0.03)
    true = Rays.bent_by(Sheeted(LENS.mass(), 1 / scale, (-shift[0] / scale, -shift[1] / scale)), N)
    light = torch.rand(2, N, N, generator=torch.Generator().manual_seed(0))
    found = aligned(blobs(scale, shift), LENS, true, light, FIELD)
    torch.testing.assert_close(found, blobs(1.0, (0.0, 0.0)), rtol=0, atol=0.04)


def test_the_true_lens_moves_nothing() -> None:
    source, light = blobs(1.0, (0.0, 0.0)), torch.ones(2, N, N)
    torch.testing.assert_close(
        aligned(source, LENS, Rays.bent_by(LENS.mass(), N), light, FIELD), source, rtol=0, atol=1e-4
    )


def test_a_shear_is_no_sheet() -> None:
    """What an image can tell stays an error."""
    other = LENS.values.clone()
    other[:, 6] += 0.1
    true = Rays.bent_by(LENS.mass(), N)
    scale, shift = mass_sheet(true, Rays.bent_by(Lens(other).mass(), N), torch.full((2, N, N), 1 / N**2))
    assert (scale - 1).abs().max() < 0.02
    assert max(float(one.abs().max()) for one in shift) < 0.02


def test_what_leaves_the_field_is_dark() -> None:
    true = Rays.bent_by(Sheeted(LENS.mass(), 1.0, (2 * FIELD, 0.0)), N)
    found = aligned(torch.ones(2, M, M), LENS, true, torch.ones(2, N, N), FIELD)
    assert (found == 0).any()
