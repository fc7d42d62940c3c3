"""`python -m serve run CONFIG.yaml key=value ...`: the service on this machine, until Ctrl-C.

`python -m serve report FOLDER`: what the demonstration left there, as one HTML file.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from configs import Serve
from configs.command import add, user_errors
from serve.report import write

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def main() -> None:
    """Show what was learned: over HTTP, or as a report."""


def run(config: Serve) -> None:
    # Only this subcommand needs Ray, and Ray takes seconds to import.
    import_module("serve.app").run(config)


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="what the demonstration wrote, such as out/demo")]) -> None:
    """Write FOLDER/report.html: maps, spectra, evaluation, throughput and configuration in one file."""
    with user_errors("python -m serve report"):
        path = write(folder)
    print(f"{path} ({path.stat().st_size / 1e6:.2f} MB)")


add(app, Serve, run, name="run", prog="python -m serve run", summary="Serve checkpoints over HTTP until Ctrl-C.")

if __name__ == "__main__":
    app(prog_name="python -m serve")
