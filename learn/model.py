"""A checkpoint brought to life: its networks on a device, and what it knows of parameters and seeds.

What its method answers with is for `learn.predict` and its like to say. Knows nothing of training or of HTTP. Importing
it changes no thread count and no global state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs import Frozen
from learn import checkpoint
from learn.checkpoint import Meta
from learn.methods import METHODS, Method, Nets

MAX_SEED = 2**40
"""Seeds are below it: a draw of one seed is never that of another."""
PIXEL_TOLERANCE = 0.01
"""Largest relative difference between the pixel size of a map and that of the training maps."""
MAX_FLOAT32 = float(np.finfo(np.float32).max)

Floats = NDArray[np.float32]
Seeds = int | Sequence[int] | NDArray[np.int64]
"""One for all, or one each."""


class FarError(ValueError):
    """An answer that is no number: what was asked, though finite, is too far from the training."""


class Model:
    """The networks of a checkpoint with their averaged weights; `of` says of which methods."""

    of: ClassVar[type[Frozen]] = Frozen

    def __init__(self, meta: Meta, method: Method, nets: Nets, device: torch.device) -> None:
        self.meta, self.is_stochastic = meta, method.is_stochastic
        self._method, self._device = method, device
        self._nets = {name: net.to(device).eval() for name, net in nets.items()}

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu") -> Self:
        """From a checkpoint folder. FileNotFoundError, or ValueError for a checkpoint this code must not read."""
        meta = cls.read_meta(folder)
        method = METHODS[meta.config.method.kind](meta.config, meta.normalizer, meta)
        nets = method.build()
        checkpoint.load_nets(Path(folder), meta, nets)
        return cls(meta, method, nets, torch.device(device))

    @classmethod
    def read_meta(cls, folder: Path | str) -> Meta:
        """What a checkpoint says of itself; errors as those of `load`, but for its weights, which are not read."""
        meta = checkpoint.load_meta(Path(folder))
        if not isinstance(meta.config.method, cls.of):
            raise ValueError(f"{folder}: expected a method of {cls.of.__name__}, got {meta.config.method.kind}")
        return meta

    def params_from(self, values: Mapping[str, float]) -> Floats:
        """Parameters by name -> (p,); the training mean where one is missing.

        ValueError lists the names, or says which value is no finite number in single precision.
        """
        unknown = sorted(set(values) - set(self.meta.param_names))
        if unknown:
            raise ValueError(f"parameters: any of {', '.join(self.meta.param_names)}; got {unknown[0]}")
        for name, value in values.items():
            if not abs(value) <= MAX_FLOAT32:
                raise ValueError(f"{name}: expected a finite number, got {value}")
        defaults = zip(self.meta.param_names, self.meta.param_defaults, strict=True)
        return np.array([values.get(name, default) for name, default in defaults], dtype=np.float32)

    def check_params(self, params: Floats | None, n: int) -> Floats:
        """(n, p) finite float32; the defaults for None."""
        if params is None:
            return np.tile(self.params_from({}), (n, 1))
        params = np.ascontiguousarray(params, dtype=np.float32)
        expected = (n, len(self.meta.param_names))
        if params.shape != expected:
            raise ValueError(f"params: shape {expected} ({', '.join(self.meta.param_names)}), got {params.shape}")
        if not np.isfinite(params).all():
            raise ValueError(f"params: finite numbers, got {np.count_nonzero(~np.isfinite(params))} that are not")
        return params

    def check_pixel_size(self, pixel_size: float | None) -> None:
        """ValueError unless `pixel_size` [Mpc/h] is absent or that of the training maps."""
        trained = self.meta.pixel_size
        if pixel_size is not None and not abs(pixel_size / trained - 1) <= PIXEL_TOLERANCE:
            raise ValueError(f"pixel_size: expected {trained:g} Mpc/h within {PIXEL_TOLERANCE:.0%}, got {pixel_size:g}")

    def answers(self, inputs: Floats, params: Floats, seeds: Tensor) -> Floats:
        """What the method answers to each of `inputs` (B, I, ...), parameters (B, p) and seeds (B,)."""
        # One at a time: on a CPU one map fills the cores, and company cannot change the last bit of an answer.
        n = 1 if self._device.type == "cpu" else len(inputs)
        shares = [slice(start, start + n) for start in range(0, len(inputs), n)]
        with torch.inference_mode():
            return np.concatenate([self._together(inputs[s], params[s], seeds[s]) for s in shares])

    def _together(self, inputs: Floats, params: Floats, seeds: Tensor) -> Floats:
        shown, given = (torch.tensor(x, device=self._device) for x in (inputs, params))
        return self._method.predict(self._nets, shown, given, seeds.to(self._device)).cpu().numpy()


def check_seeds(seed: Seeds, n: int) -> Tensor:
    """Seeds (n,); ValueError unless there is one for all or one each, from 0 below 2^40."""
    seeds = np.asarray(seed)
    if seeds.shape not in ((), (n,)) or not np.issubdtype(seeds.dtype, np.integer):
        raise ValueError(f"seed: an integer or {n} of them, got {seeds.dtype} of shape {seeds.shape}")
    if seeds.min() < 0 or seeds.max() >= MAX_SEED:
        raise ValueError(f"seed: from 0 below {MAX_SEED}, got {seeds.min()} to {seeds.max()}")
    return torch.from_numpy(np.broadcast_to(seeds, n).astype(np.int64))
