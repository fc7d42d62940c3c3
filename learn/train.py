"""The training loop, as a generator that knows no method by name and no cluster.

What step n does is a function of the configuration, the data and n: nothing is drawn from a global random state, so a
run that was stopped and resumed is the run that was not.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from configs import Optimizer, Train, provenance
from learn import checkpoint
from learn.checkpoint import Meta
from learn.data import Batch, InOrder, MapDataset, Shuffled
from learn.methods import METHODS, Method
from learn.normalize import Normalizer

FREE_TO_CHANGE = {"data", "out", "n_workers", "use_gpu", "n_failures", "wandb_project", "validate_every"}
"""Fields that decide where and how a run happens, not what it computes; the data are known by their hash."""

LAST_LR = 0.02  # of the peak, where the cosine ends


@dataclass(frozen=True)
class Progress:
    """Where a run is after `step` of `n_steps`; `checkpoint` is the folder written at this step, if one was."""

    step: int
    n_steps: int
    metrics: dict[str, float]
    checkpoint: Path | None = None


class Prepare(Protocol):
    """What training on many workers changes: who I am, where tensors live, how gradients and numbers are averaged."""

    rank: int
    size: int
    device: torch.device

    def model(self, module: nn.Module) -> nn.Module:
        """`module`, with gradients averaged over the workers."""
        ...

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """Each value averaged over the workers."""
        ...


class Local:
    """One worker."""

    rank, size = 0, 1

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)

    def model(self, module: nn.Module) -> nn.Module:
        return module

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        return values


def fit(config: Train, prepare: Prepare | None = None, *, resume: Path | None = None) -> Iterator[Progress]:
    """Train; yields after every step, at validations with the folder of a checkpoint; `out`/final at the end.

    Given the checkpoint `resume` of the same run it continues there: on a CPU bit for bit the run that never stopped.
    ValueError for data or a checkpoint that do not fit, RuntimeError at a loss or gradient that is not finite.
    """
    run = Run(config, prepare or Local(), resume)
    if run.step == config.n_steps:
        yield Progress(run.step, config.n_steps, run.finish(), resume)
    while run.step < config.n_steps:
        metrics, folder = run.advance(), None
        if run.step % config.validate_every == 0 or run.step == config.n_steps:
            metrics |= run.validate()
            folder = run.save(metrics)
        if run.step == config.n_steps:
            run.finish()
        yield Progress(run.step, config.n_steps, metrics, folder)


def is_complete(config: Train) -> bool:
    """Whether the run has ended, so that `out`/final is its model; ValueError if another run has used `out`."""
    last = checkpoint.latest(config.out)
    if last is None or not (config.out / "final" / checkpoint.META).is_file():
        return False
    meta = checkpoint.load_meta(last)
    refuse_other_run(config, meta, last)
    return meta.step == config.n_steps


class Run:
    """The state of a run between two steps."""

    def __init__(self, config: Train, prepare: Prepare, resume: Path | None) -> None:
        self.config, self.prepare, self.step = config, prepare, 0
        share = config.batch_size // prepare.size
        train, validation = MapDataset(config.data, "train"), MapDataset(config.data, "validation")
        refuse_unusable(config, validation, prepare.size)
        found = self._verified(resume) if resume else None
        normalizer = found.normalizer if found else Normalizer.fit(InOrder(train, share))
        self.meta = found or blank_meta(config, normalizer, train)
        self.method: Method = METHODS[config.method](config, normalizer, self.meta.param_names)
        periodic = config.net.padding == "circular"
        self.batches = Shuffled(train, config.batch_size, config.seed, prepare.rank, prepare.size, periodic)
        self.validation = InOrder(validation, share, prepare.rank, prepare.size)
        self.net = seeded(self.method, config.seed).to(prepare.device)
        self.ema = copy.deepcopy(self.net).eval().requires_grad_(False)
        self.optimizer = adamw(self.net, config.optimizer)
        if resume:
            self._restore(resume)
        self.parallel = prepare.model(self.net)

    def advance(self) -> dict[str, float]:
        """One update of the weights; the averages over the workers of what it saw."""
        batch = self.batches.at(self.step).to(self.prepare.device)
        lr = learning_rate(self.config.optimizer, self.step, self.config.n_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad()
        loss, parts = self.method.loss(self.parallel, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = clip_grad_norm_(self.net.parameters(), self.config.optimizer.clip)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            self._stop(batch, loss, norm)
        self.optimizer.step()
        self.step += 1
        follow(self.ema, self.net, ema_decay(self.config.optimizer.ema, self.step))
        seen = {"loss": loss, **parts, "grad_norm": norm}
        reduced = self.prepare.mean({f"train/{name}": float(value.detach()) for name, value in seen.items()})
        return reduced | {"train/lr": lr}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Means over all held-out maps of what the method measures with the averaged weights."""
        sums: dict[str, float] = {"n": 0.0}
        for batch in self.validation:
            measured = self.method.validate(self.ema, batch.to(self.prepare.device))
            sums["n"] += len(batch)
            for name, value in measured.items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(batch)
        means = self.prepare.mean(sums)
        return {f"val/{name}": value / means["n"] for name, value in means.items() if name != "n"}

    def save(self, metrics: dict[str, float]) -> Path:
        """Rank 0 writes the checkpoint of this step; every rank gets to know its folder."""
        folder = checkpoint.step_folder(self.config.out, self.step)
        judged = {name: value for name, value in metrics.items() if name.startswith("val/")}
        self.meta = self.meta.model_copy(update={"config": self.config, "step": self.step, "metrics": judged})
        if self.prepare.rank == 0:
            state = {"step": self.step, "optimizer": self.optimizer.state_dict()}
            checkpoint.save(folder, self.meta, raw=self.net.state_dict(), ema=self.ema.state_dict(), resume=state)
        return folder

    def finish(self) -> dict[str, float]:
        """Rank 0 copies the checkpoint of the smallest validation loss to `out`/final; metrics of the last one."""
        if self.prepare.rank == 0:
            checkpoint.release(best(self.config), self.config.out / "final")
        return self.meta.metrics

    def _verified(self, folder: Path) -> Meta:
        meta = checkpoint.load_meta(folder)
        refuse_other_run(self.config, meta, folder)
        return meta

    def _restore(self, folder: Path) -> None:
        """Weights, averaged weights, optimiser and step as they were."""
        self.net.load_state_dict(checkpoint.load_weights(folder, self.meta, "raw"))
        self.ema.load_state_dict(checkpoint.load_weights(folder, self.meta, "ema"))
        state = checkpoint.load_resume(folder)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])

    def _stop(self, batch: Batch, loss: Tensor, norm: Tensor) -> NoReturn:
        """Keep the batch for inspection and raise RuntimeError; the weights are still those of the step before."""
        rank = f"_rank_{self.prepare.rank}" if self.prepare.rank else ""
        path = self.config.out / f"nonfinite_step_{self.step}{rank}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{name: getattr(batch, name).cpu().numpy() for name in ("inputs", "targets", "params")})
        raise RuntimeError(
            f"train: expected a finite loss and gradient at step {self.step}, "
            f"got loss {loss.item():g} and gradient norm {norm.item():g}; the batch is in {path}"
        )


def best(config: Train) -> Path:
    """The checkpoint of this run with the smallest validation loss; the earliest of equals."""
    candidates = [(folder, checkpoint.load_meta(folder)) for folder in checkpoint.steps(config.out)]
    own = [(meta.metrics["val/loss"], folder) for folder, meta in candidates if not difference(config, meta)]
    return min(own)[1]


def seeded(method: Method, seed: int) -> nn.Module:
    """The network of `method` with the weights that `seed` gives, whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return method.build()


def adamw(net: nn.Module, config: Optimizer) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels, not biases and gains."""
    groups = [
        {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr)


def learning_rate(config: Optimizer, step: int, n_steps: int) -> float:
    """Linear warm-up times cosine decay, a function of the step alone."""
    warm = min(1.0, (step + 1) / (config.n_warmup + 1))
    cosine = (1 + math.cos(math.pi * step / n_steps)) / 2
    return config.lr * warm * (LAST_LR + (1 - LAST_LR) * cosine)


def ema_decay(decay: float, step: int) -> float:
    """`decay`, smaller at first so that the random initial weights are forgotten."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def follow(ema: nn.Module, net: nn.Module, decay: float) -> None:
    """Move the averaged weights towards those of `net`, in place."""
    for average, value in zip(ema.parameters(), net.parameters(), strict=True):
        average.lerp_(value, 1 - decay)


def blank_meta(config: Train, normalizer: Normalizer, train: MapDataset) -> Meta:
    """What is known of the model before its first step."""
    manifest = train.manifest
    described: dict[str, Any] = manifest.model_dump(include=set(Meta.model_fields) & set(type(manifest).model_fields))
    described |= {"format": checkpoint.FORMAT, "commit": provenance()["commit"]}
    return Meta(
        **{key: value for key, value in described.items() if key != "config"},
        method=config.method,
        config=config,
        normalizer=normalizer,
        param_defaults=normalizer.params.mean,
        manifest_sha256=checkpoint.sha256(config.data / "manifest.json"),
        step=0,
        metrics={},
    )


def refuse_unusable(config: Train, validation: MapDataset, n_workers: int) -> None:
    """ValueError, before anything expensive, for data that cannot be trained on."""
    manifest = validation.manifest
    n_pixels = round(manifest.box_size / manifest.pixel_size)
    if n_pixels % config.net.stride:
        raise ValueError(f"{config.data}: n_pixels divisible by {config.net.stride} (net.n_levels), got {n_pixels}")
    if len(validation) < n_workers:
        raise ValueError(f"{config.data}: a validation map for each of {n_workers} workers, got {len(validation)}")
    if config.batch_size % n_workers:
        raise ValueError(f"batch_size: a multiple of the {n_workers} workers, got {config.batch_size}")


def refuse_other_run(config: Train, meta: Meta, folder: Path) -> None:
    """ValueError unless the checkpoint `folder` is of the run that `config` describes."""
    problem = difference(config, meta)
    if problem:
        raise ValueError(f"{folder}: {problem}; choose another `out`, or remove the checkpoints there")


def difference(config: Train, meta: Meta) -> str:
    """The first thing in which a checkpoint's run is not that of `config`, or nothing."""
    ours, theirs = (c.model_dump(mode="json", exclude=FREE_TO_CHANGE) for c in (config, meta.config))
    for key in ours:
        if ours[key] != theirs[key]:
            return f"expected a checkpoint of the same run with {key}={ours[key]}, got {theirs[key]}"
    found = checkpoint.sha256(config.data / "manifest.json")
    if found != meta.manifest_sha256:
        return f"expected a checkpoint trained on the manifest with sha256 {found}, got {meta.manifest_sha256}"
    return ""
