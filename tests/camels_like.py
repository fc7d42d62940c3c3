"""Small synthetic suites in the layout of CAMELS: pairs of snapshots, FOF catalogues and a parameter table.

Written with h5py alone, so that the readers under test are not tested against our own writer. A box holds clumps of
known places, one of them across an edge, in a jittered grid; all is decided by `seed` and the number of the simulation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sim.camels import Suite
from sim.units import RHO_CRITICAL

_NAMES = """
Omega0 sigma8 WindEnergyIn1e51erg RadioFeedbackFactor VariableWindVelFactor RadioFeedbackReiorientationFactor
OmegaBaryon HubbleParam n_s MaxSfrTimescale FactorForSofterEQS IMFslope SNII_MinMass_Msun ThermalWindFraction
VariableWindSpecMomentum WindFreeTravelDensFac MinWindVel WindEnergyReductionFactor WindEnergyReductionMetallicity
WindEnergyReductionExponent WindDumpFactor SeedBlackHoleMass BlackHoleAccretionFactor BlackHoleEddingtonFactor
BlackHoleFeedbackFactor BlackHoleRadiativeEfficiency QuasarThreshold QuasarThresholdPower UVBH0beta UVBH0Deltaz
UVBHepbeta UVBHepDeltaz SNIa_Rate_Norm SNIa_Rate_DTD_power SofteningComovingType01
"""
PARAMETERS = tuple(_NAMES.split())
"""The 35 of SB35."""

MASS_UNIT, KPC = 1e10, 1000.0

Array = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Universe:
    """What one simulation is: dmo (n, 3) Mpc/h with `mass` Msun/h each, of which rows `clump` >= 0 are in a clump."""

    box_size: float
    omega_m: float
    omega_b: float
    h: float
    mass: float
    dmo: Array
    clump: NDArray[np.int64]
    centers: Array


def write_suite(
    folder: Path,
    n_sims: int = 2,
    n_particles: int = 16,
    box_size: float = 50.0,
    *,
    n_clumps: int = 4,
    n_files: int = 2,
    set_name: str = "SB35",
    stem: str = "snap",
    seed: int = 0,
) -> Suite:
    """Write `n_sims` pairs of n_particles^3 particles a species under `folder`; where they are.

    DMO is one file in simulations of even number, a snapdir of `n_files` in the others; hydrodynamic boxes are always a
    snapdir, unless n_files is 1. `stem` is snap, or snapshot for the names of 2024. Each catalogue lists the clumps,
    all above 1e13 Msun/h, from the largest, then a group whose M200c is 0.
    """
    suite = Suite(folder / "DMO", folder / "hydro", folder / "FOF", folder / "params.txt", set_name)
    rows = []
    for i in range(n_sims):
        name, parameters = f"{set_name}_{i}", draw(seed, i)
        rows.append(" ".join([name, *(f"{value:.9g}" for value in parameters.values()), str(25000 + i)]))
        write_pair(suite, name, universe(parameters, n_particles, box_size, n_clumps, seed + i), n_files, stem, i)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.txt").write_text("\n".join([" ".join(["#Name", *PARAMETERS, "seed"]), *rows]) + "\n")
    return suite


def draw(seed: int, i: int) -> dict[str, float]:
    """The parameters of simulation `i`, as the table prints them."""
    rng = np.random.default_rng([seed, i])
    ranges = {"Omega0": (0.2, 0.4), "OmegaBaryon": (0.03, 0.07), "HubbleParam": (0.5, 0.9), "sigma8": (0.6, 1.0)}
    values = {name: rng.uniform(*ranges.get(name, (0.5, 2.0))) for name in PARAMETERS}
    return {name: float(f"{value:.5g}") for name, value in values.items()}


def universe(parameters: Mapping[str, float], n_particles: int, box_size: float, n_clumps: int, seed: int) -> Universe:
    """A jittered grid, of which the last rows were moved into isothermal balls that end at their R200c."""
    rng = np.random.default_rng(seed)
    omega_m = parameters["Omega0"]
    n = n_particles**3
    mass = omega_m * RHO_CRITICAL * box_size**3 / n
    grid = np.stack(np.meshgrid(*[np.arange(n_particles)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    pos = (grid + rng.random((n, 3))) * box_size / n_particles
    centers = rng.random((n_clumps, 3)) * box_size
    centers[0] = (0.1, box_size - 0.2, 0.5 * box_size)
    counts = np.maximum(20, (0.03 * n / (1 + np.arange(n_clumps))).astype(int))
    clump = np.full(n, -1)
    stop = n
    chosen = rng.permutation(n)
    for i, count in enumerate(counts):
        rows, stop = chosen[stop - count : stop], stop - count
        direction = rng.standard_normal((count, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        reach = (count * mass * 3 / (800 * np.pi * RHO_CRITICAL)) ** (1 / 3)
        pos[rows] = centers[i] + direction * (0.95 * reach * (np.arange(count) + 0.5) / count)[:, None]
        clump[rows] = i
    omega_b, h = parameters["OmegaBaryon"], parameters["HubbleParam"]
    return Universe(box_size, omega_m, omega_b, h, mass, pos % box_size, clump, centers)


def write_pair(suite: Suite, name: str, world: Universe, n_files: int, stem: str, i: int) -> None:
    """Both snapshots of one simulation and its catalogue."""
    number = f"{suite.snapshot:03d}"
    write_snapshot(suite.dmo / name, f"{stem}_{number}", world, dmo_species(world), n_files if i % 2 else 1, "f4")
    write_snapshot(suite.hydro / name, f"{stem}_{number}", world, hydro_species(world, i), n_files, "f8")
    tab = f"fof_subhalo_tab_{number}.hdf5" if stem == "snap" else f"groups_{number}.hdf5"
    write_groups(suite.catalogs / name / tab, world)


def dmo_species(world: Universe) -> dict[int, Columns]:
    return {1: {"pos": world.dmo}}


def hydro_species(world: Universe, seed: int) -> dict[int, Columns]:
    """Dark matter, gas, stars of which every fifth is wind, a black hole a clump: the mass of the DMO box in all.

    In each clump the innermost third of the gas has become stars, and the outermost gas particle has given half of its
    mass to the black hole, whose BH_Mass is half of its Masses.
    """
    rng = np.random.default_rng([seed, 1])
    f_b, box = world.omega_b / world.omega_m, world.box_size
    dark = world.dmo + rng.normal(0, 0.01, world.dmo.shape)
    gas = world.dmo + rng.normal(0, 0.05, world.dmo.shape)
    weights = rng.uniform(0.5, 1.5, len(gas))
    masses = f_b * world.mass * weights / weights.mean()
    holes = []
    starry = np.zeros(len(gas), bool)
    for i, center in enumerate(world.centers):
        members = np.flatnonzero(world.clump == i)
        members = members[np.argsort(distance(world.dmo[members], center, box))]
        starry[members[: len(members) // 3]] = True
        masses[members[-1]] /= 2
        holes.append(masses[members[-1]])
    time = np.where(np.arange(starry.sum()) % 5 == 4, -0.9, 0.5)
    return {
        0: {"pos": gas[~starry] % box, "mass": masses[~starry]},
        1: {"pos": dark % box},
        4: {"pos": gas[starry] % box, "mass": masses[starry], "GFM_StellarFormationTime": time.astype("f4")},
        5: {
            "pos": world.centers,
            "mass": np.array(holes),
            "BH_Mass": np.array(holes, "f4") / np.float32(2 * MASS_UNIT),
        },
    }


def distance(pos: Array, center: Array, box_size: float) -> Array:
    """To the nearest image."""
    offset = pos - center
    return np.linalg.norm(offset - box_size * np.rint(offset / box_size), axis=1)


def write_snapshot(
    folder: Path, stem: str, world: Universe, species: Mapping[int, Columns], n_files: int, dtype: str
) -> None:
    """folder/snap_090.hdf5, or folder/snapdir_090/snap_090.{j}.hdf5 of which the last holds least."""
    dark = world.mass if 0 not in species else world.mass * (1 - world.omega_b / world.omega_m)
    table = np.array([0, dark / MASS_UNIT, 0, 0, 0, 0])
    totals = np.array([len(species[i]["pos"]) if i in species else 0 for i in range(6)])
    snapdir = folder if n_files == 1 else folder / f"snapdir_{stem.split('_')[-1]}"
    snapdir.mkdir(parents=True, exist_ok=True)
    for j in range(n_files):
        path = snapdir / (f"{stem}.hdf5" if n_files == 1 else f"{stem}.{j}.hdf5")
        bounds = {i: [round(n * (k / n_files) ** 0.7) for k in (j, j + 1)] for i, n in enumerate(totals)}
        counts = np.array([high - low for low, high in bounds.values()])
        with h5py.File(path, "w") as file:
            file.create_group("Header").attrs.update(snapshot_header(world, counts, totals, table, n_files))
            for i, columns in species.items():
                if counts[i]:
                    part = {key: values[slice(*bounds[i])] for key, values in columns.items()}
                    write_part(file.create_group(f"PartType{i}"), part, bounds[i][0] + 10**6 * i, dtype)


def snapshot_header(
    world: Universe, counts: NDArray[np.int64], totals: NDArray[np.int64], table: Array, n_files: int
) -> dict[str, Any]:
    return {
        **common_header(world),
        "NumPart_ThisFile": counts.astype("i4"),
        "NumPart_Total": totals.astype("u4"),
        "NumPart_Total_HighWord": np.zeros(6, "u4"),
        "NumFilesPerSnapshot": np.int32(n_files),
        "MassTable": table,
        "OmegaBaryon": world.omega_b,
        "UnitLength_in_cm": 3.085678e21,
        "UnitMass_in_g": 1.989e43,
        "UnitVelocity_in_cm_per_s": 1e5,
        **{f"Flag_{flag}": np.int32(0) for flag in ("Cooling", "DoublePrecision", "Feedback", "Metals", "Sfr")},
    }


def common_header(world: Universe) -> dict[str, Any]:
    """What snapshots and catalogues both say."""
    return {
        "BoxSize": world.box_size * KPC,
        "Time": 1.0,
        "Redshift": 2.220446049250313e-16,
        "Omega0": world.omega_m,
        "OmegaLambda": 1 - world.omega_m,
        "HubbleParam": world.h,
    }


def write_part(group: h5py.Group, columns: Columns, first_id: int, dtype: str) -> None:
    """The data sets of one species, compressed; positions and masses are converted, others are as they are."""
    n = len(columns["pos"])
    options = {"compression": "gzip"} if n > 1 else {}
    group.create_dataset("Coordinates", data=(columns["pos"] * KPC).astype(dtype), **options)
    group.create_dataset("Velocities", data=np.zeros((n, 3), "f4"), **options)
    group.create_dataset("ParticleIDs", data=np.arange(first_id, first_id + n, dtype="u8"), **options)
    if "mass" in columns:
        group.create_dataset("Masses", data=(columns["mass"] / MASS_UNIT).astype("f4"), **options)
    for name in columns.keys() - {"pos", "mass"}:
        group.create_dataset(name, data=columns[name], **options)


def spheres(world: Universe) -> tuple[Array, Array]:
    """M200c [Msun/h] and R200c [Mpc/h] (h,) of the DMO particles around each clump, by brute force."""
    found = []
    for center in world.centers:
        r = np.sort(distance(world.dmo, center, world.box_size))
        held = world.mass * np.arange(1, len(r) + 1)
        last = np.flatnonzero(held >= 800 / 3 * np.pi * RHO_CRITICAL * r**3)[-1]
        found.append(held[last])
    mass = np.array(found)
    return mass, (mass * 3 / (800 * np.pi * RHO_CRITICAL)) ** (1 / 3)


def write_groups(path: Path, world: Universe) -> None:
    """The groups of one box as SubFind writes them: the clumps from the largest, then one without a sphere."""
    mass, radius = spheres(world)
    order = np.argsort(-mass, kind="stable")
    n = len(mass) + 1
    counts = {"Ngroups": n, "Nsubgroups": 0, "Nids": 0}
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        header = common_header(world) | {"NumFiles": np.int32(1)}
        header |= {
            f"{name}_{which}": np.int32(value) for name, value in counts.items() for which in ("ThisFile", "Total")
        }
        file.create_group("Header").attrs.update(header)
        file.create_group("Subhalo")
        group = file.create_group("Group")
        group["GroupPos"] = (np.vstack([world.centers[order], np.full(3, world.box_size / 3)]) * KPC).astype("f4")
        group["GroupVel"] = np.zeros((n, 3), "f4")
        group["GroupLen"] = np.append((mass / world.mass)[order].astype("i4"), np.int32(21))
        group["GroupMass"] = np.append(mass[order], 21 * world.mass).astype("f4") / np.float32(MASS_UNIT)
        group["Group_M_Crit200"] = (np.append(mass[order], 0) / MASS_UNIT).astype("f4")
        group["Group_R_Crit200"] = (np.append(radius[order], 0) * KPC).astype("f4")
