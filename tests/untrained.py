"""Checkpoints without a training: random weights that paint something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from configs import Train
from learn import checkpoint
from learn.checkpoint import Meta
from learn.methods import METHODS
from learn.sources import open_source
from learn.train import fitted


def write_checkpoint(folder: Path, train: Train, **changes: Any) -> Path:
    """The checkpoint of step 7 of a run, with fields of it replaced; raw weights are other than the averaged ones."""
    config = Train.model_validate(train.model_dump() | {"storage": "s3://key:secret@host/bucket"} | changes)
    source = open_source(config.data, "train")
    normalizer = fitted(config, source, 4)
    meta = Meta(
        **source.about.model_dump(),
        format=checkpoint.FORMAT,
        config=config,
        normalizer=normalizer,
        param_defaults=normalizer.params.mean,
        commit="abc",
        step=7,
        metrics={"val/loss": 0.25},
    )
    torch.manual_seed(1)
    raw, ema = (METHODS[config.method.kind](config, normalizer, source.about).build() for _ in range(2))
    for net in (*raw.values(), *ema.values()):
        for x in net.parameters():
            torch.nn.init.normal_(x, std=0.1)
    return checkpoint.save(folder, meta, raw=raw, ema=ema, resume={"step": 7})
