"""`python -m learn mass SOURCE key=value ...`: one lens model, or all of a folder, where a bad one stops no other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from omegaconf import OmegaConf

from configs.command import Overrides, describe_fields, described, user_errors
from configs.lens_file import lens_files, read_lens_model
from configs.loader import overridden, validate
from configs.mass_analysis import MassAnalysis
from learn.mass.batch import SUMMARY, analysed, summarized

PROG = "python -m learn mass"
HELP = "Weigh a lens model or a folder of them: Einstein radii, masses, profiles, images and delays, with errors."
FAILED = 1
Source = Annotated[Path, typer.Argument(help="lens model (.json, .yaml) or a folder of them", metavar="MODEL|FOLDER")]
Out = Annotated[Path, typer.Option(help="folder of the tables, figures, maps and exports")]
Universe = Annotated[str | None, typer.Option(help="Planck15, Planck18, WMAP9 or FlatLambdaCDM(H0, Om0)")]


def add_to(app: typer.Typer) -> None:
    """Give `app` the command."""
    app.command("mass", help=HELP + "\n\n\b\n" + described(describe_fields(MassAnalysis)))(mass)


def mass(source: Source, overrides: Overrides = None, cosmology: Universe = None, out: Out = Path("out/mass")) -> None:
    with user_errors(PROG):
        told = {"source": str(source), "out": str(out)} | ({} if cosmology is None else {"cosmology": cosmology})
        config = validate(MassAnalysis, overridden(OmegaConf.create(told), overrides or (), "command line"), PROG)
        if not config.source.is_dir():
            print(analysed(config.source, read_lens_model(config.source), config).words())
            return
        weigh_all(config)


def weigh_all(config: MassAnalysis) -> None:
    """Every file of a folder; exits with 1 if some failed."""
    files = lens_files(config.source)
    if config.out.resolve() == config.source.resolve():
        raise ValueError(f"out: expected another folder than that of the models, got {config.out}")
    outcomes = []
    for outcome in summarized(files, config):
        outcomes.append(outcome)
        print(outcome.words(), file=sys.stderr if outcome.error else sys.stdout, flush=True)
    failed = sum(outcome.error is not None for outcome in outcomes)
    print(f"mass: {len(outcomes) - failed} of {len(outcomes)} models; {config.out / SUMMARY}", flush=True)
    if failed:
        raise SystemExit(FAILED)
