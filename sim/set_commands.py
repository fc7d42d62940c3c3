"""The commands on sets of cutouts: make one, serial or under mpiexec; widen it; exchange it with VDM-BIND."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from configs import Cutouts, load, resolve
from configs.command import ConfigPath, Overrides, describe_fields, described, user_errors
from sim import context, halosets, vdm_bind
from sim.agreement import together
from sim.launch import FAILED, PROG, one_voice, share_threads, world
from sim.parallel import Comm
from sim.samples import read_manifest
from sim.shares import Made, gathered, incomplete, make, shares
from sim.statistics import STATISTICS

Item = TypeVar("Item")
FIELDS = "\n\n\b\n" + described(describe_fields(Cutouts))
Folder = Annotated[Path, typer.Argument(help="folder of a finished set", metavar="SET")]


def add_to(app: typer.Typer) -> None:
    """Give `app` the commands."""
    app.command("cutouts", help="Cut every massive halo out of paired simulations." + FIELDS)(cut)
    app.command("add-context", help="Make SET again with wider windows, which CONFIG.yaml has after its own.")(widen)
    app.command("export", help="Write a finished set in the files of VDM-BIND.")(export)
    app.command("import", help="Read a folder of VDM-BIND files into a set.")(read)


def cut(config: ConfigPath, overrides: Overrides = None) -> None:
    comm = world()
    with one_voice(comm):
        asked = together(comm, lambda: load(Cutouts, config, overrides or ()))
        share_threads(comm)
        missing = incomplete(asked, comm)
        done = list(shown(make(asked, missing, comm), len(shares(missing, comm.rank, comm.size)), comm))
        failures = sorted({(one["name"], one["error"]) for some in gathered(failed(done), comm) for one in some})
        if comm.rank == 0:
            finish(asked, failures)
    raise SystemExit(FAILED if failures else 0)


def failed(done: list[Made]) -> list[dict[str, str | None]]:
    return [{"name": one.name, "error": one.error} for one in done if one.error is not None]


def shown(made: Iterator[Made], n: int, comm: Comm) -> Iterator[Made]:
    """`made` with a progress bar of the first rank's own simulations."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=comm.rank > 0) as progress:
        task, n_samples, start = progress.add_task("cutouts", total=n), 0, time.monotonic()
        for one in made:
            n_samples += one.n_samples
            rate = n_samples / max(time.monotonic() - start, 1e-9)
            progress.update(task, advance=1, description=f"{one.name}, {n_samples} samples, {rate:.1f} a second")
            yield one


def finish(config: Cutouts, failures: list[tuple[str, str]]) -> None:
    """Name what failed, or write the manifest and the statistics and say what there is."""
    for name, error in failures:
        print(f"{PROG}: cutouts: {name} failed: {error}", file=sys.stderr)
    if failures:
        print(f"{PROG}: cutouts: {len(failures)} failed; the rest is kept, run again to retry", file=sys.stderr)
        return
    print(f"{config.out}: {halosets.completed_set(config).words()}")


def widen(old: Folder, config: ConfigPath, overrides: Overrides = None) -> None:
    with user_errors(PROG):
        asked = load(Cutouts, config, overrides or ())
        n = len(read_manifest(resolve(old)).halos)
        sum(1 for _ in track(context.widened(resolve(old), asked), n, "add-context"))
        print(f"{asked.out}: {read_manifest(asked.out).words()}")


def export(
    old: Folder,
    out: Annotated[Path, typer.Option(help="folder of the files")],
    format: Annotated[Literal["npz"], typer.Option(help="npz: one file a sample, as VDM-BIND reads them")] = "npz",
) -> None:
    with user_errors(PROG):
        manifest = read_manifest(resolve(old))
        n = sum(track(vdm_bind.export(resolve(old), resolve(out)), len(manifest.shards), f"export {format}"))
        print(f"{out}: {n} samples and {len(STATISTICS)} files of statistics")


def read(
    files: Annotated[Path, typer.Argument(help="folder of sim_0_halo_0_rot_0.npz and so on", metavar="FOLDER")],
    out: Annotated[Path, typer.Option(help="folder of the set")],
    box_size: Annotated[float, typer.Option(help="side of the box [Mpc/h]")] = 50.0,
    scales: Annotated[str, typer.Option(help="sides of the windows [Mpc/h]")] = "6.25,12.5,25,50",
    redshift: Annotated[float, typer.Option(help="of the snapshots")] = 0.0,
    omega_m: Annotated[float | None, typer.Option(help="for R200c at a redshift other than 0")] = None,
) -> None:
    with user_errors(PROG):
        told = vdm_bind.Imported(tuple(float(scale) for scale in scales.split(",")), box_size, redshift, omega_m)
        n = sum(track(vdm_bind.read(resolve(files), resolve(out), told), None, "import"))
        print(f"{out}: {n} samples; {read_manifest(resolve(out)).words()}")


def track(items: Iterator[Item], n: int | None, what: str) -> Iterator[Item]:
    """`items` with a progress bar."""
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task(what, total=n)
        for item in items:
            bar.advance(task)
            yield item
