"""A run that goes on where it, or its twin on a node that died, has stopped: checkpoints here and in the storage."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from configs import Train
from learn import checkpoint
from learn.storage import Storage, order
from learn.train import Progress

N_KEPT = 3
"""Newest checkpoints that stay in the storage, beside the best."""


def restored(config: Train) -> Path | None:
    """The checkpoint to resume from: the newest of `out` and of `storage`, pulled to `out` where that one is newer.

    With it comes every other checkpoint that `out` lacks, among them the best, which `out`/final will be a copy of.
    RuntimeError for a storage that does not answer, ValueError for a damaged checkpoint.
    """
    here = checkpoint.latest(config.out)
    if config.storage is None:
        return here
    storage = Storage.of(config.storage)
    kept = storage.names()
    if not kept or (here is not None and order(here.name) >= order(kept[-1])):
        return here
    for name in kept:
        target = checkpoint.step_folder(config.out, 0).with_name(name)
        if not target.exists():
            pull_once(storage, name, target)
    return checkpoint.latest(config.out)


def pull_once(storage: Storage, name: str, target: Path) -> None:
    """Pull `name` to `target`, unless another worker of this machine is faster: what it put there may be in use."""
    private = storage.pull(name, target.with_name(f".{name}.{uuid4().hex[:12]}"))
    try:
        os.rename(private, target)
    except OSError:
        shutil.rmtree(private)
        if not target.exists():
            raise


def stored(steps: Iterator[Progress], config: Train, *, n_kept: int = N_KEPT) -> Iterator[Progress]:
    """The steps of a run, each checkpoint pushed to the storage, where there is one, before it passes.

    The newest `n_kept` stay there, and that of the smallest validation loss. For one worker alone, rank 0.
    """
    if config.storage is None:
        yield from steps
        return
    storage = Storage.of(config.storage)
    losses: dict[str, float] = {folder.name: loss_of(folder) for folder in checkpoint.steps(config.out)}
    for progress in steps:
        if progress.checkpoint is not None:
            name = progress.checkpoint.name
            losses[name] = loss_of(progress.checkpoint)
            storage.push(progress.checkpoint, name)
            storage.prune(n_kept, spare=[min(losses, key=lambda name: losses[name])])
        yield progress


def loss_of(folder: Path) -> float:
    return checkpoint.load_meta(folder).metrics["val/loss"]
