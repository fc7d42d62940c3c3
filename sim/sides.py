"""Both sides of one of our simulations: its dark matter as it is, and with the baryons that a configuration gives it.

Knows how simulation, halos and baryons fit together; knows nothing of maps, of cutouts or of workers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from configs import Baryons, Box, Cosmology, Painted
from sim import enthalpy, halos, snapshot
from sim.baryons import Counterpart, displaced
from sim.cosmology import critical_density
from sim.feedback import baryons_of
from sim.halos import Catalog
from sim.hosts import concentration_factor
from sim.repair import repaired, resolution_of
from sim.snapshot import Snapshot

Positions = NDArray[np.float32]


@dataclass(frozen=True)
class Sides:
    """A simulated box, the halos in it, and the particles of both sides; particle_mass [Msun/h] of the dark matter.

    `camels` are the CAMELS parameters by name where the box belongs to one of their sets.
    """

    box: Box
    particle_mass: float
    catalog: Catalog
    baryons: Baryons
    hydro: Counterpart
    camels: Mapping[str, float] | None = None


def simulations(config: Painted) -> list[str]:
    """Names of the finished simulations in `config.simulations`; FileNotFoundError when there are none."""
    names = sorted(path.parent.name for path in config.simulations.glob("*/box.json"))
    if not names:
        raise FileNotFoundError(f"{config.simulations}: expected folders with a box.json, found none")
    return names


def sides_of(name: str, config: Painted) -> Sides:
    """Both sides of simulation `name`.

    FileNotFoundError or ValueError names what is missing or does not fit: no output at the redshift, another box.
    """
    folder = config.simulations / name
    record = read_record(folder)
    matter = read_output(folder, record.box, config.redshift).particles["dark_matter"]
    mass = float(np.ravel(matter.mass)[0])
    baryons = drawn(name, config, record.camels)
    seed = int(np.random.SeedSequence((config.seed, index_of(name))).generate_state(1, np.uint64)[0])
    keys: dict[str, Any] = {"redshift": config.redshift, "seed": seed, "vel": matter.vel, "ids": matter.ids}
    keys |= {"linking_length": config.linking_length, "min_particles": config.min_particles}
    keys |= {"center": config.center, "repair": config.repair}
    pos, catalog = resolved(matter.pos, mass, record.box, baryons, **keys)
    hydro = hydrodynamic(pos, mass, catalog, record.box, baryons, config, seed)
    return Sides(record.box, mass, catalog, baryons, hydro, record.camels)


def resolved(
    pos: Positions,
    mass: float,
    box: Box,
    baryons: Baryons,
    *,
    redshift: float,
    seed: int,
    linking_length: float = 0.2,
    min_particles: int = 50,
    center: Literal["densest", "most_bound"] = "densest",
    repair: bool = True,
    vel: Positions | None = None,
    ids: NDArray[np.uint64] | None = None,
) -> tuple[Positions, Catalog]:
    """Positions and halos of a run, as they would be without its softening unless `repair` is off.

    A halo gets the concentration that the scatter of `baryons` draws for it with `seed`: on both sides of a pair.
    """
    catalog = halos.find(
        pos,
        mass,
        box.box_size,
        omega_m=box.cosmology.omega_m,
        redshift=redshift,
        critical_density=critical_density(box.cosmology, redshift),
        linking_length=linking_length,
        min_particles=min_particles,
        center=center,
        properties=True,
        vel=vel,
        ids=ids,
    )
    if not repair:
        return pos, catalog
    factor = concentration_factor(catalog.center / box.box_size, baryons, seed)
    return repaired(
        pos,
        mass,
        catalog,
        box.cosmology,
        resolution=resolution_of(box),
        redshift=redshift,
        concentration_factor=factor,
    )


def hydrodynamic(
    pos: Positions,
    mass: float,
    catalog: Catalog,
    box: Box,
    baryons: Baryons,
    config: Painted,
    seed: int,
) -> Counterpart:
    """The other side, by the model of the configuration."""
    if config.model == "enthalpy":
        return enthalpy.displaced(pos, mass, box.cosmology, config.enthalpy, box.box_size)
    return displaced(pos, mass, catalog, box.cosmology, baryons, box.box_size, redshift=config.redshift, seed=seed)


def drawn(name: str, config: Painted, camels: Mapping[str, float] | None = None) -> Baryons:
    """The baryon parameters of simulation `name`: the point of a scrambled Sobol design that its number names.

    The first dimensions are left to the cosmology that an ensemble drew with the same number: shared ones would tie a
    baryon parameter to a cosmological one. A member of a CAMELS set has what its parameters `camels` say.
    """
    i, names, n_taken = index_of(name), sorted(config.vary), len(Cosmology.model_fields)
    if camels is not None:
        if names:
            raise ValueError(f"vary: expected nothing for {name}, which has CAMELS parameters, got {', '.join(names)}")
        return baryons_of(list(camels.values()), config.baryons)
    if not names:
        return config.baryons
    design = qmc.Sobol(n_taken + len(names), scramble=True, rng=config.seed)
    point = (design.fast_forward(i) if i else design).random(1)[0, n_taken:]
    low, high = np.array([config.vary[key] for key in names]).T
    values = dict(zip(names, (low + (high - low) * point).tolist(), strict=True))
    return Baryons.model_validate(config.baryons.model_dump() | values)


def index_of(name: str) -> int:
    """The number at the end of a simulation's name, which does not depend on which others exist."""
    digits = re.search(r"\d+$", name)
    if digits is None:
        raise ValueError(f"simulation {name!r}: expected a name that ends in its number, such as box_0007")
    return int(digits[0])


def params_vector(cosmology: Cosmology, baryons: Baryons, redshift: float) -> NDArray[np.float32]:
    """The values (p,) of `PARAM_NAMES`."""
    return np.array([*cosmology.model_dump().values(), *baryons.model_dump().values(), redshift], np.float32)


@dataclass(frozen=True)
class Record:
    """What box.json says of a simulation: its configuration, and its CAMELS parameters by name if it has any."""

    box: Box
    camels: dict[str, float] | None


def read_record(folder: Path) -> Record:
    """The record of a simulation, from its box.json."""
    path = folder / "box.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the configuration of a finished simulation, found none")
    content = json.loads(path.read_text())
    return Record(Box.model_validate_json(json.dumps(content["box"])), content.get("camels"))


def read_box(folder: Path) -> Box:
    """The configuration of a simulation."""
    return read_record(folder).box


def read_output(folder: Path, box: Box, redshift: float) -> Snapshot:
    """The output of a simulation at `redshift`; ValueError when there is none or when it is of another box."""
    matches = [i for i, z in enumerate(box.redshifts) if abs(z - redshift) < 1e-6]
    if not matches:
        raise ValueError(f"{folder}: expected an output at redshift {redshift:g}, got outputs at {box.redshifts}")
    path = folder / f"snap_{matches[0]:03d}.hdf5"
    found = snapshot.read(path)
    if abs(found.redshift - redshift) > 1e-4:
        raise ValueError(f"{path}: expected redshift {redshift:g}, got {found.redshift:g}")
    if abs(found.box_size / box.box_size - 1) > 1e-6:
        raise ValueError(f"{path}: expected a box of {box.box_size:g} Mpc/h, got {found.box_size:g} Mpc/h")
    held = len(found.particles["dark_matter"]) if "dark_matter" in found.particles else 0
    if held != box.n_particles**3:
        raise ValueError(f"{path}: expected {box.n_particles}^3 dark-matter particles, got {held}")
    return found
