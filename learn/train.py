"""The training loop, as a generator that knows no method by name and no cluster.

What step n does is a function of the configuration, the data and n: nothing is drawn from a random state that another
could have moved, so a run that was stopped and resumed is the run that was not.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from configs import Optimizer, Train, provenance
from learn import checkpoint
from learn.checkpoint import Meta
from learn.data import About, Batch, InOrder, Shuffled, Source
from learn.methods import METHODS, Method
from learn.normalize import Normalizer
from learn.prepare import Local, Prepare, prepared
from learn.schedule import ema_decay, learning_rate
from learn.sources import open_source

FREE_TO_CHANGE = {
    "data",
    "out",
    "storage",
    "n_workers",
    "n_cpus",
    "n_loaders",
    "n_together",
    "use_gpu",
    "n_failures",
    "validate_every",
    "wandb_project",
}
"""Fields that decide where and how a run happens, not what it computes; the data are known by their hash."""


N_SEEN = 1024
"""Systems, about, that tell how parameters scatter where maps have units of their own."""


@dataclass(frozen=True)
class Progress:
    """Where a run is after `step` of `n_steps`; `checkpoint` is the folder written at this step, if one was."""

    step: int
    n_steps: int
    metrics: dict[str, float]
    checkpoint: Path | None = None


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
    return verified(config, open_source(config.data, "train").about, last).step == config.n_steps


class Run:
    """The state of a run between two steps: networks, their averages and their optimisers, by name."""

    def __init__(self, config: Train, prepare: Prepare, resume: Path | None) -> None:
        self.config, self.prepare, self.step = config, prepare, 0
        share = -(-config.batch_size // prepare.size)
        train, validation = open_source(config.data, "train"), open_source(config.data, "validation")
        refuse_unusable(config, train.about, validation, prepare.size)
        self.meta = verified(config, train.about, resume) if resume else blank_meta(config, train, share)
        self.method: Method = METHODS[config.method.kind](config, self.meta.normalizer, train.about)
        self.batches = Shuffled(train, config.batch_size, config.seed, prepare.rank, prepare.size)
        self.validation = InOrder(validation, share, prepare.rank, prepare.size)
        self.nets = {name: net.to(prepare.device) for name, net in seeded(self.method, config.seed).items()}
        if config.start_from and not resume:
            checkpoint.load_nets(config.start_from, checkpoint.load_meta(config.start_from), self.nets)
        self.ema = {name: copy.deepcopy(net).eval().requires_grad_(False) for name, net in self.nets.items()}
        refuse_unknown(config.optimizer, self.nets)
        self.optimizers = {name: adamw(net, config.optimizer) for name, net in self.nets.items()}
        if resume:
            self._restore(resume)
        self.parallel = {name: prepared(net, config, prepare) for name, net in self.nets.items()}
        self._stream: Iterator[Batch] | None = None

    def advance(self) -> dict[str, float]:
        """One update of each network of this step; the averages over the workers of what it saw."""
        batch = self._next_batch().to(self.prepare.device)
        torch.manual_seed(self._draw_seed())
        lr = learning_rate(self.config.optimizer, self.step, self.config.n_steps)
        seen: dict[str, float] = {}
        for phase in self.method.phases(self.step):
            seen |= self._descend(phase, batch, lr)
        self.step += 1
        for name, average in self.ema.items():
            follow(average, self.nets[name], ema_decay(self.config.optimizer.ema, self.step))
        return {f"train/{name}": value for name, value in self.prepare.mean(seen).items()} | {"train/lr": lr}

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
            optimizers = {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}
            state = {"step": self.step, "optimizers": optimizers}
            checkpoint.save(folder, self.meta, raw=self.nets, ema=self.ema, resume=state)
        return folder

    def finish(self) -> dict[str, float]:
        """Rank 0 copies the checkpoint of the smallest validation loss to `out`/final; metrics of the last one."""
        if self.prepare.rank == 0:
            checkpoint.release(best(self.config, self.meta), self.config.out / "final")
        return self.meta.metrics

    def _next_batch(self) -> Batch:
        """The share of this worker in the next global batch."""
        if self._stream is None:
            steps, pin = range(self.step, self.config.n_steps), self.prepare.device.type == "cuda"
            self._stream = iter(
                self.batches.loader(steps, self.config.n_loaders, n_together=self.config.n_together, pin=pin)
            )
        return next(self._stream)

    def _draw_seed(self) -> int:
        """Of what a network itself may draw at this step, such as dropout."""
        entropy = (self.config.seed, self.step, self.prepare.rank)
        return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))

    def _descend(self, phase: str, batch: Batch, lr: float) -> dict[str, float]:
        """Update one network by the gradient of its loss over the global batch."""
        optimizer, net = self.optimizers[phase], self.nets[phase]
        for group in optimizer.param_groups:
            group["lr"] = lr * self.config.optimizer.lr_factors.get(phase, 1.0)
        optimizer.zero_grad()
        seen = self._accumulate(phase, batch)
        norm = clip_grad_norm_(net.parameters(), self.config.optimizer.clip)
        # A loss that is not finite on one worker makes the averaged gradient so on all: all stop.
        if not (np.isfinite(seen["loss"]) and torch.isfinite(norm)):
            self._stop(phase, batch, seen["loss"], norm)
        optimizer.step()
        label = "" if len(self.nets) == 1 else f"{phase}/"
        return {f"{label}{name}": value for name, value in seen.items()} | {f"{label}grad_norm": norm.item()}

    def _accumulate(self, phase: str, batch: Batch) -> dict[str, float]:
        """Add up the gradients of the parts of `batch`; what was seen, weighted so that workers average to the mean."""
        seen: dict[str, float] = {}
        parts = list(batch.parts(self.config.n_accumulate))
        for part in parts:
            weight = len(part) * self.prepare.size / self.config.batch_size
            with ExitStack() as stack:
                if part is not parts[-1]:
                    stack.enter_context(unsynchronised(self.parallel[phase]))
                loss, others = self.method.loss(phase, self.parallel, part)
                (loss * weight).backward()  # type: ignore[no-untyped-call]
            for name, value in {"loss": loss, **others}.items():
                seen[name] = seen.get(name, 0.0) + weight * float(value.detach())
        return seen

    def _restore(self, folder: Path) -> None:
        """Weights, averaged weights, optimisers and step as they were."""
        checkpoint.load_nets(folder, self.meta, self.nets, "raw")
        checkpoint.load_nets(folder, self.meta, self.ema, "ema")
        state = checkpoint.load_resume(folder)
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.step = int(state["step"])

    def _stop(self, phase: str, batch: Batch, loss: float, norm: Tensor) -> NoReturn:
        """Keep the batch for inspection and raise RuntimeError; the network is still that of the step before."""
        rank = f"_rank_{self.prepare.rank}" if self.prepare.rank else ""
        path = self.config.out / f"nonfinite_step_{self.step}{rank}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{field.name: getattr(batch, field.name).cpu().numpy() for field in fields(batch)})
        raise RuntimeError(
            f"train: expected a finite loss and gradient of {phase} at step {self.step}, "
            f"got loss {loss:g} and gradient norm {norm.item():g}; the batch is in {path}"
        )


def best(config: Train, meta: Meta) -> Path:
    """The checkpoint of the run of `meta` with the smallest validation loss; the earliest of equals."""
    candidates = [(folder, checkpoint.load_meta(folder)) for folder in checkpoint.steps(config.out)]
    own = [(found.metrics["val/loss"], folder) for folder, found in candidates if not difference(config, meta, found)]
    return min(own)[1]


def seeded(method: Method, seed: int) -> dict[str, nn.Module]:
    """The networks of `method` with the weights that `seed` gives, whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return method.build()


def refuse_unknown(config: Optimizer, nets: Mapping[str, nn.Module]) -> None:
    """ValueError where a learning rate is told of a network that is not there."""
    unknown = sorted(set(config.lr_factors) - set(nets))
    if unknown:
        raise ValueError(f"optimizer.lr_factors: any of {', '.join(nets)}, got {unknown[0]}")


def adamw(net: nn.Module, config: Optimizer) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels, not biases and gains."""
    groups = [
        {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas)


@torch.no_grad()
def follow(ema: nn.Module, net: nn.Module, decay: float) -> None:
    """Move the averaged weights towards those of `net`, in place."""
    for average, value in zip(ema.parameters(), net.parameters(), strict=True):
        average.lerp_(value, 1 - decay)


def unsynchronised(module: nn.Module) -> Any:
    """A context in which backward passes leave the gradients of the workers apart."""
    return module.no_sync() if isinstance(module, DistributedDataParallel) else nullcontext()


def blank_meta(config: Train, train: Source, share: int) -> Meta:
    """What is known of the model before its first step."""
    start = start_of(config, train.about)
    normalizer = start.normalizer if start else fitted(config, train, share)
    return Meta(
        **train.about.model_dump(),
        format=checkpoint.FORMAT,
        config=config,
        normalizer=normalizer,
        param_defaults=normalizer.params.mean,
        commit=provenance()["commit"],
        step=0,
        metrics={},
    )


def fitted(config: Train, train: Source, share: int) -> Normalizer:
    """The normaliser of the training split, read in batches of `share` maps."""
    scales = config.method.scales(train.about.target_channels)
    if scales is None:
        return Normalizer.of_parameters(InOrder(train, share, size=max(1, len(train) // N_SEEN)))
    return Normalizer.fit(InOrder(train, share), **scales)


def start_of(config: Train, about: About) -> Meta | None:
    """The model that the run starts from, if any; ValueError unless its networks fit the run and its maps."""
    if config.start_from is None:
        return None
    meta = checkpoint.load_meta(config.start_from)
    for name in ("input_channels", "target_channels", "param_names"):
        refuse_unequal(config, name, getattr(about, name), getattr(meta, name))
    refuse_unequal(config, "net", config.net, meta.config.net)
    refuse_unequal(config, "method.kind", config.method.kind, meta.config.method.kind)
    return meta


def refuse_unequal(config: Train, name: str, expected: object, got: object) -> None:
    if expected != got:
        raise ValueError(f"start_from: {config.start_from}: expected {name} {expected}, got {got}")


def refuse_unusable(config: Train, about: About, validation: Source, n_workers: int) -> None:
    """ValueError, before anything expensive, for data that cannot be trained on."""
    if about.n_pixels % config.net.stride:
        levels = f"{config.net.stride} (net.n_levels, net.patch)"
        raise ValueError(f"{config.data.where}: n_pixels divisible by {levels}, got {about.n_pixels}")
    if len(validation) < n_workers:
        have = f"a validation map for each of {n_workers} workers"
        raise ValueError(f"{config.data.where}: {have}, got {len(validation)}")


def verified(config: Train, about: About, folder: Path) -> Meta:
    """The meta of the checkpoint `folder`; ValueError unless it is of the run that `config` describes."""
    meta = checkpoint.load_meta(folder)
    problem = difference(config, about, meta)
    if problem:
        raise ValueError(f"{folder}: {problem}; choose another `out`, or remove the checkpoints there")
    return meta


def difference(config: Train, about: About, meta: Meta) -> str:
    """The first thing in which a checkpoint's run is not that of `config` on the data `about`, or nothing."""
    ours, theirs = (c.model_dump(mode="json", exclude=FREE_TO_CHANGE) for c in (config, meta.config))
    for key in ours:
        if ours[key] != theirs[key]:
            return f"expected a checkpoint of the same run with {key}={ours[key]}, got {theirs[key]}"
    if about.data_sha256 != meta.data_sha256:
        return f"expected a checkpoint trained on data with sha256 {about.data_sha256}, got {meta.data_sha256}"
    return ""
