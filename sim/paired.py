"""A simulation with both sides in memory, from our own boxes or from CAMELS, ready to be cut.

Knows where a side comes from; knows nothing of windows, of shards or of workers.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs import Camels, Cutouts, OwnBoxes
from sim import camels, catalogs, headers, sides, snapshot, subfind
from sim.blocks import Blocks
from sim.camels import Pair, Suite
from sim.catalogs import Halos
from sim.halos import Catalog
from sim.matching import matched
from sim.particles import Species
from sim.shards import PARAM_NAMES, file_hash
from sim.sides import Sides
from sim.thinning import thinned

CATALOGS = "catalogs"
DMO: tuple[Species, ...] = ("dark_matter",)
HYDRO: tuple[Species, ...] = ("dark_matter", "gas", "stars")
COPIES = 3
"""Bytes of a simulation being loaded over those of its particles: as read, in blocks, and what sorts them."""


@dataclass(frozen=True)
class Paired:
    """Both sides of a simulation: lengths in comoving Mpc/h, masses in Msun/h.

    `halos` are those to be cut out of the dark-matter-only side; target_center (h, 3) is where the other side is cut.
    `counts` says how many particles of each species there are, `seconds` how long each stage took.
    """

    name: str
    halos: Halos
    target_center: NDArray[np.float64]
    dmo: Blocks
    hydro: Mapping[str, Blocks]
    params: NDArray[np.float64]
    param_names: tuple[str, ...]
    counts: Mapping[str, int]
    seconds: Mapping[str, float]

    @property
    def outline(self) -> Outline:
        """What a record says of it."""
        sizes = (len(self.halos), self.dmo.box_size, self.halos.redshift)
        return Outline(self.name, *sizes, self.param_names, self.counts, self.seconds)


@dataclass(frozen=True)
class Outline:
    """A simulation without its particles."""

    name: str
    n_halos: int
    box_size: float
    redshift: float
    param_names: tuple[str, ...]
    counts: Mapping[str, int]
    seconds: Mapping[str, float]


@dataclass
class Stopwatch:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the seconds that the block takes to those of stage `name`."""
        start = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start


def names(config: Cutouts) -> list[str]:
    """The simulations that a set is made of; ValueError when one to exclude is none of them or none is left."""
    source = config.source
    known = sides.simulations(source) if isinstance(source, OwnBoxes) else list(suite(source).names())
    unknown = sorted(set(config.exclude) - set(known))
    if unknown:
        raise ValueError(f"exclude: expected simulations of the source, got {unknown[0]}")
    left = [name for name in known if name not in config.exclude]
    if not left:
        raise ValueError("exclude: expected to leave a simulation, got all of them")
    return left


def suite(source: Camels) -> Suite:
    return Suite(
        source.dmo, source.hydro, source.catalogs, source.parameters, set_name=source.set_name, snapshot=source.snapshot
    )


def load(name: str, config: Cutouts) -> Paired:
    """Read, or make, both sides of simulation `name` and its halos above the threshold.

    FileNotFoundError or ValueError names what is missing, damaged or does not fit.
    """
    if isinstance(config.source, OwnBoxes):
        return _load_own(name, config, config.source)
    return _load_camels(name, config, config.source)


def _load_own(name: str, config: Cutouts, source: OwnBoxes) -> Paired:
    watch = Stopwatch()
    with watch.stage("halos and baryons"):
        found = sides.sides_of(name, source)
    box, hydro, path = found.box, found.hydro, catalog_path(name, config)
    with watch.stage("catalogue"):
        cosmology = box.cosmology
        subfind.write(
            path,
            found.catalog,
            source.redshift,
            omega_m=cosmology.omega_m,
            h=cosmology.h,
            columns=shapes(found.catalog),
        )
        halos = _selected(path, name, box.box_size, source.redshift, config)
    with watch.stage("blocks"):
        dmo = Blocks.of(hydro.dmo_pos, found.particle_mass, box.box_size)
        tracers = {"dark_matter": hydro.dark_matter, "gas": hydro.gas, "stars": hydro.stars}
        blocks = {species: Blocks.of(side.pos, side.mass, box.box_size) for species, side in tracers.items()}
    params, param_names = parameters_of(found, source)
    counts = {"dmo": len(dmo)} | {species: len(side) for species, side in blocks.items()}
    return Paired(name, halos, halos.center, dmo, blocks, params, param_names, counts, watch.seconds)


def shapes(catalog: Catalog) -> dict[str, NDArray[np.float64]]:
    """What our catalogues have beyond those of SubFind."""
    columns = {
        "Group_Concentration200": catalog.concentration,
        "Group_Spin200": catalog.spin,
        "Group_Shape200": catalog.shape,
    }
    return {name: values for name, values in columns.items() if values is not None}


def parameters_of(found: Sides, source: OwnBoxes) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Parameters (p,) and their names: those of CAMELS where the box has them, else of the cosmology and baryons."""
    if found.camels is not None:
        return np.array(list(found.camels.values())), tuple(found.camels)
    return sides.params_vector(found.box.cosmology, found.baryons, source.redshift).astype(np.float64), PARAM_NAMES


def _load_camels(name: str, config: Cutouts, source: Camels) -> Paired:
    watch, pair = Stopwatch(), suite(source).pair(name)
    with watch.stage("check"):
        camels.check(pair)
    with watch.stage("read"):
        dmo = snapshot.read_tracers(pair.dmo, DMO)
        hydro = snapshot.read_tracers(pair.hydro, (*HYDRO, "black_holes"), keep_wind=source.keep_wind)
    with watch.stage("catalogue"):
        halos = _selected(pair.catalog, name, dmo.box_size, dmo.redshift, config)
        halos, target_center = _centered(halos, pair, config, source)
    with watch.stage("blocks"):
        matter = Blocks.of(dmo["dark_matter"].pos, dmo["dark_matter"].mass, dmo.box_size)
        blocks = {str(name): Blocks.of(hydro[name].pos, hydro[name].mass, dmo.box_size) for name in HYDRO}
    counts = {"dmo": len(matter), "wind_left_out": hydro.n_excluded}
    counts |= {str(species): len(side) for species, side in hydro.items()}
    return Paired(name, halos, target_center, matter, blocks, pair.params, pair.param_names, counts, watch.seconds)


def _centered(halos: Halos, pair: Pair, config: Cutouts, source: Camels) -> tuple[Halos, NDArray[np.float64]]:
    """The halos to cut and the centres of their other sides: all and the same, or those that have a match and its."""
    if config.centers == "dmo" or source.hydro_catalogs is None:
        return halos, halos.center
    path = suite(source.model_copy(update={"catalogs": source.hydro_catalogs})).pair(pair.name).catalog
    others = catalogs.read(path, box_size=halos.box_size, redshift=halos.redshift)
    rows = matched(halos, others)
    return halos.taken(rows >= 0), others.center[rows[rows >= 0]]


def _selected(path: Path, name: str, box_size: float, redshift: float, config: Cutouts) -> Halos:
    """The halos of a catalogue above the threshold that simulation `name` has in the set, in its order."""
    above = catalogs.read(path, box_size=box_size, redshift=redshift).above(config.min_mass)
    return above if config.full_mass is None else thinned(above, config.full_mass, seed=config.seed, simulation=name)


def catalog_path(name: str, config: Cutouts) -> Path:
    """The catalogue of a simulation: where its makers put it, or where we leave ours."""
    if isinstance(config.source, OwnBoxes):
        return config.out / CATALOGS / f"{name}.hdf5"
    return suite(config.source).pair(name).catalog


def n_expected(name: str, config: Cutouts) -> int:
    """How many halos the catalogue of simulation `name` has for the set; FileNotFoundError before ours is made."""
    path = catalog_path(name, config)
    if isinstance(config.source, OwnBoxes):
        box = sides.read_box(config.source.simulations / name)
        return len(_selected(path, name, box.box_size, config.source.redshift, config))
    said = catalogs.stated(path)
    halos = _selected(path, name, said["box_size"], said["redshift"], config)
    return len(_centered(halos, suite(config.source).pair(name), config, config.source)[0])


def source_hash(name: str, config: Cutouts) -> str:
    """SHA-256 of what tells this simulation from another: our configuration of it, or the headers and the catalogue.

    Particles are not hashed: a set of 1,024 boxes is read once, not twice.
    """
    if isinstance(config.source, OwnBoxes):
        return file_hash(config.source.simulations / name / "box.json")
    pair = suite(config.source).pair(name)
    parts = [_stamp(header.path) for path in (pair.dmo, pair.hydro) for header in headers.read(path)]
    content = {"files": parts, "catalog": file_set_hash(pair.catalog), "params": pair.params.tolist()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _stamp(path: Path) -> tuple[str, int]:
    return path.name, path.stat().st_size


def file_set_hash(path: Path) -> str:
    """SHA-256 of a file, or of the files of a folder by name."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return hashlib.sha256("".join(file_hash(file) for file in files).encode()).hexdigest()


def memory_bytes(name: str, config: Cutouts) -> int:
    """Memory that simulation `name` takes while it is loaded: positions and masses of all species, COPIES times."""
    if isinstance(config.source, OwnBoxes):
        n = (1 + len(HYDRO)) * sides.read_box(config.source.simulations / name).n_particles ** 3
    else:
        pair = suite(config.source).pair(name)
        n = sum(sum(headers.read(path)[0].totals) for path in (pair.dmo, pair.hydro))
    return COPIES * 16 * n
