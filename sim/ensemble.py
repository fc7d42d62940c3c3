"""Many boxes: which ones an ensemble holds, and how each is run and kept on disk.

A member's folder `{out}/{id}` holds snap_000.hdf5, snap_001.hdf5... (one an output redshift) and box.json, its
configuration and provenance. It gets its name when it is complete, so a folder that exists can be read. Knows nothing
of how the members are spread over workers.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import qmc

from configs import Box, Cosmology, Ensemble, provenance
from sim import nbody
from sim.cosmology import particle_mass
from sim.nbody import State
from sim.parallel import SERIAL, Comm
from sim.snapshot import Particles, Snapshot, write

RECORD = "box.json"
PARTIAL = ".partial"


@dataclass(frozen=True)
class Member:
    """One box and the name of its folder."""

    id: str
    box: Box


def members(ensemble: Ensemble) -> list[Member]:
    """The boxes of an ensemble; a longer ensemble of the same seed begins with the same ones.

    ValueError when a varied cosmology cannot be.
    """
    design = _design(len(ensemble.vary), ensemble.n_boxes, ensemble.seed)
    return [_member(ensemble, index, point) for index, point in enumerate(design)]


def simulate(member: Member, out: Path, comm: Comm = SERIAL) -> Path:
    """Run one box and return its folder, at once when it is complete already.

    ValueError when the folder holds another box.
    """
    for _ in simulate_steps(member, out, comm):
        pass
    return Path(out) / member.id


def simulate_steps(member: Member, out: Path, comm: Comm = SERIAL) -> Iterator[State]:
    """The states of `simulate`, for those who show progress; none when the folder is complete already."""
    if is_complete(member, out):
        return
    partial = Path(out) / PARTIAL / member.id
    if comm.rank == 0:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    for state in nbody.run(member.box, comm):
        if state.output is not None:
            _keep(state, partial, comm)
        yield state
    if comm.rank == 0:
        _finish(member, partial, Path(out) / member.id)


def is_complete(member: Member, out: Path) -> bool:
    """Whether the member's folder exists; ValueError naming the first differing key when it holds another box."""
    path = Path(out) / member.id / RECORD
    if not path.parent.exists():
        return False
    if not path.is_file():
        raise ValueError(f"{path.parent}: expected a simulation with {RECORD}, got a folder without it")
    found, wanted = _flat(json.loads(path.read_text())["box"]), _flat(member.box.model_dump(mode="json"))
    for key in wanted | found:
        if found.get(key) != wanted.get(key):
            values = f"{key}={wanted.get(key)}, got {found.get(key)}"
            raise ValueError(f"{path.parent}: expected the output of {values}; remove the folder or choose another")
    return True


def snapshot_of(state: State, comm: Comm = SERIAL) -> Snapshot:
    """All particles of all ranks, by rising id, on every rank."""
    ids, pos, vel = (np.concatenate(comm.allgather(part)) for part in (state.ids, state.pos, state.vel))
    order = np.argsort(ids, kind="stable")
    matter = Particles(pos[order], vel[order], particle_mass(state.box), ids[order])
    cosmology = state.box.cosmology
    redshift = state.redshift if state.output is None else state.output
    return Snapshot(
        {"dark_matter": matter}, state.box.box_size, redshift, cosmology.omega_m, cosmology.h, cosmology.omega_b
    )


def _design(n_parameters: int, n_boxes: int, seed: int) -> np.ndarray:
    """Points in the unit cube, (n_boxes, n_parameters): a scrambled Sobol sequence from its beginning."""
    if n_parameters == 0:
        return np.empty((n_boxes, 0))
    sequence = qmc.Sobol(n_parameters, rng=np.random.default_rng(seed))
    return sequence.random_base2((n_boxes - 1).bit_length())[:n_boxes]


def _member(ensemble: Ensemble, index: int, point: np.ndarray) -> Member:
    """The box at one point of the design, with a seed of its own."""
    template = ensemble.box
    parameters = template.cosmology.model_dump()
    for (name, (low, high)), u in zip(ensemble.vary.items(), point, strict=True):
        parameters[name] = low + (high - low) * float(u)
    cosmology = Cosmology(**parameters)
    word = np.random.SeedSequence([ensemble.seed, index]).generate_state(1, np.uint64)[0]
    box = template.model_copy(update={"cosmology": cosmology, "seed": int(word >> np.uint64(1))})
    return Member(f"box_{index:04d}", box)


def _keep(state: State, folder: Path, comm: Comm) -> None:
    """Write an output as the next snapshot of `folder`."""
    snapshot = snapshot_of(state, comm)
    if comm.rank == 0:
        write(folder / f"snap_{state.box.redshifts.index(snapshot.redshift):03d}.hdf5", snapshot)


def _finish(member: Member, partial: Path, final: Path) -> None:
    """Write the record and give the folder its name, unless another worker was faster with the same box."""
    record = {"box": member.box.model_dump(mode="json"), "provenance": provenance()}
    (partial / RECORD).write_text(json.dumps(record, indent=1) + "\n")
    if is_complete(member, final.parent):
        shutil.rmtree(partial)
    else:
        os.replace(partial, final)
    with suppress(OSError):  # not empty while other boxes are being made
        partial.parent.rmdir()


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
