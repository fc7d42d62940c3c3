"""A checkpoint of one run as the beginning of another that differs in what may change in the middle of a run."""

from __future__ import annotations

import shutil
from pathlib import Path

from configs import Train
from learn import checkpoint
from learn.train import difference

OPTIMIZER = ("lr", "n_warmup", "clip", "ema")
METHOD = ("log_pk_weight",)


def inherited(donor: Path, config: Train) -> Path:
    """The checkpoint `donor` as one of the run `config` in its `out`, from which that run goes on.

    Carried over: weights, averaged weights, AdamW's moments and its weight decay, the step, the normaliser, metrics.
    Not carried over: learning rate, warm-up, clipping, decay of the average and weight of the P(k) term, which are
    those of `config`. ValueError if anything else differs.
    """
    meta = checkpoint.load_meta(donor)
    problem = difference(as_of(config, meta.config), meta, meta)
    if problem:
        raise ValueError(f"{donor}: {problem}")
    target = checkpoint.step_folder(config.out, meta.step)
    partial = checkpoint.emptied(target.with_name(f".{target.name}.partial"))
    for name in (checkpoint.WEIGHTS, checkpoint.RESUME):
        shutil.copyfile(donor / name, partial / name)
    (partial / checkpoint.META).write_text(meta.model_copy(update={"config": config}).model_dump_json(indent=2) + "\n")
    return checkpoint.put_in_place(partial, target)


def as_of(config: Train, donor: Train) -> Train:
    """`config` with the donor's values of what may change."""
    optimizer = {name: getattr(donor.optimizer, name) for name in OPTIMIZER}
    method = {name: getattr(donor.method, name) for name in METHOD if hasattr(donor.method, name)}
    return config.model_copy(
        update={
            "optimizer": config.optimizer.model_copy(update=optimizer),
            "method": config.method.model_copy(update=method),
        }
    )
