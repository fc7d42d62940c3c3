"""A box whose halos are to be given baryons, from any source that a configuration can name.

Knows where boxes, halos and parameters come from; knows nothing of maps, of models or of workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from configs import Bind, Camels, CamelsBox, Cutouts, OwnBox, OwnBoxes, SnapshotBox
from sim import catalogs, halos, paired, snapshot
from sim.blocks import Blocks
from sim.catalogs import Halos
from sim.paired import DMO, HYDRO
from sim.parameter_table import own_name
from sim.particles import Tracers

EQUAL_MASSES = 1e-4
"""Largest relative difference of the masses of dark-matter particles among which our finder looks for halos."""


@dataclass(frozen=True)
class HostBox:
    """The halos to be cut out of `dmo`, the truth `hydro` by species where there is one, and parameters by name."""

    name: str
    halos: Halos
    dmo: Blocks
    hydro: Mapping[str, Blocks]
    params: Mapping[str, float]

    @property
    def box_size(self) -> float:
        return self.dmo.box_size

    def parameter(self, name: str) -> float:
        """One parameter; ValueError names what the box has."""
        if name not in self.params:
            known = ", ".join(self.params)
            raise ValueError(f"parameters: expected {name}, which {self.name} does not say; it says {known}")
        return self.params[name]

    @property
    def baryon_fraction(self) -> float:
        """omega_b / omega_m; ValueError where the box does not say them."""
        return self.parameter("omega_b") / self.parameter("omega_m")


def load(config: Bind) -> HostBox:
    """The box that `config` names. FileNotFoundError or ValueError names what is missing, damaged or does not fit."""
    source = config.source
    if isinstance(source, SnapshotBox):
        return _of_snapshot(source, config)
    wanted = cutouts_of(config)
    found = paired.load(source.simulation, wanted)
    params = {own_name(name): float(value) for name, value in zip(found.param_names, found.params, strict=True)}
    listed = found.halos if config.catalog is None else _listed(config, found.halos, params.get("omega_m"))
    told = _told(params, found.halos.redshift, config)
    return HostBox(source.simulation, listed, found.dmo, found.hydro, told)


def cutouts_of(config: Bind) -> Cutouts:
    """The set that the box of `config` would be part of: what is not said of windows has no say in how it is loaded."""
    source = config.source
    assert isinstance(source, OwnBox | CamelsBox)
    kind: type[OwnBoxes] | type[Camels] = OwnBoxes if isinstance(source, OwnBox) else Camels
    content = {name: getattr(source, name) for name in kind.model_fields}
    return Cutouts(product="cutouts", source=kind(**content), out=config.out, min_mass=config.min_mass)


def _listed(config: Bind, found: Halos, omega_m: float | None) -> Halos:
    """The halos of the catalogue that is asked for, in the box of those that were `found`."""
    assert config.catalog is not None
    read = catalogs.read(config.catalog, box_size=found.box_size, redshift=found.redshift, omega_m=omega_m)
    return read.above(config.min_mass)


def _of_snapshot(source: SnapshotBox, config: Bind) -> HostBox:
    dmo = snapshot.read_tracers(source.path, DMO)
    blocks = Blocks.of(dmo["dark_matter"].pos, dmo["dark_matter"].mass, dmo.box_size)
    params = {"omega_m": dmo.omega_m, "h": dmo.h} | ({} if dmo.omega_b is None else {"omega_b": dmo.omega_b})
    told = _told(params, dmo.redshift, config)
    listed = _found(dmo, source, config)
    hydro = {} if source.hydro is None else _hydro(source, dmo)
    return HostBox(source.path.name, listed, blocks, hydro, told)


def _hydro(source: SnapshotBox, dmo: Tracers) -> dict[str, Blocks]:
    """The species of the other side; ValueError when it is of another box."""
    assert source.hydro is not None
    found = snapshot.read_tracers(source.hydro, HYDRO, keep_wind=source.keep_wind)
    for quantity in ("box_size", "redshift"):
        if catalogs.differ(quantity, getattr(found, quantity), getattr(dmo, quantity)):
            got = f"{getattr(dmo, quantity):g}, got {getattr(found, quantity):g}"
            raise ValueError(f"{source.hydro}: expected {quantity} of {source.path}, {got}")
    return {str(name): Blocks.of(found[name].pos, found[name].mass, dmo.box_size) for name in HYDRO}


def _found(dmo: Tracers, source: SnapshotBox, config: Bind) -> Halos:
    """The halos above the threshold, of the catalogue or of our finder."""
    if config.catalog is not None:
        where = {"box_size": dmo.box_size, "redshift": dmo.redshift, "omega_m": dmo.omega_m}
        return catalogs.read(config.catalog, **where).above(config.min_mass)
    matter = dmo["dark_matter"]
    mass = np.atleast_1d(matter.mass)
    if np.ptp(mass) > EQUAL_MASSES * mass[0]:
        got = f"{mass.min():g} to {mass.max():g} Msun/h"
        raise ValueError(f"{source.path}: expected a catalogue, or particles of one mass to find halos, got {got}")
    found = halos.find(
        matter.pos,
        float(mass[0]),
        dmo.box_size,
        omega_m=dmo.omega_m,
        redshift=dmo.redshift,
        linking_length=source.linking_length,
        min_particles=source.min_particles,
    )
    rows = np.arange(len(found))
    every = Halos(rows, found.center, found.m200c, found.r200c, dmo.box_size, dmo.redshift)
    return every.above(config.min_mass)


def _told(params: Mapping[str, float], redshift: float, config: Bind) -> dict[str, float]:
    """What the box says, and what the configuration says instead or besides."""
    return {**params, "redshift": redshift, **config.parameters}
