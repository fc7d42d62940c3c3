"""What is true of the systems that are judged: their lenses as wholes, and what who knew them could make of an image.

Angles are in arcsec, but within `KnownLens`, where they are in frames (`learn.lenses.latent`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from learn.data import Batch
from learn.lenses.alignment import Rays
from learn.lenses.inverter import Floats, arcsec
from learn.lenses.latent import NAMES, Lens, brightness, latent_of
from learn.lenses.likelihood import FRAME, Forward, Imaging, Observation
from learn.methods.rim import observed
from learn.sources.lenses import LensSource, unseen_shift
from sim.lensing.einstein import einstein_radius_near
from sim.lensing.profiles import Deflector, Vector
from sim.lensing.scene import Columns, mass, scene

EMPTY = 1e-5
"""Scales of an image: brightness of a source that is hardly there."""


@dataclass(frozen=True)
class Framed:
    """A mass in arcsec as it is in frames of `unit` (B, 1, 1) [arcsec], less a `shift` [arcsec] that no image tells."""

    mass: Deflector
    unit: Tensor
    shift: Vector

    def deflection(self, x: Tensor, y: Tensor) -> Vector:
        alpha_x, alpha_y = self.mass.deflection(x * self.unit, y * self.unit)
        return (alpha_x - self.shift[0]) / self.unit, (alpha_y - self.shift[1]) / self.unit


@dataclass(frozen=True)
class KnownLens(Forward):
    """The forward operator with one lens, `bends`, in the place of those that it is asked about."""

    bends: Deflector | None = None

    def imaging(self, lens: Lens, psf: Tensor) -> Imaging:
        """What makes images (B, n, n) of sources; of `lens` only the width of the kernel is used."""
        assert self.bends is not None
        return self.traced(self.bends, lens, psf)


class BackProjected(NamedTuple):
    """An image carried back to the source plane (B, m, m), and the image (B, n, n) of that, in the image's unit.

    magnification (B, m, m) is the light in the image that a pixel of the source makes, of any scale.
    """

    source: Tensor
    model: Tensor
    magnification: Tensor

    def first(self, n: int) -> BackProjected:
        """Of the first systems."""
        return BackProjected(*(one[:n] for one in self))


@dataclass(frozen=True)
class Known:
    """Of B systems of one family: lens (B, 12) as `NAMES` has it; Einstein radius of the whole lens and sizes (B,).

    image (B, n, n) is the lensed source without noise; noise (B,) the true noise over the one that is told. rays are
    those of the true lens, and sources have `field` frames to each side.
    """

    pixel_size: Floats
    lens: Floats
    einstein_radius: Floats
    image: Floats
    noise: Floats
    rays: Rays
    field: float
    adjoint: BackProjected

    def first(self, n: int) -> Known:
        """Of the first systems."""
        return Known(
            self.pixel_size[:n],
            self.lens[:n],
            self.einstein_radius[:n],
            self.image[:n],
            self.noise[:n],
            self.rays.first(n),
            self.field,
            self.adjoint.first(n),
        )


def known(source: LensSource, indices: Sequence[int], batch: Batch, psf_side: int) -> Known:
    """Of systems of one family, beside their batch; kernels are cut as the machine has them."""
    config, truths = source.truths(indices)
    there, columns = scene(truths, config), Columns(truths, torch.float64, "cpu")
    half = columns.flat("pixel_size") * config.n_pixels / FRAME
    lens = Lens.of(batch.params)
    shift = unseen_shift(there.mass, lens, Columns(truths, torch.float32, "cpu"), config)
    bends = Framed(there.mass, half.float()[:, None, None], shift)
    operator = KnownLens(config.n_pixels, source.config.field, source.config.supersampling, bends)
    radii = einstein_radius_near(mass(columns, config), (columns("x"), columns("y")), half[:, None, None])
    return Known(
        pixel_size=columns.flat("pixel_size").float().numpy(),
        lens=arcsec(lens, half.float().numpy()),
        einstein_radius=radii[:, 0].float().numpy(),
        image=there.camera.image(there.mass, there.source).numpy(),
        noise=lens.values[:, NAMES.index("noise")].exp().numpy(),
        rays=Rays.bent_by(bends, config.n_pixels),
        field=source.config.field,
        adjoint=back_projected(operator, lens, observed(batch.inputs, psf_side), batch.targets.shape[-1]),
    )


def back_projected(operator: Forward, lens: Lens, seen: Observation, n_source: int) -> BackProjected:
    """The adjoint of the forward operator on the image over the noise squared, from an empty source."""
    empty = latent_of(seen.image.new_full((len(seen.image), n_source, n_source), EMPTY))
    step = operator.evaluate(empty, lens.latent(), seen).step + brightness(empty)
    flux = torch.ones_like(step).requires_grad_()
    (magnification,) = torch.autograd.grad(operator.image(flux, lens, seen.psf).sum(), flux)
    with torch.no_grad():
        model, scale = operator.image(step, lens, seen.psf), seen.scale[:, None, None]
    return BackProjected(step * scale, model * scale, magnification)
