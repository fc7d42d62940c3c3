"""What a run writes beside its snapshots, while it runs: power spectra, maps, light-cone planes and the convergence.

spectrum_000.txt and maps_000.hdf5 belong to the output redshift of that number, plane_000.hdf5 to the plane of the
light cone; convergence.hdf5 is made of the planes when all are there. A file is a function of the state alone, so a run
that resumes writes the same bytes again. Knows nothing of how these are computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from configs import Box, provenance
from configs.files import replacing
from sim import lightcone
from sim.convergence import convergence, repeats
from sim.cosmology import mean_density, particle_mass
from sim.efficiency import sources_of
from sim.lightcone import Plane, cone_of, gathered
from sim.maps import project
from sim.nbody import State
from sim.parallel import SERIAL, Comm
from sim.shards import UNIT
from sim.spectra import Spectrum, particle_power

Map = NDArray[np.float32]

CONVERGENCE = "convergence.hdf5"


def check(box: Box) -> None:
    """ValueError when the light cone that a box asks for cannot be made of it: to be called before a run."""
    if box.lightcone is not None:
        lightcone.planes(box)


def record(state: State, folder: Path, comm: Comm = SERIAL) -> None:
    """Write into `folder` what `state` implies: all ranks call this with every state of a run, rank 0 writes."""
    box = state.box
    if state.output is not None:
        number = box.redshifts.index(state.output)
        if box.spectra:
            spectrum = particle_power(state.pos, box.box_size, box.n_mesh, assignment=box.assignment, comm=comm)
            if comm.rank == 0:
                write_spectrum(spectrum_path(folder, number), spectrum, box, state.output)
        if box.map_pixels is not None:
            images = [_surface_density(state, axis, box.map_pixels, comm) for axis in range(3)]
            if comm.rank == 0:
                write_maps(maps_path(folder, number), np.array(images), box, state.output)
    for plane in lightcone.due(box, state.step) if box.lightcone is not None else ():
        found = lightcone.contrast(state, plane, comm)
        if found is not None:
            write_plane(plane_path(folder, plane), *found, plane, box)


def finish(box: Box, folder: Path) -> None:
    """Write what needs the whole run; once, on one rank. FileNotFoundError or ValueError names a plane that is not."""
    if box.lightcone is not None:
        contrasts = (read_plane(plane_path(folder, plane), plane, box) for plane in lightcone.planes(box))
        write_convergence(folder / CONVERGENCE, convergence(box, contrasts), box)


def spectrum_path(folder: Path, number: int) -> Path:
    return Path(folder) / f"spectrum_{number:03d}.txt"


def maps_path(folder: Path, number: int) -> Path:
    return Path(folder) / f"maps_{number:03d}.hdf5"


def plane_path(folder: Path, plane: Plane) -> Path:
    return Path(folder) / f"plane_{plane.index:03d}.hdf5"


def _surface_density(state: State, axis: int, n_pixels: int, comm: Comm) -> Map | None:
    """Surface density (n_pixels, n_pixels) in UNIT of the whole box, on rank 0."""
    image = project(state.pos, particle_mass(state.box), state.box.box_size, n_pixels, axis)
    total = gathered(image, comm)
    return None if total is None else total.astype(np.float32)


def write_spectrum(path: Path, spectrum: Spectrum, box: Box, redshift: float) -> None:
    """Text: a header of comments, then k, P and the number of modes, a row a bin."""
    shot = (box.box_size / box.n_particles) ** 3
    header = [
        f"matter power spectrum at redshift {redshift:g}, box of {box.box_size:g} Mpc/h, {box.n_particles}^3 particles",
        f"{box.assignment} on {box.n_mesh}^3 cells, interlaced, window divided out; bins one fundamental mode wide",
        f"shot noise not subtracted: V/N = {shot:.6g} (Mpc/h)^3",
        f"box {box.model_dump_json()}",
        f"commit {provenance()['commit']}",
        "k [h/Mpc]   P [(Mpc/h)^3]   modes, both of +-k",
    ]
    table = np.column_stack([spectrum.k, spectrum.pk, spectrum.n_modes])
    with replacing(path) as temporary:
        np.savetxt(temporary, table, fmt=("%.8e", "%.8e", "%d"), header="\n".join(header))


def read_spectrum(path: Path) -> Spectrum:
    """The spectrum that `write_spectrum` wrote; FileNotFoundError when there is none."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a power spectrum, found none")
    k, pk, n_modes = np.loadtxt(path, unpack=True, ndmin=2)
    return Spectrum(k, pk, n_modes.astype(np.int64))


def write_maps(path: Path, images: NDArray[np.float32], box: Box, redshift: float) -> None:
    """Surface densities (3, n, n) along x, y, z: rows and columns are the two other axes in increasing order."""
    pixel = box.box_size / images.shape[-1]
    about = {"redshift": redshift, "pixel_size": pixel, "axes": [0, 1, 2], "depth": box.box_size}
    with _created(path, box, about) as file:
        _add(file, "surface_density", images, UNIT)


def write_plane(path: Path, contrast: Map, n_particles: int, plane: Plane, box: Box) -> None:
    """The surface density contrast (n, n) of a plane, as the observer sees it, and where it is."""
    about = {
        "chi": plane.chi,
        "chi_near": plane.near,
        "chi_far": plane.far,
        "redshift": plane.z,
        "repetition": plane.repetition,
        "axes": plane.turn.axes,
        "flips": plane.turn.flips,
        "shifts": plane.turn.shifts,
        "pixel_size": box.box_size / len(contrast),
        "n_particles": n_particles,
        "mean_surface_density": mean_density(box.cosmology) * plane.depth,
        "mean_surface_density_unit": UNIT,
    }
    with _created(path, box, about) as file:
        _add(file, "contrast", contrast, "1")


def read_plane(path: Path, plane: Plane, box: Box) -> Map:
    """The contrast (n, n) of a plane; FileNotFoundError when it is missing, ValueError when it is of another box."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the mass plane at z={plane.z:.3f}, found none")
    with h5py.File(path) as file:
        if file.attrs.get("box") != box.model_dump_json() or file.attrs.get("chi") != plane.chi:
            raise ValueError(f"{path}: expected the plane at {plane.chi:g} Mpc/h of this box, got another")
        return np.asarray(file["contrast"][:])


def write_convergence(path: Path, kappa: Map, box: Box) -> None:
    """Kappa (n, n), the n(z) it is of, and the planes it is the sum of."""
    cone, sources, planes = cone_of(box), sources_of(box), lightcone.planes(box)
    z, n = sources.distribution
    about = {
        "field_deg": cone.field_deg,
        "pixel_arcsec": cone.field_deg * 3600 / cone.n_pixels,
        "approximation": "Born, flat sky, bilinear sampling of the planes at the pixel centres",
        "boxes_across_the_field": repeats(box),
    }
    with _created(path, box, about) as file:
        _add(file, "kappa", kappa, "1")
        _add(file, "sources/z", z, "1")
        _add(file, "sources/n", n, "1 a unit of redshift, integral 1" if sources.smail else "1: all at this redshift")
        _add(file, "planes/chi", np.array([plane.chi for plane in planes]), "Mpc/h")
        _add(file, "planes/redshift", np.array([plane.z for plane in planes]), "1")
        _add(file, "planes/weight", np.array([sources.weight(plane) for plane in planes]), "kappa for a contrast of 1")


@contextmanager
def _created(path: Path, box: Box, about: Mapping[str, Any]) -> Iterator[h5py.File]:
    """A new HDF5 file that says what it is and gets its name when it is whole; equal content gives equal bytes."""
    shared = {"box": box.model_dump_json(), "box_size": box.box_size, "length_unit": "comoving Mpc/h", **provenance()}
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(dict(sorted((shared | dict(about)).items())))
        yield file


def _add(file: h5py.File, name: str, values: NDArray[Any], unit: str) -> None:
    """A data set with its unit."""
    file.create_dataset(name, data=values, track_times=False).attrs["unit"] = unit
