"""Data-parallel training by Ray Train: N workers, each on a core or a GPU, one generator of progress."""

from __future__ import annotations

import time
from pathlib import Path

import ray.train
import torch
import torch.distributed as dist
from ray.train import Checkpoint, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device, prepare_model

from configs import Train
from configs.command import command
from learn import checkpoint
from learn.train import fit, is_complete
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.threads import limit_threads


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
    if is_complete(config):
        print(f"train: {config.out / 'final'} is there already, nothing to do", flush=True)
        return
    connect()
    before = checkpoint.latest_step(config.out)
    if before:
        print(f"train: resumes at step {before} of {config.n_steps}", flush=True)
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


def trainer(config: Train) -> TorchTrainer:
    """The run as Ray Train sees it; a name that is never used twice, because a used one would silently resume."""
    return TorchTrainer(
        work,
        train_loop_config={"config": config.model_dump_json()},
        scaling_config=ScalingConfig(num_workers=config.n_workers, use_gpu=config.use_gpu),
        run_config=RunConfig(
            name=f"ray_{time.strftime('%Y%m%d_%H%M%S')}",
            storage_path=str(config.out / "ray_train"),
            failure_config=FailureConfig(max_failures=config.n_failures),
        ),
    )


def work(loop_config: dict[str, str]) -> None:
    """What every worker runs: the generator of `learn.train`, reported to Ray at every checkpoint."""
    config = Train.model_validate_json(loop_config["config"])
    limit_threads(1)
    start, first = time.monotonic(), 0
    for progress in fit(config, prepare=Distributed(), resume=checkpoint.latest(config.out)):
        first = first or progress.step
        if progress.checkpoint is None:
            continue
        if ray.train.get_context().get_world_rank() == 0:
            pace = (time.monotonic() - start) / (progress.step - first + 1)
            announce(progress.step, config.n_steps, progress.metrics, pace)
        report(progress.metrics, progress.checkpoint)


def report(metrics: dict[str, float], folder: Path) -> None:
    """Hand metrics and, from rank 0, the checkpoint to Ray Train."""
    is_first = ray.train.get_context().get_world_rank() == 0
    ray.train.report(metrics, checkpoint=Checkpoint.from_directory(folder) if is_first else None)


def announce(step: int, n_steps: int, metrics: dict[str, float], pace: float) -> None:
    values = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    left = pace * (n_steps - step)
    print(f"train: {step}/{n_steps} steps  {values}  {pace:.2f} s a step  {left:.0f} s left", flush=True)


if __name__ == "__main__":
    command(Train, train, prog="python -m ray_jobs.train", summary=__doc__)
