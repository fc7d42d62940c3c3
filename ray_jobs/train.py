"""Data-parallel training by Ray Train: N workers, each on a core or a GPU, one generator of progress."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import ray.train
import torch
import torch.distributed as dist
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device, prepare_model

from configs import Train
from configs.command import command
from learn import checkpoint
from learn.restore import restored, stored
from learn.sources import open_source
from learn.track import tracked
from learn.train import Progress, fit, is_complete, verified
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.threads import limit_threads

SECONDS_BETWEEN_LINES = 5.0


class Distributed:
    """`learn.train.Prepare` over the process group that Ray Train made."""

    def __init__(self) -> None:
        context = ray.train.get_context()
        self.rank = context.get_world_rank()
        self.size = context.get_world_size()
        self.device = get_device()

    def model(self, module: torch.nn.Module) -> torch.nn.Module:
        """`module` with gradients averaged over the workers."""
        return prepare_model(module)

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """Each value averaged over the workers."""
        total = torch.tensor(list(values.values()), dtype=torch.float64, device=self.device)
        if dist.is_initialized():
            dist.all_reduce(total)
        return dict(zip(values, (total / self.size).tolist(), strict=True))


def train(config: Train) -> None:
    """Train to `config.n_steps`, from the last checkpoint in `config.out` if there is one."""
    resume = restored(config)
    if is_complete(config):
        print(f"train: {config.out / 'final'} is there already, nothing to do", flush=True)
        return
    before = refuse_impossible(config, resume)
    connect()
    warn_if_short_of_workers(config)
    print(f"train: {'resumes at' if before else 'from'} step {before} of {config.n_steps}", flush=True)
    start = time.monotonic()
    trainer(config).fit()
    write_step(
        config.out,
        step="train",
        seconds=time.monotonic() - start,
        n_items=(config.n_steps - before) * config.batch_size,
        item="training map",
        config=config,
    )


def refuse_impossible(config: Train, resume: Path | None) -> int:
    """The step to resume at; an error, before a worker starts, for missing data or the checkpoint of another run."""
    about = open_source(config.data, "train").about
    return 0 if resume is None else verified(config, about, resume).step


def warn_if_short_of_workers(config: Train) -> None:
    """Say what a run waits for when the cluster must grow first."""
    resource, each = ("GPU", 1) if config.use_gpu else ("CPU", config.n_cpus)
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    wanted = config.worker_range[0] * each
    if resources.get(resource, 0) < wanted:
        have = f"the cluster has {resources.get(resource, 0):g} now"
        print(f"train: waits for {wanted} {resource}s, {have}", file=sys.stderr, flush=True)


def trainer(config: Train) -> TorchTrainer:
    """The run as Ray Train sees it; a name that is never used twice, because a used one would silently resume."""
    quiet = {"env_vars": {"RAY_TRAIN_ENABLE_PRINT_PATCH": "0"}}
    return TorchTrainer(
        work,
        train_loop_config={"config": config.model_dump_json()},
        scaling_config=ScalingConfig(
            num_workers=config.n_workers,  # type: ignore[arg-type]
            use_gpu=config.use_gpu,
            resources_per_worker={"CPU": config.n_cpus} | ({"GPU": 1} if config.use_gpu else {}),
        ),
        run_config=RunConfig(
            name=f"ray_{time.strftime('%Y%m%d_%H%M%S')}",
            storage_path=str(config.out / "ray_train"),
            failure_config=FailureConfig(max_failures=config.n_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            worker_runtime_env=quiet,  # type: ignore[call-arg]
        ),
    )


def work(loop_config: dict[str, str]) -> None:
    """What every worker runs: the generator of `learn.train`, reported to Ray at every checkpoint."""
    logging.getLogger("ray.train").setLevel(logging.WARNING)
    config = Train.model_validate_json(loop_config["config"])
    limit_threads(config.n_cpus)
    prepare, resume = Distributed(), restored(config)
    before = checkpoint.load_meta(resume).step if resume else 0
    if prepare.rank == 0:
        workers = f"{prepare.size} worker{'s' if prepare.size > 1 else ''}"
        print(f"train: goes on from step {before} with {workers}", flush=True)
    steps = fit(config, prepare=prepare, resume=resume)
    pace = Pace(config.n_steps, before)
    for progress in steps if prepare.rank else pace.announced(kept(steps, config, before)):
        if progress.checkpoint is not None:
            folder = None if prepare.rank else Checkpoint.from_directory(progress.checkpoint)
            ray.train.report(progress.metrics, checkpoint=folder)


def kept(steps: Iterator[Progress], config: Train, before: int) -> Iterator[Progress]:
    """The steps of a run as they pass through its logs and its storage."""
    return stored(tracked(steps, config, start_step=before), config)


class Pace:
    """Prints where a run is every few seconds and at each validation: loss, rate, time left."""

    def __init__(self, n_steps: int, before: int) -> None:
        self.n_steps, self.before = n_steps, before
        self.start = self.last = time.monotonic()

    def announced(self, steps: Iterator[Progress]) -> Iterator[Progress]:
        """`steps`, with a line for some of them as they pass."""
        for progress in steps:
            if progress.checkpoint is not None or time.monotonic() - self.last > SECONDS_BETWEEN_LINES:
                self.last = time.monotonic()
                print(self.line(progress), flush=True)
            yield progress

    def line(self, progress: Progress) -> str:
        pace = (time.monotonic() - self.start) / max(1, progress.step - self.before)
        shown = (name for name in progress.metrics if name.startswith("val/") or is_loss(name))
        values = "  ".join(f"{name} {progress.metrics[name]:.4g}" for name in shown)
        left = pace * (self.n_steps - progress.step)
        return f"train: {progress.step}/{self.n_steps} steps  {values}  {pace:.2f} s a step  {left:.0f} s left"


def is_loss(name: str) -> bool:
    """Whether a metric of a step is what a network descends."""
    return name.startswith("train/") and name.endswith("loss")


if __name__ == "__main__":
    command(Train, train, prog="python -m ray_jobs.train", summary=__doc__)
