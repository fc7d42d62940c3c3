"""Models on one machine: `python -m learn train|evaluate|bind CONFIG.yaml key=value ...`, `preview SET`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

from configs import (
    Bind,
    Evaluate,
    EvaluateCounts,
    EvaluateFields,
    EvaluateHalos,
    EvaluateLenses,
    Generate,
    Prepare,
    Reconstruct,
    Train,
    resolve,
)
from configs.command import Run, add, add_applied, add_counted, add_of, add_on, user_errors
from learn import checkpoint, release
from learn import generate as samples
from learn.counts.evaluation import evaluate as evaluate_counts
from learn.counts.table import show as show_counts
from learn.evaluate import evaluate, of_checkpoint
from learn.fields.evaluation import evaluate as evaluate_fields
from learn.fields.table import show as show_fields
from learn.halos import bind as binding
from learn.halos import bound, pasted
from learn.halos.evaluation import evaluate as evaluate_halos
from learn.halos.evaluation import show as show_halos
from learn.lens_preview import write_lens_preview
from learn.lenses import preparation, reconstruct, reconstruction_summary
from learn.lenses.evaluation import evaluate as evaluate_lenses
from learn.lenses.table import show as show_lenses
from learn.mass import command as mass
from learn.paint import paint
from learn.preview import write_preview
from learn.restore import restored, stored
from learn.table import show
from learn.track import tracked
from learn.train import fit, is_complete
from sim.lens_shards import lens_sets

PROG = "python -m learn"
FAILED = 1
COLUMNS = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
SAMPLES = "configs/generate/fields.yaml"


def train(config: Train) -> None:
    """Train on this machine, with a progress bar, from the last checkpoint if there is one."""
    console, resume = Console(), restored(config)
    if is_complete(config):
        console.print(f"train: {config.out / 'final'} is there already, nothing to do")
        return
    before = 0 if resume is None else checkpoint.load_meta(resume).step
    if before:
        console.print(f"train: resumes at step {before} of {config.n_steps}")
    with Progress(*COLUMNS, console=console) as bar:
        task = bar.add_task("train", total=config.n_steps, completed=before)
        steps = fit(config, resume=resume)
        for progress in stored(tracked(steps, config, start_step=before), config):
            bar.update(task, completed=progress.step, description=losses(progress.metrics))
            if progress.checkpoint:
                bar.console.print(judgement(progress.step, progress.metrics))
    console.print(f"train: the model is {config.out / 'final'}")


def judge(config: Evaluate) -> None:
    """Judge a checkpoint; the last line is one JSON object with every score."""
    show(evaluate(config))


def judge_counts(config: EvaluateCounts) -> None:
    """Judge a model that counts halos; the last line is one JSON object with every score."""
    show_counts(evaluate_counts(config))


def judge_fields(config: EvaluateFields) -> None:
    """Judge a generator of fields; the last line is one JSON object with every score."""
    show_fields(evaluate_fields(config))


def judge_halos(config: EvaluateHalos) -> None:
    """Judge a model of halos; the last line is one JSON object with every score."""
    show_halos(evaluate_halos(config))


def judge_lenses(config: EvaluateLenses) -> None:
    """Judge a machine that inverts lenses; the last line is one JSON object with every score."""
    show_lenses(evaluate_lenses(config))


def bind(config: Bind) -> None:
    """Sample every halo that is not, with a progress bar, then paste and measure."""
    start, console = time.monotonic(), Console()
    job = binding.prepare(config)
    measured, n_stamps = [], 0
    with Progress(*COLUMNS, console=console) as bar:
        task = bar.add_task("bind", total=sum(len(job.rows(view)) for view in job.views))
        for view, pieces, missing in binding.left(job):
            bar.advance(task, sum(len(work.mass) for work in pieces if work not in missing))
            for work in missing:
                n_stamps += binding.make(work, config.sampler)
                rate = n_stamps / max(time.monotonic() - start, 1e-9)
                bar.update(task, advance=len(work.mass), description=f"{view.name}, {rate:.1f} stamps/s")
            measured.append(pasted.paste(job, view, pieces))
    console.print(bound.words(bound.write(job, measured, time.monotonic() - start)), soft_wrap=True, highlight=False)


def generate(config: Generate) -> None:
    """Draw samples on this machine, part by part, with a progress bar."""
    console = Console()
    if samples.is_complete(config):
        console.print(f"generate: {config.out / samples.SAMPLES} is there already, nothing to do")
        return
    missing = samples.missing(config)
    before = config.n_samples - sum(len(part.samples) for part in missing)
    with Progress(*COLUMNS, console=console) as bar:
        task = bar.add_task("generate", total=config.n_samples, completed=before)
        for part in missing:
            bar.advance(task, len(samples.make(part, config).samples))
    console.print(f"generate: the samples are in {samples.finish(config)}")


def prepare(config: Prepare) -> None:
    """Prepare every image, with a progress bar and a line each; the last says where they are."""
    console, jobs = Console(soft_wrap=True, highlight=False), preparation.found(config)
    with Progress(*COLUMNS, console=console) as bar:
        for row in bar.track(preparation.prepared(jobs, config), total=len(jobs), description="prepare"):
            bar.console.print(preparation.words(row), markup=False)
    console.print(f"prepare: {config.out / preparation.SUMMARY}")


def reconstruct_(config: Reconstruct) -> None:
    """Invert every image, with a progress bar and a line each; exits with 1 if some could not be."""
    console, lenses = Console(soft_wrap=True, highlight=False), reconstruct.found(config)
    n_failed = 0
    with Progress(*COLUMNS, console=console) as bar:
        rows = reconstruct.reconstructed(lenses, config)
        for row in bar.track(rows, total=len(lenses), description="reconstruct"):
            n_failed += bool(row.error)
            bar.console.print(reconstruction_summary.words(row), markup=False)
    page = config.out / reconstruction_summary.PAGE
    console.print(f"reconstruct: {len(lenses) - n_failed} of {len(lenses)} lenses; {page}")
    if n_failed:
        raise SystemExit(FAILED)


def preview(folder: Annotated[Path, typer.Argument(help="folder of a finished set", metavar="SET")]) -> None:
    with user_errors(f"{PROG} preview"):
        print(drawn(resolve(folder)) or f"{folder}: nothing to draw: cubes, or no halo")


def export(
    folder: Annotated[Path, typer.Argument(help="folder of a checkpoint", metavar="CHECKPOINT")],
    out: Annotated[Path, typer.Option(help="folder of the release")],
    evaluation: Annotated[Path | None, typer.Option(help="metrics.json of an evaluation, for the card")] = None,
    note: Annotated[str, typer.Option(help="what the maps it was trained on are, for the card")] = "",
    program: Annotated[bool, typer.Option(help="with the painter as a torch program, which doubles the size")] = True,
) -> None:
    with user_errors(f"{PROG} export"):
        judged = evaluation and resolve(evaluation)
        print(release.export(resolve(folder), resolve(out), evaluation=judged, program=program, note=note))


def import_(
    folder: Annotated[Path, typer.Argument(help="folder of a release", metavar="FOLDER")],
    out: Annotated[Path, typer.Option(help="folder of the checkpoint")],
    max_bytes: Annotated[int, typer.Option(help="largest release that is accepted")] = release.MAX_BYTES,
) -> None:
    with user_errors(f"{PROG} import"):
        print(release.import_(resolve(folder), resolve(out), max_bytes=max_bytes))


def paint_(
    checkpoint: Annotated[Path, typer.Argument(help="folder of a checkpoint or of a release", metavar="CHECKPOINT")],
    source: Annotated[Path, typer.Argument(help="folder of a box, snapshot, or map (.npy)", metavar="SOURCE")],
    values: Annotated[list[str] | None, typer.Argument(help="parameters, by name", metavar="name=value")] = None,
    out: Annotated[Path, typer.Option(help="folder of the painted maps and their picture")] = Path("out/painted"),
    draws: Annotated[int, typer.Option(help="answers of a painter that draws", min=1, max=1024)] = 1,
    seed: Annotated[int, typer.Option(help="of the draws", min=0)] = 0,
    redshift: Annotated[float, typer.Option(help="which output of a box of ours")] = 0.0,
    axis: Annotated[int, typer.Option(help="line of sight", min=0, max=2)] = 2,
) -> None:
    with user_errors(f"{PROG} paint"):
        keys: dict[str, Any] = {"n_draws": draws, "seed": seed, "redshift": redshift, "axis": axis}
        print(paint(resolve(checkpoint), resolve(source), resolve(out), values=numbers(values or []), **keys))


def numbers(pairs: list[str]) -> dict[str, float]:
    """name=value, ... as numbers by name; ValueError for anything else."""
    found: dict[str, float] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        try:
            found[name] = float(text)
        except ValueError:
            raise ValueError(f"{pair}: expected name=number") from None
    return found


def drawn(folder: Path) -> Path | None:
    """The picture of a finished set, or of several sets of lenses in a folder."""
    return write_lens_preview(folder) if lens_sets(folder) else write_preview(folder)


def losses(metrics: dict[str, float]) -> str:
    """The loss of a step, or those of its networks."""
    names = (name for name in metrics if name.startswith("train/") and name.endswith("loss"))
    return "  ".join(f"{name.removeprefix('train/').replace('/', ' ')} {metrics[name]:.4f}" for name in names)


def judgement(step: int, metrics: dict[str, float]) -> str:
    """The validation of a step on one line."""
    values = (f"{name.removeprefix('val/')} {value:.4g}" for name, value in metrics.items() if name.startswith("val/"))
    return f"step {step}: " + "  ".join(values)


def main() -> None:
    """One subcommand for each thing a person does with a model."""
    app = typer.Typer(add_completion=False, no_args_is_help=True)
    app.callback()(lambda: None)
    add(app, Train, train, name="train", prog=f"{PROG} train", summary="Train a model on one machine.")
    summary = (
        "Judge a model, or maps that were painted elsewhere, on held-out simulations, beside baselines. The folder of "
        "a checkpoint in the place of CONFIG.yaml is judged on the data it was trained on."
    )
    judges: dict[str, Run[Any]] = {
        "painter": Run(Evaluate, judge),
        "fields": Run(EvaluateFields, judge_fields),
        "halos": Run(EvaluateHalos, judge_halos),
        "counts": Run(EvaluateCounts, judge_counts),
        "lenses": Run(EvaluateLenses, judge_lenses),
    }
    add_of(app, "kind", judges, name="evaluate", prog=f"{PROG} evaluate", summary=summary, of_folder=of_checkpoint)
    summary = "Give the halos of a box baryons and paste them back into its maps."
    add(app, Bind, bind, name="bind", prog=f"{PROG} bind", summary=summary)
    summary = "Draw samples of a trained generator."
    add_counted(app, Generate, generate, name="generate", prog=f"{PROG} generate", summary=summary, default=SAMPLES)
    app.command("export", help="Write a checkpoint as weights, a torch program, a card and their hashes.")(export)
    app.command("import", help="Verify a release and turn it into a checkpoint; nothing is unpickled.")(import_)
    app.command("paint", help="Paint a box, a snapshot or a map; the folder of the maps and their picture.")(paint_)
    mass.add_to(app)
    app.command("preview", help="Draw some halos of a finished set of cutouts, or some of a set of lenses.")(preview)
    summary = "Make images of lenses ready for an inversion: FITS, the HDF5 of dolphin, or a folder of them."
    add_on(app, Prepare, prepare, name="prepare", prog=f"{PROG} prepare", summary=summary, key="image")
    summary = "Invert images of lenses, prepared or not, or a folder of them, with a trained machine."
    keys = {"name": "reconstruct", "prog": f"{PROG} reconstruct", "summary": summary, "key": "image"}
    add_applied(app, Reconstruct, reconstruct_, **keys)
    app(prog_name=PROG)


if __name__ == "__main__":
    main()
