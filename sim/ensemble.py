"""Many boxes: which ones an ensemble holds, and how each is run and kept on disk.

A member's folder `{out}/{id}` holds snap_000.hdf5, snap_001.hdf5... (one an output redshift; snapdir_000 with a file a
rank where several shared the box), what `sim.outputs` writes, and box.json: its configuration, its CAMELS parameters by
name if it has any, and provenance. It gets its name when it is complete, so a folder that exists can be read; until
then it is `{out}/.partial/{id}` and holds the checkpoints that the same call resumes from. Knows nothing of how the
members are spread over workers.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import qmc

from configs import Box, Cosmology, Ensemble, provenance
from configs.files import replacing
from sim import checkpoint, designs, gradient, ics, nbody, outputs
from sim.agreement import together, wait_for_all
from sim.checkpoint import Cadence, Timer
from sim.cosmology import particle_mass
from sim.memory import refuse_too_large
from sim.nbody import State
from sim.parallel import SERIAL, Comm
from sim.slab import Slab, refuse_thin
from sim.snapshot import Particles, Snapshot, discard_output, write_output
from sim.stepping import schedule
from sim.tables import input_power

RECORD = "box.json"
PARTIAL = ".partial"
CHECKPOINTS = "checkpoints"
DEFAULT = Cadence()
Evolve = Callable[[State, Comm], Iterator[State]]
"""`nbody.evolve`, or what does the same elsewhere."""


@dataclass(frozen=True)
class Member:
    """One box and the name of its folder; the 35 CAMELS parameters where it belongs to one of their sets."""

    id: str
    box: Box
    camels: tuple[float, ...] | None = None


def members(ensemble: Ensemble) -> list[Member]:
    """The boxes of an ensemble; a longer ensemble of the same seed begins with the same ones, unless it is a set LH.

    ValueError when a varied cosmology cannot be or when a CAMELS set has not so many simulations.
    """
    if ensemble.camels is not None:
        return _camels(ensemble, ensemble.camels)
    design = _design(len(ensemble.vary), ensemble.n_boxes, ensemble.seed)
    return [_member(ensemble, index, point) for index, point in enumerate(design)]


def simulate(member: Member, out: Path, comm: Comm = SERIAL, cadence: Cadence = DEFAULT) -> Path:
    """Run one box and return its folder, at once when it is complete already. Errors as in `simulate_steps`."""
    for _ in simulate_steps(member, out, comm, cadence):
        pass
    return Path(out) / member.id


def simulate_steps(
    member: Member, out: Path, comm: Comm = SERIAL, cadence: Cadence = DEFAULT, evolve: Evolve = nbody.evolve
) -> Iterator[State]:
    """The states of `simulate`, for those who show progress; none when the folder is complete already.

    Begins with the last complete checkpoint of an earlier call that was ended, by whatever, on any number of ranks.
    ValueError, before anything is written and the same on every rank, when the box cannot be run or when the folder or
    its checkpoints are of another box.
    """
    if refuse_or_find(member, out, comm):
        return
    partial = Path(out) / PARTIAL / member.id
    saved = checkpoint.latest(member.box, partial / CHECKPOINTS, comm)
    if comm.rank == 0:
        _make_ready(member.box, partial, None if saved is None else saved.step)
    wait_for_all(comm)
    timer = Timer(cadence, comm)
    done = -1 if saved is None else saved.step
    for state in evolve(begin(member.box, comm) if saved is None else saved, comm):
        if state.step > done:
            _keep(state, partial, comm)
            if timer.is_due(state) and state.step < member.box.n_steps:
                checkpoint.save(state, partial / CHECKPOINTS, comm)
        yield state
    wait_for_all(comm)
    if comm.rank == 0:
        _finish(member, partial, Path(out) / member.id)
    wait_for_all(comm)


def begin(box: Box, comm: Comm = SERIAL) -> State:
    """The state before the first step: of the seed, or of the given initial conditions."""
    if box.initial_conditions is None:
        return nbody.start(box, comm)
    return ics.start(box.initial_conditions, box, comm)


def refuse_or_find(member: Member, out: Path, comm: Comm = SERIAL) -> bool:
    """Whether the member is complete already; ValueError, the same on every rank, when it is another or cannot be run.

    Writes nothing. Collective.
    """
    if together(comm, lambda: is_complete(member, out)):
        return True
    together(comm, lambda: refuse(member.box, comm))
    refuse_too_large(member.box, comm)
    return False


def refuse(box: Box, comm: Comm = SERIAL) -> None:
    """ValueError when a box cannot be run on the ranks of `comm`, whatever memory they have; calls no other rank."""
    schedule(box)
    refuse_thin(Slab(box.n_mesh, box.box_size, comm), max(gradient.planes(box.assignment)))
    if box.initial_conditions is None:
        input_power(box)
    elif not box.initial_conditions.exists():
        raise FileNotFoundError(f"initial_conditions: expected a snapshot, got no {box.initial_conditions}")
    outputs.check(box)


def most_ranks(box: Box) -> int:
    """How many ranks can share a box: each needs as many planes as the forces of its neighbours reach into."""
    return box.n_mesh // max(gradient.planes(box.assignment))


def is_complete(member: Member, out: Path) -> bool:
    """Whether the member's folder exists; ValueError naming the first differing key when it holds another box."""
    path = Path(out) / member.id / RECORD
    if not path.parent.exists():
        return False
    if not path.is_file():
        raise ValueError(f"{path.parent}: expected a simulation with {RECORD}, got a folder without it")
    found = json.loads(path.read_text())
    checkpoint.refuse_another(path.parent, found["box"], member.box)
    if found.get("camels") != _named(member):
        raise ValueError(f"{path.parent}: expected the CAMELS parameters of {member.id}, got others; remove the folder")
    return True


def snapshot_of(state: State) -> Snapshot:
    """The particles of this rank, by rising id."""
    pos, vel, ids = state.pos, state.vel, state.ids
    if (ids[1:] < ids[:-1]).any():
        order = np.argsort(ids)
        pos, vel, ids = pos[order], vel[order], ids[order]
    matter = Particles(pos, vel, particle_mass(state.box), ids)
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
    box = template.model_copy(update={"cosmology": Cosmology(**parameters), "seed": _seed(ensemble, index)})
    return Member(f"box_{index:04d}", box)


def _camels(ensemble: Ensemble, kind: designs.Set) -> list[Member]:
    """The members of a CAMELS set: with the seeds of its table if there is one, with one seed for all of 1P."""
    n, table = ensemble.n_boxes, ensemble.camels_table
    found = designs.points(kind, n, ensemble.seed) if table is None else designs.named(table, kind, n)
    boxes = []
    for index, point in enumerate(found):
        cosmology = designs.cosmology_of(point.vector, ensemble.box.cosmology)
        seed = _seed(ensemble, 0 if kind == "1P" else index) if point.seed is None else point.seed
        box = ensemble.box.model_copy(update={"cosmology": cosmology, "seed": seed})
        boxes.append(Member(point.name, box, tuple(point.vector.tolist())))
    return boxes


def _seed(ensemble: Ensemble, index: int) -> int:
    """The seed of the initial conditions of a member."""
    word = np.random.SeedSequence([ensemble.seed, index]).generate_state(1, np.uint64)[0]
    return int(word >> np.uint64(1))


def _named(member: Member) -> dict[str, float] | None:
    """The CAMELS parameters of a member by name."""
    return None if member.camels is None else dict(zip(designs.NAMES, member.camels, strict=True))


def _make_ready(box: Box, partial: Path, step: int | None) -> None:
    """A folder that holds what a run had written when it saved the checkpoint of `step`, nothing without one."""
    if step is None:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        return
    checkpoint.discard_after(partial / CHECKPOINTS, step)
    written = {planned.output for planned in schedule(box)[:step]}
    for i_output, redshift in enumerate(box.redshifts):
        if redshift not in written:
            discard_output(partial, i_output)
    for temporary in partial.rglob(".*"):
        temporary.unlink()


def _keep(state: State, folder: Path, comm: Comm) -> None:
    """Write what a state leaves in `folder`."""
    if state.output is not None and state.box.snapshots:
        write_output(folder, state.box.redshifts.index(state.output), snapshot_of(state), comm)
    outputs.record(state, folder, comm)


def _finish(member: Member, partial: Path, final: Path) -> None:
    """Write what comes last and give the folder its name, unless another worker was faster with the same box."""
    outputs.finish(member.box, partial)
    shutil.rmtree(partial / CHECKPOINTS, ignore_errors=True)
    record = {"box": member.box.model_dump(mode="json"), "provenance": provenance()}
    camels = _named(member)
    record |= {} if camels is None else {"camels": camels}
    with replacing(partial / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")
    if is_complete(member, final.parent):
        shutil.rmtree(partial)
    else:
        os.replace(partial, final)
    with suppress(OSError):  # not empty while other boxes are being made
        partial.parent.rmdir()
