"""`python -m sim box CONFIG.yaml key=value ... --out FOLDER`: one simulation, serial or under `mpiexec -n 4`.
Killed at any moment, the same command, on any number of ranks, resumes from its last checkpoint.

`python -m sim ensemble CONFIG.yaml key=value ...`: many boxes, one after the other.

`python -m sim pairs CONFIG.yaml key=value ...`: the paired maps of an ensemble, one simulation after the other.

`python -m sim counts CONFIG.yaml key=value ...`: density and halos in the cells of boxes, one after the other.

`python -m sim cutouts CONFIG.yaml key=value ...`: the surroundings of every massive halo, serial or under `mpiexec`;
`add-context`, `export`, `import`: wider windows for a finished set, and the files of VDM-BIND.

`python -m sim lenses CONFIG.yaml key=value ...`: simulated strong lenses of a family, part by part.
"""

from __future__ import annotations

import importlib
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from configs import Box, Counts, Ensemble, Lenses, Pairs, load, resolve
from configs.command import ConfigPath, Overrides, add, describe_fields, described
from sim import count_sets, nbody, pairs, set_commands
from sim.agreement import together
from sim.checkpoint import Cadence
from sim.ensemble import Evolve, Member, members, refuse_or_find, simulate, simulate_steps
from sim.launch import PROG, announce, one_voice, share_threads, world
from sim.parallel import Comm, SerialComm, set_threads
from sim.profile import Profile

app = typer.Typer(add_completion=False, help=__doc__)


@app.callback()
def sim() -> None:
    """Simulations without Ray."""


@app.command("box", help="Run one box.\n\n\b\n" + described(describe_fields(Box)))
def box(
    config: ConfigPath,
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="folder of the snapshots and of box.json")] = Path("out/box"),
    threads: Annotated[int | None, typer.Option(help="threads of each rank; else its share of the cores")] = None,
    checkpoint_minutes: Annotated[float, typer.Option(help="write a checkpoint this often")] = 10.0,
    checkpoint_steps: Annotated[int | None, typer.Option(help="write one every so many steps too")] = None,
    device: Annotated[str, typer.Option(help="cpu, or a device of torch such as cuda")] = "cpu",
    profile: Annotated[bool, typer.Option("--profile", help="print where the time went (cpu)")] = False,
) -> None:
    comm = world()
    with one_voice(comm):

        def asked() -> tuple[Box, Cadence]:
            if threads is not None:
                set_threads(threads)
            return load(Box, config, overrides or ()), Cadence(checkpoint_minutes, checkpoint_steps)

        found, cadence = together(comm, asked)
        if threads is None:
            share_threads(comm)
        measured = Profile()
        run_box(found, resolve(out), comm, cadence, together(comm, lambda: engine(found, device, comm, measured)))
        if profile:
            announce("\n".join(measured.lines()), comm)


def engine(box: Box, device: str, comm: Comm, profile: Profile) -> Evolve:
    """What takes a box through its steps; ValueError when the device is not there or the box does not fit on it."""
    if device == "cpu":
        return partial(nbody.evolve, profile=profile)
    if comm.size > 1:
        raise ValueError(f"--device {device}: expected one rank, got {comm.size}")
    on_device = importlib.import_module("sim.device")  # torch takes a second to import
    on_device.refuse(box, device)
    return partial(on_device.evolve, device=device)


def run_box(config: Box, out: Path, comm: Comm, cadence: Cadence, evolve: Evolve) -> None:
    """Run a box, or what is left of it, with a progress bar on the first rank."""
    member = Member(out.name, config)
    if refuse_or_find(member, out.parent, comm):
        announce(f"{out}: complete already", comm)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=comm.rank > 0) as progress:
        task, begun = progress.add_task("initial conditions", total=config.n_steps), False
        for state in simulate_steps(member, out.parent, comm, cadence, evolve):
            if state.step > 0 and not begun and comm.rank == 0:
                progress.console.out(f"{out}: resumes after step {state.step} of {config.n_steps}", highlight=False)
            begun = True
            progress.update(task, completed=state.step, description=f"z = {state.redshift:.3f}")
    announce(f"{out}: {len(config.redshifts) if config.snapshots else 'no'} snapshots", comm)


def run_ensemble(config: Ensemble) -> None:
    """Run every box that is missing, one after the other, with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("boxes", total=config.n_boxes)
        for member in members(config):
            progress.update(task, description=member.id)
            simulate(member, config.out, cadence=Cadence(config.checkpoint_minutes))
            progress.advance(task)
    announce(f"{config.out}: {config.n_boxes} boxes", SerialComm())


def run_pairs(config: Pairs) -> None:
    """Make the shards that are missing with a progress bar, then the manifest."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("pairs", total=len(pairs.simulations(config)))
        for record in pairs.produce(config):
            progress.update(task, advance=1, description=record.simulation)
    announce(f"{config.out}: {len(pairs.read_manifest(config.out).shards)} shards", SerialComm())


def run_counts(config: Counts) -> None:
    """Make the shards that are missing with a progress bar, then the manifest."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task, n_halos = progress.add_task("counts", total=len(count_sets.names(config))), 0
        for record in count_sets.produce(config):
            progress.update(task, advance=1, description=record.simulation)
            n_halos += record.n_halos
    announce(f"{config.out}: {n_halos} halos", SerialComm())


def run_lenses(config: Lenses) -> None:
    """Make the parts that are missing with a progress bar, then the manifest."""
    lens_sets = importlib.import_module("sim.lens_sets")  # torch takes a second to import
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    announce(lens_sets.refuse_full_disk(config, config.n), SerialComm())
    with Progress(*columns) as progress:
        task, start = progress.add_task("lenses", total=config.n), time.process_time()
        for record in lens_sets.produce(config):
            progress.update(task, completed=record.stop)
        seconds = time.process_time() - start
    announce(f"{config.out}: {lens_sets.read_manifest(config.out).words()}; {seconds:.1f} s of a core", SerialComm())


add(app, Ensemble, run_ensemble, name="ensemble", prog=f"{PROG} ensemble", summary="Run many boxes, one by one.")
add(app, Pairs, run_pairs, name="pairs", prog=f"{PROG} pairs", summary="Make the paired maps of an ensemble.")
add(app, Counts, run_counts, name="counts", prog=f"{PROG} counts", summary="Count the halos in the cells of boxes.")
add(app, Lenses, run_lenses, name="lenses", prog=f"{PROG} lenses", summary="Simulate the strong lenses of a family.")
set_commands.add_to(app)


if __name__ == "__main__":
    app(prog_name=PROG)
