"""Small files in the layout of the CAMELS Multifield Dataset, written with numpy and h5py alone."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
FIELDS = ("Nbody", "Mtot", "Mgas", "Mstar", "Mcdm")


def stem(field: str, suite: str = "IllustrisTNG", set_name: str = "LH", redshift: float = 0.0) -> str:
    """The name of a file without its suffix; the field Nbody is the total matter of the gravity-only counterpart."""
    told = f"Mtot_Nbody_{suite}" if field == "Nbody" else f"{field}_{suite}"
    return f"Maps_{told}_{set_name}_z={redshift:.2f}"


def maps_of(field: str, n_maps: int, n_pixels: int, redshift: float = 0.0) -> Array:
    """Maps (n, P, P): log-normal gravity-only matter, its smooth gas and its clumped stars, and their sums."""
    rng = np.random.default_rng([n_maps, n_pixels, round(100 * redshift)])
    contrast = np.exp(rng.normal(size=(n_maps, n_pixels, n_pixels)))
    dark = 1e11 * (contrast + np.roll(contrast, 1, -1) + np.roll(contrast, 1, -2))
    gas = 0.16 * (dark + np.roll(dark, 1, -1) + np.roll(dark, -1, -1)) / 3
    stars = 0.02 * np.maximum(dark - 6e11, 0)
    cold = 0.84 * dark
    made = {"Nbody": dark, "Mgas": gas, "Mstar": stars, "Mcdm": cold, "Mtot": cold + gas + stars}
    return made[field].astype(np.float32)


def parameters(n_sims: int, n_columns: int = 6) -> NDArray[np.float64]:
    """A row a simulation, the matter density first."""
    rng = np.random.default_rng(n_sims)
    return np.round(np.column_stack([rng.uniform(0.1, 0.5, n_sims), rng.uniform(0.25, 4, (n_sims, n_columns - 1))]), 5)


def write_maps(path: Path, maps: Array) -> None:
    """As .npy, or as the one data set of an HDF5 file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, maps)
        return
    with h5py.File(path, "w") as file:
        file["_".join(path.name.split("_")[:2])] = maps


def write_set(
    folder: Path,
    n_sims: int = 5,
    *,
    maps_per_simulation: int = 3,
    n_pixels: int = 16,
    suffix: str = ".npy",
    set_name: str = "LH",
    redshifts: tuple[float, ...] = (0.0,),
    n_columns: int = 6,
    nested: bool = False,
) -> Path:
    """Write all fields of a set of IllustrisTNG and its table; `nested`: in the folders that are published."""
    suite, n_maps = folder / ("IllustrisTNG" if nested else ""), n_sims * maps_per_simulation
    for redshift in redshifts:
        for field in FIELDS:
            place = folder / "Nbody" if nested and field == "Nbody" else suite
            path = place / (stem(field, set_name=set_name, redshift=redshift) + suffix)
            write_maps(path, maps_of(field, n_maps, n_pixels, redshift))
    np.savetxt(suite / f"params_{set_name}_IllustrisTNG.txt", parameters(n_sims, n_columns), fmt="%.5f")
    return folder
