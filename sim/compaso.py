"""The halos of CompaSO, the finder of the Abacus simulations: a catalogue folder by abacusutils, or an .npz extract.

CompaSO lists no M200c. Its mass is that of the L1 halo: particles that belong to no other halo, around the densest of
them, within a mean density of 200 Delta_vir(z) / 18 pi^2 (Hadzhiyska et al. 2022, arXiv:2110.11408; Bryan & Norman
1998, eq. 6). It is taken for the mass within that density of an NFW halo of the mean concentration of its mass
(Dutton & Maccio 2014), of which M200c follows.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim import abacus, profiles
from sim.halo_list import Array, Halos, PeriodicBox, listed
from sim.halos import OVERDENSITY

_EXTRACT = ("halo_x_unitbox", "halo_N", "boxsize_mpch", "mpart_hmsun", "omega_m", "h0")
_STEPS, _N_MASSES = 60, 1024


@dataclass(frozen=True)
class _Catalogue:
    """center (h, 3) Mpc/h, mass (h,) of the L1 halos [Msun/h], `overdensity` of them over the critical one, the box."""

    center: Array
    mass: Array
    overdensity: float
    stated: dict[str, float]


def recognised(path: Path) -> bool:
    """Whether `path` is a folder like halos/z0.000 or its halo_info, or an .npz."""
    return path.suffix == ".npz" or _folder(path) is not None


def stated(path: Path) -> dict[str, float]:
    """box_size [Mpc/h], redshift, omega_m and h of the header."""
    return _read(path, masses=False).stated


def read(path: Path, box: PeriodicBox) -> Halos:
    """Every L1 halo, its M200c converted from its particles.

    On a real box of 64^3 particles the median is 1 % below the M200c of all matter around the same centres, 3 % below
    it for halos of at least 100 particles, with a scatter of 7 %; L1 masses are 12 % above it.

    ValueError when `path` is a folder and abacusutils is not installed, or when the file is broken or foreign.
    """
    found = _read(path, masses=True)
    redshift = found.stated["redshift"]
    try:
        return listed(found.center, converted(found.mass, found.overdensity, redshift), None, box)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def converted(mass: Array, overdensity: float, redshift: float) -> Array:
    """M200c (h,) of NFW halos of `mass` (h,) [Msun/h] within a mean density `overdensity` times the critical one."""
    if not len(mass):
        return mass
    m200c = np.geomspace(mass.min() / 10, mass.max() * 10, _N_MASSES)
    c = profiles.concentration(m200c, redshift)
    within = m200c * profiles.nfw_enclosed(_radius_of(overdensity, c), c)
    return np.exp(np.interp(np.log(mass), np.log(within), np.log(m200c)))


def virial_overdensity(omega_m: float, redshift: float) -> float:
    """200 Delta_vir / 18 pi^2 over the critical density of flat LCDM (Bryan & Norman 1998, eq. 6)."""
    matter = omega_m * (1 + redshift) ** 3
    x = matter / (matter + 1 - omega_m) - 1
    return OVERDENSITY * (1 + (82 * x - 39 * x**2) / (18 * np.pi**2))


def _radius_of(overdensity: float, c: Array) -> Array:
    """Where, over R200c, the mean density within is `overdensity` times the critical one, by bisection."""
    low, high = np.full_like(c, 0.01), np.full_like(c, 100.0)
    for _ in range(_STEPS):
        middle = np.sqrt(low * high)
        dense = OVERDENSITY * profiles.nfw_enclosed(middle, c) / middle**3 > overdensity
        low, high = np.where(dense, middle, low), np.where(dense, high, middle)
    return np.sqrt(low * high)


def _read(path: Path, *, masses: bool) -> _Catalogue:
    return _read_extract(path) if path.suffix == ".npz" else _read_folder(path, masses=masses)


def _folder(path: Path) -> Path | None:
    """The folder of one redshift that abacusutils opens: `path`, or that above a halo_info."""
    if path.name == "halo_info":
        path = path.parent
    return path if any((path / "halo_info").glob("*.asdf")) else None


def _read_folder(path: Path, *, masses: bool) -> _Catalogue:
    """By abacusutils, without the cleaning of merger trees, which lies elsewhere."""
    try:
        from abacusnbody.data.compaso_halo_catalog import CompaSOHaloCatalog
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{path}: a CompaSO catalogue needs the package abacusutils, which is not installed"
        ) from error
    found: Any = CompaSOHaloCatalog(_folder(path), fields=["N", "x_L2com"] if masses else ["N"], cleaned=False)
    header = found.header
    density = header["SODensityL1"] * header["OmegaNow_m"]
    halos = found.halos
    center = np.asarray(halos["x_L2com"], float) if masses else np.empty((0, 3))
    return _Catalogue(center, np.asarray(halos["N"], float) * header["ParticleMassHMsun"], density, _stated_of(header))


def _stated_of(header: Mapping[str, Any]) -> dict[str, float]:
    values = (header["BoxSizeHMpc"], header["Redshift"], header["Omega_M"], header["H0"] / 100)
    return dict(zip(("box_size", "redshift", "omega_m", "h"), map(float, values), strict=True))


def _read_extract(path: Path) -> _Catalogue:
    """Of an .npz; ValueError naming it when it is broken or has no halos."""
    try:
        shapes = abacus.shapes(path)
        missing = [name for name in _EXTRACT if name not in shapes]
        if missing or shapes["halo_x_unitbox"] != (*shapes["halo_N"], 3) or any(shapes[name] for name in _EXTRACT[2:]):
            raise ValueError(f"expected keys {', '.join(_EXTRACT)}, got {shapes}")
        with np.load(path, allow_pickle=False) as data:
            return _extract(data)
    except (zipfile.BadZipFile, ValueError) as error:
        raise ValueError(f"{path}: expected an Abacus extract with halos: {error}") from error


def _extract(data: Mapping[str, np.ndarray]) -> _Catalogue:
    box_size, omega_m = float(data["boxsize_mpch"]), float(data["omega_m"])
    redshift = float(data["redshift"]) if "redshift" in data else 0.0
    stated = {"box_size": box_size, "redshift": redshift, "omega_m": omega_m, "h": float(data["h0"]) / 100}
    mass = data["halo_N"].astype(float) * float(data["mpart_hmsun"])
    center = data["halo_x_unitbox"].astype(float) * box_size
    return _Catalogue(center, mass, virial_overdensity(omega_m, redshift), stated)
