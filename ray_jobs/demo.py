"""The main job, end to end: every step through `ray job submit`, on our own head or at RAY_ADDRESS, then a report."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from configs import home, provenance
from configs.command import user_errors
from ray_jobs.cluster import free_port, local_head

OUT = Path("out/demo")
REPOSITORY = Path(__file__).resolve().parents[1]
REAL_SNAPSHOT = Path("nbody/abacus_n64/mini_n64_l32_z0.npz")
REAL_SOURCE = "test box of abacusutils, made with the AbacusSummit N-body code"
STEPS = {
    "simulate": "configs/ensemble/demo.yaml",
    "produce": "configs/pairs/demo.yaml",
    "train": "configs/train/painter.yaml",
    "evaluate": "configs/evaluate/painter.yaml",
    "paint": "configs/paint/demo.yaml",
}
ACTOR = re.compile(r"(\x1b\[\d+m)?\((?P<actor>\w+)[^)]*\)(\x1b\[0m)? ")
CHATTER = re.compile(
    r"\S+ \S+\s(INFO|SUCC|WARNING) (cli|(dashboard_)?sdk|job_manager|packaging|working_dir|worker)\.py:"
    r"|Reporting training result|Checkpoint successfully created|Setting up process group|Moving model|Wrapping"
    r'|\{"benchmark"'
)
REPEATED_LOG = "Status message: Job entrypoint command failed"
NO_AGENT = "No available agent to submit job"
N_SUBMISSIONS = 3


def demo(data: Annotated[Path | None, typer.Option(help="an N-body snapshot to paint in the end")] = None) -> None:
    """Simulate, pair, train, judge, serve and paint; the report is out/demo/report.html. Run again to resume."""
    with user_errors("make demo"):
        snapshot = find_snapshot(data)
    start = time.monotonic()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, interrupt)
    try:
        run_steps(snapshot)
        report()
    except KeyboardInterrupt:
        say("stopped; `make demo` resumes where it was")
        raise SystemExit(130) from None
    say(f"done in {time.monotonic() - start:.0f} s: open {home() / OUT / 'report.html'}")


def interrupt(*_: object) -> None:
    """Treat a closed terminal or a polite kill as a Ctrl-C, so that nothing is left behind."""
    raise KeyboardInterrupt


def find_snapshot(data: Path | None) -> Path | None:
    """`data`, else the real snapshot of DARKGLASS_DATA or ../shared/data if it is there, else None."""
    if data is not None:
        if not data.exists():
            raise FileNotFoundError(f"--data: expected a snapshot at {data}, found nothing")
        return data.absolute()
    folder = Path(os.environ.get("DARKGLASS_DATA", REPOSITORY.parent / "shared" / "data"))
    return folder / REAL_SNAPSHOT if (folder / REAL_SNAPSHOT).is_file() else None


def run_steps(snapshot: Path | None) -> None:
    with cluster() as environment:
        for number, (step, config) in enumerate(STEPS.items(), start=1):
            overrides = paint_overrides(snapshot) if step == "paint" else []
            say(f"step {number} of {len(STEPS)}: python -m ray_jobs.{step} {' '.join([config, *overrides])}")
            submit(["python", "-m", f"ray_jobs.{step}", config, *overrides], environment)


@contextmanager
def cluster() -> Iterator[Mapping[str, str]]:
    """The environment of the cluster to use: RAY_ADDRESS's, or that of a new local head."""
    if os.environ.get("RAY_ADDRESS"):
        say(f"using the Ray cluster at {os.environ['RAY_ADDRESS']}")
        yield os.environ
        return
    say("starting a Ray head on this machine")
    with local_head(home() / OUT / "ray_head.log") as environment:
        say(f"Ray dashboard: {environment['RAY_ADDRESS']}  (token {environment['RAY_AUTH_TOKEN']})")
        yield environment
        say("stopping the Ray head")


def paint_overrides(snapshot: Path | None) -> list[str]:
    port = [] if os.environ.get("RAY_ADDRESS") else [f"serve.port={free_port()}"]
    if snapshot is None:
        say("no real snapshot found: only the held-out map is painted (DATA=path paints yours)")
        return port
    source = [f"source={REAL_SOURCE}"] if snapshot.name == REAL_SNAPSHOT.name else []
    return [*port, f"snapshot={snapshot}", *source]


def submit(entrypoint: list[str], environment: Mapping[str, str]) -> None:
    """`ray job submit`, its log streamed; leaves no job behind when interrupted; exits with 1 if the job failed.

    A head that has just started on a busy machine may not take jobs yet: it is asked again.
    """
    for _ in range(N_SUBMISSIONS):
        status, is_early = submit_once(entrypoint, environment)
        if not is_early:
            break
    if status:
        say(f"{entrypoint[2]} failed; what is done is kept, `make demo` resumes")
        raise SystemExit(1)


def submit_once(entrypoint: list[str], environment: Mapping[str, str]) -> tuple[int, bool]:
    """The exit code of one `ray job submit`, and whether the cluster could not take it yet."""
    job = f"darkglass-{entrypoint[2].rpartition('.')[2]}-{time.time_ns()}"
    ray = str(Path(sys.executable).parent / "ray")
    command = [ray, "job", "submit", "--submission-id", job, "--working-dir", str(REPOSITORY)]
    command += ["--log-style=record", "--log-color=false"]
    command += ["--runtime-env-json", runtime_environment(), "--", *entrypoint]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        try:
            is_early = show(run.stdout or ())
        except KeyboardInterrupt:
            subprocess.run([ray, "job", "stop", job], env=environment, check=False, capture_output=True, timeout=60)
            raise
    return run.returncode, is_early


def runtime_environment() -> str:
    """What a job's processes need to know of ours."""
    variables = {"DARKGLASS_HOME": str(home()), "DARKGLASS_COMMIT": provenance()["commit"], "PYTHONUNBUFFERED": "1"}
    variables |= {name: os.environ[name] for name in ("WANDB_API_KEY", "WANDB_MODE") if name in os.environ}
    return json.dumps({"env_vars": variables})


def show(lines: Iterable[str]) -> bool:
    """Print the job's own lines as they come, without what Ray says about itself; whether it came too early."""
    is_early = is_over = False
    for line in lines:
        actor = ACTOR.match(line)
        own = line[actor.end() :] if actor else line
        is_early = is_early or NO_AGENT in line
        is_over = is_over or REPEATED_LOG in line
        if not is_over and not CHATTER.match(own) and not (actor and actor["actor"] == "TrainController"):
            print(own, end="", flush=True)
    return is_early


def report() -> None:
    """Write the report of what the steps left."""
    say("writing the report")
    command = [sys.executable, "-m", "serve", "report", str(home() / OUT)]
    if subprocess.run(command, cwd=REPOSITORY, check=False).returncode:
        raise SystemExit(1)


def say(words: str) -> None:
    print(f"\n==> {words}", flush=True)


if __name__ == "__main__":
    typer.run(demo)
