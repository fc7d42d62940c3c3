"""The hydrodynamic-like counterpart of a box by an effective potential: a second model, unrelated to `sim.baryons`.

Gas slides down the gradient of a potential that stands for its enthalpy, a power of the local density, as if pressure
pushed it out of dense places (Dai, Feng & Seljak 2018, arXiv:1804.00671). The potential passes a band of scales, as a
displacement layer of Dai & Seljak 2020 (arXiv:2010.02926, eqs. 1 to 3) does:

    S = -alpha grad O [(1 + delta)^gamma],   O(k) = exp(-k^2 / k_small^2) exp(-k_large^2 / k^2).

Stars are a share of the baryons that rises with density above a threshold, as in their last layer; they stay with the
dark matter, which does not move. It shares no profile, no parameter and no halo with the other model, so that a network
that learned that one can be tested on this one. Knows nothing of files or of halos. The strength is no prediction: the
defaults give a suppression of power like that of hydrodynamic simulations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from configs import Cosmology, Enthalpy
from sim.baryons import Counterpart
from sim.fourier import Fourier
from sim.mesh import paint, read
from sim.particles import Tracer, wrapped
from sim.slab import Slab

Positions = NDArray[np.float32]
Mesh = NDArray[np.float32]

MAX_MESH = 2048


def displaced(pos: Positions, mass: float, cosmology: Cosmology, enthalpy: Enthalpy, box_size: float) -> Counterpart:
    """The counterpart of particles of equal `mass` [Msun/h] at `pos` (n, 3) [comoving Mpc/h] in [0, box_size).

    The masses of the three species sum to n * mass. Nothing is random. ValueError for positions outside the box and
    for a mesh of more than 2048 cells a side.
    """
    fourier = Fourier(Slab(mesh_size(box_size, enthalpy), box_size))
    density = smoothed(pos, fourier, enthalpy)
    gas = wrapped(pos + displacements(pos, density, fourier, enthalpy), box_size)
    share = stellar_share(read(density, pos, box_size), enthalpy)
    f_b, starry = cosmology.baryon_fraction, share > 0
    return Counterpart(
        pos,
        Tracer(pos, np.full(len(pos), mass * (1 - f_b), np.float32)),
        Tracer(gas, (mass * f_b * (1 - share)).astype(np.float32)),
        Tracer(pos[starry], (mass * f_b * share[starry]).astype(np.float32)),
    )


def mesh_size(box_size: float, enthalpy: Enthalpy) -> int:
    """Cells along a side: an even number of no more than `cell`. ValueError for more than 2048."""
    n = 2 * int(np.ceil(box_size / enthalpy.cell / 2 * (1 - 1e-9)))
    if n > MAX_MESH:
        raise ValueError(f"enthalpy: expected cells that need at most {MAX_MESH} a side, got {n} of {enthalpy.cell}")
    return n


def smoothed(pos: Positions, fourier: Fourier, enthalpy: Enthalpy) -> Mesh:
    """Density over its mean on the mesh (n, n, n), painted by cloud-in-cell and smoothed; never negative."""
    slab = fourier.slab
    modes = fourier.forward(paint(pos, slab.box_size, slab.n_mesh))
    modes *= np.exp(-_square(fourier) * np.float32(enthalpy.smoothing**2 / 2)) * np.float32(slab.n_mesh**3 / len(pos))
    return np.maximum(fourier.inverse(modes), np.float32(0))


def displacements(pos: Positions, density: Mesh, fourier: Fourier, enthalpy: Enthalpy) -> Positions:
    """Displacement (n, 3) of gas at `pos` [Mpc/h]."""
    modes = fourier.forward(density ** np.float32(enthalpy.gamma))
    modes *= passed(fourier, enthalpy) * np.float32(-enthalpy.alpha)
    along = [read(fourier.inverse(np.complex64(1j) * k * modes), pos, fourier.slab.box_size) for k in fourier.k]
    return np.stack(along, axis=1)


def passed(fourier: Fourier, enthalpy: Enthalpy) -> Mesh:
    """O(k) of each mode; 0 for the mean."""
    square = _square(fourier)
    with np.errstate(divide="ignore"):
        large = np.exp(-np.float32(enthalpy.k_large**2) / square) if enthalpy.k_large > 0 else np.float32(1)
    return np.asarray(np.where(square > 0, np.exp(-square / np.float32(enthalpy.k_small**2)) * large, 0), np.float32)


def stellar_share(density: NDArray[np.float32], enthalpy: Enthalpy) -> NDArray[np.float64]:
    """Share of baryons in stars (n,) at a `density` over the mean (n,): 0 below the threshold, then rising."""
    excess = np.maximum((density.astype(float) / enthalpy.star_density) ** enthalpy.star_slope - 1, 0)
    return np.asarray(enthalpy.star_share * excess / (1 + excess))


def _square(fourier: Fourier) -> Mesh:
    """k^2 of each mode [(h/Mpc)^2]."""
    kx, ky, kz = fourier.k
    return np.asarray(kx**2 + ky**2 + kz**2)
