"""One training of a sweep, as Tune runs it: in the trial's own process, or on the workers of a nested Ray Train run.

Every validation is reported with its step. The checkpoint that Tune gets is a note of where ours lies: Tune copies the
note, and a trial that goes on, or goes on from another, finds the weights by it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb
from ray import tune
from ray.train import Checkpoint as TrainCheckpoint
from ray.tune.execution.placement_groups import PlacementGroupFactory
from ray.tune.integration.ray_train import TuneReportCallback

from configs import Train
from configs.tuning import Tune
from learn import checkpoint
from learn.inherit import inherited
from learn.prepare import Local
from learn.track import tracked
from learn.train import Progress, difference, fit
from ray_jobs.sweep_search import STEP, drawn
from ray_jobs.threads import limit_threads
from ray_jobs.train import trainer

NOTE = "checkpoint.json"
QUIET = ("ray.train", "ray.tune")
WANDB_GROUP = "WANDB_RUN_GROUP"
HEAD = "node:__internal_head__"
"""A resource of the head node, and of no other: a driver that only waits must not hold a core its workers need."""


def is_nested(config: Train) -> bool:
    """Whether a trial needs workers beside its own process."""
    return config.worker_range != (1, 1)


def trainable(config: Tune) -> Any:
    """What Tune calls with the values of a trial, with the resources that it holds."""

    def trial(values: dict[str, Any]) -> None:
        run(config, values)

    return tune.with_resources(trial, resources(config.first))


def resources(config: Train) -> PlacementGroupFactory:
    """Of a trial's own process; the workers of a nested run hold theirs."""
    if is_nested(config):
        return PlacementGroupFactory([{HEAD: 0.001}])
    return PlacementGroupFactory([{"CPU": float(config.n_cpus)} | ({"GPU": 1.0} if config.use_gpu else {})])


def run(sweep: Tune, values: Mapping[str, Any]) -> None:
    """Train with `values`, from the trial's last checkpoint, or the one that it was told to go on from."""
    config = placed(sweep.at(drawn(sweep, values), tune.get_context().get_trial_id()))
    if is_nested(config):
        run_on_workers(config, group=sweep.out.name)
    else:
        run_here(config, group=sweep.out.name)


def placed(config: Train) -> Train:
    """`config` with the folder it goes on in: another than the trial's own after it took over another's checkpoint."""
    note = tune.get_checkpoint()
    return config if note is None else after(Path(noted(note.to_directory())), config)


def after(last: Path, config: Train) -> Train:
    """`config` in the folder where it goes on from the checkpoint `last`, which lies there then."""
    folder, meta = last.parent.parent, checkpoint.load_meta(last)
    is_own = folder.name.split("-")[0] == config.out.name
    if is_own and not difference(config, meta, meta):
        return config.model_copy(update={"out": folder})
    # The same values from the same checkpoint are the same run: after a crash it is found again.
    told = f"{last.relative_to(folder.parent)} {config.model_dump_json(exclude={'out'})}"
    heir = config.out.with_name(f"{config.out.name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}")
    continued = config.model_copy(update={"out": heir})
    if checkpoint.latest(heir) is None:
        inherited(last, continued)
    return continued


def run_here(config: Train, *, group: str) -> None:
    """Train in this process: no worker group to wait for."""
    os.environ[WANDB_GROUP] = group
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    limit_threads(config.n_cpus)
    before = checkpoint.latest_step(config.out)
    steps = fit(config, Local("cuda" if config.use_gpu else "cpu"), resume=checkpoint.latest(config.out))
    try:
        for progress in tracked(steps, config, start_step=before):
            if progress.checkpoint is not None:
                report(progress)
    finally:
        wandb.teardown()  # its service must not outlive the actor, which Tune is about to end


def report(progress: Progress) -> None:
    """Tell Tune of a validation, and where its checkpoint is."""
    assert progress.checkpoint is not None
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / NOTE).write_text(json.dumps({"folder": str(progress.checkpoint)}))
        tune.report(progress.metrics | {STEP: progress.step}, checkpoint=tune.Checkpoint(folder))


def noted(folder: str) -> str:
    """The checkpoint that a note names."""
    found: str = json.loads((Path(folder) / NOTE).read_text())["folder"]
    return found


def run_on_workers(config: Train, *, group: str) -> None:
    """Train on a worker group of Ray Train, which starts when the cluster has room for all of it."""
    nested = trainer(config)
    nested.run_config.callbacks = [Report()]  # type: ignore[no-untyped-call, list-item]
    nested.run_config.worker_runtime_env["env_vars"][WANDB_GROUP] = group  # type: ignore[attr-defined]
    nested.fit()


class Report(TuneReportCallback):
    """What rank 0 reports at a validation, with its step, which the checkpoint knows."""

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: TrainCheckpoint | None) -> None:
        if checkpoint is not None:
            super().after_report(run_context, [metrics[0] | {STEP: step_of(checkpoint)}], checkpoint)


def step_of(saved: TrainCheckpoint) -> int:
    with saved.as_directory() as folder:
        return checkpoint.load_meta(Path(folder)).step
