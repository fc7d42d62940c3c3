"""The one command line of every configured step: `CONFIG.yaml key=value ...`, with `--help` listing the fields."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import typer

from configs.frozen import Frozen
from configs.loader import OfFolder, load, load_on, load_one_of, models_in
from configs.priors import Distribution

Config = TypeVar("Config", bound=Frozen)

USER_ERROR = 2
ConfigPath = Annotated[str, typer.Argument(help="YAML file", metavar="CONFIG.yaml")]
CheckpointPath = Annotated[str, typer.Argument(help="folder of a checkpoint or of a release", metavar="CHECKPOINT")]
DataPath = Annotated[str, typer.Argument(help="file or folder", metavar="PATH")]
Overrides = Annotated[list[str] | None, typer.Argument(help="replace a field", metavar="key=value")]
NSamples = Annotated[int | None, typer.Option("--num-samples", help="how many")]
Seed = Annotated[int | None, typer.Option("--seed", help="which")]


@dataclass(frozen=True)
class Run(Generic[Config]):
    """A kind of configuration and what is done with it."""

    model: type[Config]
    function: Callable[[Config], None]


def command(
    model: type[Config], run: Callable[[Config], None], *, prog: str, summary: str, of_folder: OfFolder | None = None
) -> None:
    """Parse sys.argv as a `model` and `run` it. What a user got wrong prints one line and exits with 2."""
    app = typer.Typer(add_completion=False)
    add(app, model, run, name=None, prog=prog, summary=summary, of_folder=of_folder)
    app(prog_name=prog)


def command_of(
    key: str, runs: Mapping[str, Run[Any]], *, prog: str, summary: str, of_folder: OfFolder | None = None
) -> None:
    """Parse sys.argv as the model that the configuration's value of `key` names, the first without it, and run it."""
    app = typer.Typer(add_completion=False)
    add_of(app, key, runs, name=None, prog=prog, summary=summary, of_folder=of_folder)
    app(prog_name=prog)


def add_of(
    app: typer.Typer,
    key: str,
    runs: Mapping[str, Run[Any]],
    *,
    name: str | None,
    prog: str,
    summary: str,
    of_folder: OfFolder | None = None,
) -> None:
    """As `add`, of the model that the value of `key` names."""
    models = {kind: run.model for kind, run in runs.items()}

    def configured(config: ConfigPath, overrides: Overrides = None) -> None:
        with user_errors(prog):
            chosen = load_one_of(models, key, config, overrides or (), of_folder=of_folder)
            next(run for run in runs.values() if type(chosen) is run.model).function(chosen)

    fields = [line for kind, model in models.items() for line in (f"{key}={kind}:", *describe_fields(model, "  "))]
    app.command(name, help=summary + "\n\n\b\n" + described(fields))(configured)


def add(
    app: typer.Typer,
    model: type[Config],
    run: Callable[[Config], None],
    *,
    name: str | None,
    prog: str,
    summary: str,
    of_folder: OfFolder | None = None,
) -> None:
    """Give `app` the command `name` that loads a `model`, from a file or `of_folder`, and `run`s it."""

    def configured(config: ConfigPath, overrides: Overrides = None) -> None:
        with user_errors(prog):
            run(load(model, config, overrides or (), of_folder=of_folder))

    app.command(name, help=summary + "\n\n\b\n" + described(describe_fields(model)))(configured)


def add_counted(
    app: typer.Typer,
    model: type[Config],
    run: Callable[[Config], None],
    *,
    name: str | None,
    prog: str,
    summary: str,
    default: str,
) -> None:
    """As `add`, for a model of n_samples and seed: both are options too, and the file is `default` if none is named."""

    def configured(
        config: ConfigPath = default, overrides: Overrides = None, num_samples: NSamples = None, seed: Seed = None
    ) -> None:
        told = {"n_samples": num_samples, "seed": seed}
        more = [f"{key}={value}" for key, value in told.items() if value is not None]
        with user_errors(prog):
            run(load(model, config, [*(overrides or ()), *more]))

    app.command(name, help=summary + "\n\n\b\n" + described(describe_fields(model)))(configured)


def add_on(
    app: typer.Typer,
    model: type[Config],
    run: Callable[[Config], None],
    *,
    name: str,
    prog: str,
    summary: str,
    key: str,
) -> None:
    """As `add`, for a model that needs no YAML file: the first argument is the path in its field `key`."""

    def configured(path: DataPath, overrides: Overrides = None) -> None:
        with user_errors(prog):
            run(load_on(model, {key: path}, overrides or ()))

    app.command(name, help=summary + "\n\n\b\n" + described(describe_fields(model)))(configured)


def add_applied(
    app: typer.Typer,
    model: type[Config],
    run: Callable[[Config], None],
    *,
    name: str | None,
    prog: str,
    summary: str,
    key: str,
) -> None:
    """As `add_on`, with the folder of a trained model, the field `checkpoint`, in front."""

    def configured(checkpoint: CheckpointPath, path: DataPath, overrides: Overrides = None) -> None:
        with user_errors(prog):
            run(load_on(model, {"checkpoint": checkpoint, key: path}, overrides or ()))

    app.command(name, help=summary + "\n\n\b\n" + described(describe_fields(model)))(configured)


@contextmanager
def user_errors(prog: str) -> Iterator[None]:
    """Turn what a user got wrong into one line and exit code 2; DARKGLASS_TRACEBACK=1 shows the whole story."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        if os.environ.get("DARKGLASS_TRACEBACK"):
            raise
        print(f"{prog}: {error}", file=sys.stderr)
        raise SystemExit(USER_ERROR) from error


def describe_fields(model: type[Frozen], prefix: str = "") -> Iterator[str]:
    """One line a field: key, type or default, meaning; nested models are flattened to dotted keys, but for priors."""
    for name, field in model.model_fields.items():
        nested = [one for one in models_in(field.annotation) if not issubclass(one, Distribution)]
        for choice in nested:
            yield from describe_fields(choice, f"{prefix}{name}.")
        if not nested:
            default = "required" if field.is_required() else f"default {field.get_default(call_default_factory=True)!r}"
            yield f"{prefix}{name}: {field.description or ''} ({default})"


def described(fields: Iterable[str]) -> str:
    """Lines of fields for a help text, whose square brackets are no markup."""
    return "\n".join(fields).replace("[", "\\[")
