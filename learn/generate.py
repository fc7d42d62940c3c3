"""Samples of a trained generator on disk, made part by part by whoever has time.

What a part holds is a function of the configuration alone, so parts may be made anywhere, in any order and again. A run
that was stopped goes on with the parts that are missing. Knows files and seeds; nothing of workers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from configs import Generate, Sampling, provenance
from configs.files import replacing
from learn import checkpoint
from learn.checkpoint import Meta
from learn.sampler import Sampler, seeds_of
from learn.samples_figure import samples_figure

SAMPLES, STACK, PICTURE, PARTS = "samples.hdf5", "samples.npy", "samples.png", ".parts"
N_SHOWN = 6
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """Some consecutive samples, and the file that holds them until all are there."""

    start: int
    stop: int
    path: Path

    @property
    def samples(self) -> range:
        return range(self.start, self.stop)


def is_complete(config: Generate) -> bool:
    """Whether the samples are there; ValueError if `out` has those of another configuration or model."""
    path = config.out / SAMPLES
    if not path.is_file():
        return False
    with h5py.File(path) as file:
        if file.attrs.get("identity") != identity(config) or len(file["samples"]) != config.n_samples:
            raise ValueError(f"{path}: expected the samples of this configuration, got others; choose another `out`")
    return True


def parts(config: Generate) -> list[Part]:
    """All parts of a run. ValueError for a model that needs inputs, or for parameters that it does not know."""
    refuse_unusable(config, checkpoint.load_meta(config.checkpoint))
    folder, step = config.out / PARTS / identity(config), config.samples_per_task
    ranges = [(start, min(start + step, config.n_samples)) for start in range(0, config.n_samples, step)]
    return [Part(start, stop, folder / f"{start}_{stop}.npy") for start, stop in ranges]


def missing(config: Generate) -> list[Part]:
    """The parts that are still to be made."""
    return [part for part in parts(config) if not part.path.is_file()]


def make(part: Part, config: Generate) -> Part:
    """Draw the samples of a part and keep them."""
    sampler = opened(config.checkpoint, config.sampler, "cuda" if config.use_gpu else "cpu")
    fields = sampler(seeds_of(config.seed, part.samples), parameters(sampler.meta, config)[part.start : part.stop])
    with replacing(part.path) as temporary:
        np.save(temporary, fields, allow_pickle=False)
    return part


def finish(config: Generate) -> Path:
    """Put the parts, which are all there, together, draw some of them, and return the folder."""
    meta, every = checkpoint.load_meta(config.checkpoint), parts(config)
    params = parameters(meta, config)
    write_picture(config, meta, first(every, N_SHOWN))
    write_stack(config.out / STACK, every, config.n_samples)
    write_samples(config, meta, params, every)
    shutil.rmtree(config.out / PARTS)
    return config.out


def parameters(meta: Meta, config: Generate) -> Array:
    """Of every sample, (n_samples, p), in the order of the model."""
    rows = np.tile(np.array(meta.param_defaults, np.float32), (config.n_samples, 1))
    for name, value in config.parameters.items():
        rows[:, meta.param_names.index(name)] = value
    if config.vary:
        design = qmc.Sobol(len(config.vary), rng=np.random.default_rng(config.seed))
        points = design.random_base2(max(0, (config.n_samples - 1).bit_length()))[: config.n_samples]
        for (name, (low, high)), column in zip(config.vary.items(), points.T, strict=True):
            rows[:, meta.param_names.index(name)] = low + (high - low) * column
    return rows


def identity(config: Generate) -> str:
    """A hash of what decides a sample: its model, its seed, its parameters and how it is drawn."""
    told = config.model_dump_json(include={"seed", "parameters", "vary", "sampler", "use_gpu"})
    weights = checkpoint.load_meta(config.checkpoint).weights_sha256
    return hashlib.sha256(f"{told} {weights}".encode()).hexdigest()


def refuse_unusable(config: Generate, meta: Meta) -> None:
    if meta.input_channels:
        raise ValueError(f"{config.checkpoint}: expected a model without inputs, got {', '.join(meta.input_channels)}")
    unknown = sorted({*config.parameters, *config.vary} - set(meta.param_names))
    if unknown:
        raise ValueError(f"parameters: any of {', '.join(meta.param_names)}; got {unknown[0]}")


@lru_cache(maxsize=1)
def opened(folder: Path, sampling: Sampling | None, device: str) -> Sampler:
    """The model, once a process."""
    return Sampler.load(folder, device, sampling=sampling)


def read(part: Part) -> Array:
    """The samples of a part."""
    fields: Array = np.load(part.path, allow_pickle=False)
    return fields


def first(every: Sequence[Part], n: int) -> Array:
    """The first `n` samples, or all if there are fewer."""
    needed = [part for part in every if part.start < n]
    return np.concatenate([read(part)[: n - part.start] for part in needed])


def write_stack(path: Path, every: Sequence[Part], n_samples: int) -> None:
    """All samples as one .npy, (n, C, P, P), one part in memory at a time."""
    with replacing(path) as temporary:
        shape = (n_samples, *read(every[0]).shape[1:])
        stack = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        for part in every:
            stack[part.start : part.stop] = read(part)
        stack.flush()


def write_samples(config: Generate, meta: Meta, params: Array, every: Sequence[Part]) -> None:
    """All samples with their seeds, parameters and units as HDF5."""
    with replacing(config.out / SAMPLES) as temporary, h5py.File(temporary, "w") as file:
        shape = (config.n_samples, *read(every[0]).shape[1:])
        samples = file.create_dataset("samples", shape, np.float32, track_times=False)
        samples.attrs["unit"] = meta.target_unit or meta.unit
        for part in every:
            samples[part.start : part.stop] = read(part)
        file.create_dataset("params", data=params, track_times=False)
        file.create_dataset("seeds", data=seeds_of(config.seed, range(config.n_samples)), track_times=False)
        file.attrs.update(
            {
                "channels": list(meta.target_channels),
                "param_names": list(meta.param_names),
                **{key: getattr(meta, key) for key in ("pixel_size", "box_size", "depth", "weights_sha256", "step")},
                "length_unit": "comoving Mpc/h",
                "identity": identity(config),
                "config": json.dumps(json.loads(config.model_dump_json())),
                **provenance(),
            }
        )


def write_picture(config: Generate, meta: Meta, fields: Array) -> None:
    with replacing(config.out / PICTURE) as temporary:
        title = f"samples of seed {config.seed}, model of step {meta.step}"
        samples_figure({"sample": fields}, meta, title=title).savefig(temporary, dpi=110)
