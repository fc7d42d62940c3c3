"""Sources and lenses held against images: residuals, and how they change. Knows nothing of networks or of files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from learn.lenses.correlated import correlated
from learn.lenses.estimate import N_LENS, Estimate
from learn.lenses.latent import Lens, brightness
from learn.lenses.likelihood import Forward, Imaging, Observation

DIFFERENCE = 0.002  # standard deviations of the prior of a lens, over which its derivatives are taken


@dataclass(frozen=True)
class Fit:
    """What white noise makes of a prior, held against images: a problem of `learn.lenses.least_squares`.

    `physical` says what standardised numbers of a lens stand for.
    """

    physical: Callable[[Tensor], Lens]
    forward: Forward
    prior: Estimate
    seen: Observation

    @torch.no_grad()
    def residual(self, z: Tensor) -> Tensor:
        """(B, m^2 + 12) -> (B, n^2)."""
        at = moved(self.prior, z)
        return (self.weighted(self.seen.image) - self._image(brightness(at.source), at.lens)).flatten(1)

    @torch.no_grad()
    def linear(self, z: Tensor) -> Linearised:
        """Exact in the source, by differences in the lens."""
        at = moved(self.prior, z)
        lens, flux = self.physical(at.lens), brightness(at.source)
        imaging = self.forward.imaging(lens, self.seen.psf)
        with torch.enable_grad():
            source, latent = torch.zeros_like(flux).requires_grad_(), at.source.requires_grad_()
            image = self.weighted(imaging(source))
            (rise,) = torch.autograd.grad(brightness(latent).sum(), latent)
        return Linearised(imaging, self.seen.weight, source, image, rise * self.prior.spread, self._columns(z, flux))

    def weighted(self, image: Tensor) -> Tensor:
        """In standard deviations of the noise."""
        return image * self.seen.weight

    def _columns(self, z: Tensor, flux: Tensor) -> Tensor:
        """(B, n^2, 12): how images change with the white noise of the lens."""
        source, lens = z[:, :-N_LENS], z[:, -N_LENS:]
        steps = DIFFERENCE * torch.eye(N_LENS, dtype=z.dtype)
        here, *moves = (moved(self.prior, torch.cat((source, lens + by), dim=1)).lens for by in (0 * steps[0], *steps))
        image = self._image(flux, here)
        return torch.stack([(self._image(flux, one) - image) / DIFFERENCE for one in moves], dim=-1).flatten(1, 2)

    def _image(self, flux: Tensor, lens: Tensor) -> Tensor:
        return self.weighted(self.forward.image(flux, self.physical(lens), self.seen.psf))


class Linearised(NamedTuple):
    """How the images of an estimate change with its white noise.

    imaging makes images of sources, weight is one over their noise; image is the weighted one of the pixels `source`
    (B, m, m), for its gradient. rise is the brightness of each pixel a standard deviation; columns (B, n^2, 12) are the
    derivatives in the lens.
    """

    imaging: Imaging
    weight: Tensor
    source: Tensor
    image: Tensor
    rise: Tensor
    columns: Tensor

    @torch.no_grad()
    def forward(self, z: Tensor) -> Tensor:
        white = z[:, :-N_LENS].reshape(self.source.shape)
        image = self.imaging(self.rise * correlated(white)) * self.weight
        return image.flatten(1) + times(self.columns, z[:, -N_LENS:])

    def adjoint(self, u: Tensor) -> Tensor:
        (back,) = torch.autograd.grad(self.image, self.source, u.reshape(self.image.shape), retain_graph=True)
        return torch.cat((correlated(self.rise * back).flatten(1), times(self.columns.mT, u)), dim=1)

    def preconditioned(self, z: Tensor, damping: Tensor) -> Tensor:
        """The lens as if the source were known; the source as it is."""
        square = self.columns.mT @ self.columns
        square = square + torch.diag_embed((1 + damping)[:, None].expand(-1, N_LENS))
        lens = torch.linalg.solve(square, z[:, -N_LENS:])
        return torch.cat((z[:, :-N_LENS], lens), dim=1)


def moved(prior: Estimate, z: Tensor) -> Estimate:
    """A prior as white noise (B, m^2 + 12) moves it: the source, whose errors are correlated, and the lens."""
    return prior.moved(z[:, :-N_LENS].reshape(prior.source.shape), z[:, -N_LENS:])


def times(matrix: Tensor, vector: Tensor) -> Tensor:
    """(B, P, N) by (B, N)."""
    return (matrix @ vector[..., None])[..., 0]
