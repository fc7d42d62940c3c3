"""Checkpoints without a training: random weights that paint something."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from configs import Train
from learn import checkpoint
from learn.checkpoint import Meta
from learn.data import About, Batch
from learn.methods import METHODS
from learn.normalize import Normalizer
from learn.sources import open_source
from learn.train import fitted


def write_checkpoint(folder: Path, train: Train, **changes: Any) -> Path:
    """The checkpoint of step 7 of a run, with fields of it replaced; raw weights are other than the averaged ones."""
    config = Train.model_validate(train.model_dump() | {"storage": "s3://key:secret@host/bucket"} | changes)
    source = open_source(config.data, "train")
    return write_model(folder, config, source.about, fitted(config, source, 4))


def write_model_of(folder: Path, config: Train, about: About, batches: Iterable[Batch]) -> Path:
    """The same without a data set: `batches` are all there is of it."""
    scales = config.method.scales(about.target_channels)
    return write_model(folder, config, about, Normalizer.fit(batches, **scales))


def write_model(folder: Path, config: Train, about: About, normalizer: Normalizer) -> Path:
    meta = Meta(
        **about.model_dump(),
        format=checkpoint.FORMAT,
        config=config,
        normalizer=normalizer,
        param_defaults=normalizer.params.mean,
        commit="abc",
        step=7,
        metrics={"val/loss": 0.25},
    )
    torch.manual_seed(1)
    raw, ema = (METHODS[config.method.kind](config, normalizer, about).build() for _ in range(2))
    for net in (*raw.values(), *ema.values()):
        for x in net.parameters():
            torch.nn.init.normal_(x, std=0.1)
    return checkpoint.save(folder, meta, raw=raw, ema=ema, resume={"step": 7})
