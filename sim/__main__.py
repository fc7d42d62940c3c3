"""`python -m sim box CONFIG.yaml key=value ... --out FOLDER`: one simulation, serial or under mpiexec.
With ranks, `mpiexec -n 4 python -m mpi4py -m sim box ...` ends all of them when one fails.

`python -m sim ensemble CONFIG.yaml key=value ...`: many boxes, one after the other.

`python -m sim pairs CONFIG.yaml key=value ...`: the paired maps of an ensemble, one simulation after the other.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from configs import Box, Ensemble, Pairs, load, resolve
from configs.command import add, describe_fields, user_errors
from sim import pairs
from sim.ensemble import Member, is_complete, members, simulate, simulate_steps
from sim.parallel import Comm, MpiComm, SerialComm, set_threads

PROG = "python -m sim"
MPI_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""Variables with which launchers tell a process how many ranks it is one of."""

app = typer.Typer(add_completion=False, help=__doc__)


@app.callback()
def sim() -> None:
    """Simulations without Ray."""


@app.command("box", help="Run one box.\n\n\b\n" + "\n".join(describe_fields(Box)))
def box(
    config: Annotated[str, typer.Argument(help="YAML file of a box", metavar="CONFIG.yaml")],
    overrides: Annotated[list[str] | None, typer.Argument(help="replace a field", metavar="key=value")] = None,
    out: Annotated[Path, typer.Option(help="folder of the snapshots and of box.json")] = Path("out/box"),
    threads: Annotated[int | None, typer.Option(help="threads of each rank; all cores if not given")] = None,
) -> None:
    with user_errors(PROG):
        if threads is not None:
            set_threads(threads)
        run_box(load(Box, config, overrides or ()), resolve(out), world())


def world() -> Comm:
    """The ranks that a launcher started, or one."""
    return MpiComm() if any(int(os.environ.get(name, 1)) > 1 for name in MPI_SIZES) else SerialComm()


def run_box(config: Box, out: Path, comm: Comm) -> None:
    """Run a box with a progress bar on the first rank."""
    member = Member(out.name, config)
    if is_complete(member, out.parent):
        announce(f"{out}: complete already", comm)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=comm.rank > 0) as progress:
        task = progress.add_task("initial conditions", total=config.n_steps)
        for state in simulate_steps(member, out.parent, comm):
            progress.update(task, completed=state.step, description=f"z = {state.redshift:.3f}")
    announce(f"{out}: {len(config.redshifts)} snapshots", comm)


def run_ensemble(config: Ensemble) -> None:
    """Run every box that is missing, one after the other, with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("boxes", total=config.n_boxes)
        for member in members(config):
            progress.update(task, description=member.id)
            simulate(member, config.out)
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


def announce(line: str, comm: Comm) -> None:
    """Print `line` once."""
    if comm.rank == 0:
        print(line)


add(app, Ensemble, run_ensemble, name="ensemble", prog=f"{PROG} ensemble", summary="Run many boxes, one by one.")
add(app, Pairs, run_pairs, name="pairs", prog=f"{PROG} pairs", summary="Make the paired maps of an ensemble.")


if __name__ == "__main__":
    app(prog_name=PROG)
