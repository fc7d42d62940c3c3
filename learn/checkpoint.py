"""A model on disk: weights.safetensors, meta.json and, for the trainer alone, resume.pt.

Knows the format and refuses every other. Nothing here unpickles code. Knows nothing of networks.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from configs import Painting, Train, validate
from learn.data import About
from learn.normalize import Normalizer
from sim.shards import INPUT_CHANNELS, TARGET_CHANNELS, UNIT

FORMAT: Literal[2] = 2
WEIGHTS, META, RESUME = "weights.safetensors", "meta.json", "resume.pt"
Nets = Mapping[str, nn.Module]
Kind = Literal["ema", "raw"]


class Meta(About):
    """Everything about a model but its weights; as `About`, of the maps it was trained on."""

    format: Literal[2]
    config: Train
    normalizer: Normalizer
    param_defaults: tuple[float, ...] = Field(description="used where a parameter is not given: the training means")
    commit: str
    step: int = Field(ge=0)
    metrics: dict[str, float]
    weights_sha256: str = ""

    @model_validator(mode="after")
    def paints_what_is_known(self) -> Self:
        if not isinstance(self.config.method, Painting):
            return self
        known = {"target_channels": TARGET_CHANNELS, "unit": UNIT, "n_dims": 2}
        for key, expected in known.items():
            if getattr(self, key) != expected:
                raise ValueError(f"{key}: {expected}, got {getattr(self, key)}")
        if self.input_channels[:1] != INPUT_CHANNELS:
            raise ValueError(f"input_channels: {INPUT_CHANNELS[0]} first, got {self.input_channels}")
        return self


def save(folder: Path, meta: Meta, *, raw: Nets, ema: Nets, resume: Mapping[str, Any]) -> Path:
    """Write a checkpoint folder, all or nothing: `ema` predicts, `raw` and `resume` continue the training."""
    partial = emptied(folder.with_name(f".{folder.name}.partial"))
    save_file(tensors("ema", ema) | tensors("raw", raw), partial / WEIGHTS)
    signed = meta.model_copy(update={"weights_sha256": sha256(partial / WEIGHTS)})
    (partial / META).write_text(signed.model_dump_json(indent=2) + "\n")
    torch.save(dict(resume), partial / RESUME)
    return put_in_place(partial, folder)


def load_meta(folder: Path) -> Meta:
    """What the checkpoint `folder` holds; ValueError names what this code does not know, or cannot trust."""
    path = folder / META
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: expected a checkpoint, found no {META}")
    try:
        tree = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: expected JSON, got: {error}") from error
    found = tree.get("format") if isinstance(tree, dict) else None
    if found != FORMAT:
        raise ValueError(f"{path}: expected checkpoint format {FORMAT}, got {found!r}")
    return validate(Meta, tree, str(path))


def load_weights(folder: Path, meta: Meta, kind: Kind = "ema") -> dict[str, Tensor]:
    """Weights by network and name, averaged or as trained; ValueError if the file is not the one `meta` describes."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: expected a checkpoint, found no {WEIGHTS}")
    found = sha256(path)
    if found != meta.weights_sha256:
        raise ValueError(f"{path}: expected sha256 {meta.weights_sha256}, got {found}: damaged or replaced")
    try:
        found_tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path}: expected safetensors, got: {error}") from error
    return {name.removeprefix(f"{kind}."): x for name, x in found_tensors.items() if name.startswith(f"{kind}.")}


def load_resume(folder: Path) -> dict[str, Any]:
    """The state of the optimiser; only tensors and plain values are accepted."""
    path = folder / RESUME
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: expected a checkpoint to resume from, found no {RESUME}")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ValueError(f"{path}: expected tensors and plain values, got something else") from error
    return state


def load_nets(folder: Path, meta: Meta, nets: Nets, kind: Kind = "ema") -> None:
    """Give `nets`, by name, their weights, in place; ValueError where they have others."""
    weights = load_weights(folder, meta, kind)
    for name, net in nets.items():
        own = {key.removeprefix(f"{name}."): x for key, x in weights.items() if key.startswith(f"{name}.")}
        try:
            net.load_state_dict(own)
        except RuntimeError as error:
            raise ValueError(f"{folder / WEIGHTS}: expected the weights of {name}, got others: {error}") from error


def tensors(kind: Kind, nets: Nets) -> dict[str, Tensor]:
    """Every weight of `nets` by the name it has on disk."""
    return {
        f"{kind}.{name}.{key}": x.detach().cpu().contiguous()
        for name, net in nets.items()
        for key, x in net.state_dict().items()
    }


def step_folder(out: Path, step: int) -> Path:
    """Where the checkpoint after `step` steps of the run in `out` belongs."""
    return out / "checkpoints" / f"step_{step:06d}"


def steps(out: Path) -> list[Path]:
    """The complete checkpoints of the run in `out`, oldest first."""
    return sorted((out / "checkpoints").glob("step_*"), key=lambda folder: int(folder.name.removeprefix("step_")))


def latest(out: Path) -> Path | None:
    """The checkpoint to resume the run in `out` from, if there is one."""
    return next(reversed(steps(out)), None)


def latest_step(out: Path) -> int:
    """How many steps the latest checkpoint of the run in `out` has behind it; 0 without one."""
    folder = latest(out)
    return load_meta(folder).step if folder else 0


def release(folder: Path, target: Path) -> Path:
    """Copy what predicts, without what resumes, from the checkpoint `folder` to `target`, replacing it."""
    partial = emptied(target.with_name(f".{target.name}.partial"))
    for name in (WEIGHTS, META):
        shutil.copyfile(folder / name, partial / name)
    return put_in_place(partial, target)


def emptied(folder: Path) -> Path:
    """`folder`, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def put_in_place(partial: Path, folder: Path) -> Path:
    """Rename `partial` to `folder`; an older one is moved aside first, since a folder cannot replace a full one."""
    if folder.exists():
        aside = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(folder, aside)
        os.replace(partial, folder)
        shutil.rmtree(aside)
    else:
        os.replace(partial, folder)
    return folder


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
