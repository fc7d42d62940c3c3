"""The one command line of every configured step: `CONFIG.yaml key=value ...`, with `--help` listing the fields."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar, get_args

import typer

from configs.loader import load
from configs.schema import Frozen

Config = TypeVar("Config", bound=Frozen)

USER_ERROR = 2


def command(model: type[Config], run: Callable[[Config], None], *, prog: str, summary: str) -> None:
    """Parse sys.argv as a `model` and `run` it. What a user got wrong prints one line and exits with 2."""
    app = typer.Typer(add_completion=False)
    add(app, model, run, name=None, prog=prog, summary=summary)
    app(prog_name=prog)


def add(
    app: typer.Typer, model: type[Config], run: Callable[[Config], None], *, name: str | None, prog: str, summary: str
) -> None:
    """Give `app` the command `name` that loads a `model` and `run`s it."""

    def configured(
        config: Annotated[str, typer.Argument(help="YAML file", metavar="CONFIG.yaml")],
        overrides: Annotated[list[str] | None, typer.Argument(help="replace a field", metavar="key=value")] = None,
    ) -> None:
        with user_errors(prog):
            run(load(model, config, overrides or ()))

    app.command(name, help=summary + "\n\n\b\n" + "\n".join(describe_fields(model)))(configured)


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
    """One line a field: key, type or default, meaning; nested models are flattened to dotted keys."""
    for name, field in model.model_fields.items():
        nested = nested_model(field.annotation)
        if nested is not None:
            yield from describe_fields(nested, f"{prefix}{name}.")
            continue
        default = "required" if field.is_required() else f"default {field.get_default(call_default_factory=True)!r}"
        yield f"{prefix}{name}: {field.description or ''} ({default})"


def nested_model(annotation: Any) -> type[Frozen] | None:
    """The configuration model that a field holds, if it holds one."""
    candidates = [annotation, *get_args(annotation)]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, Frozen)), None)
