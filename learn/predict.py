"""A trained model as a function of physical maps. Everything that uses a model goes through here.

Knows nothing of training, of simulations or of HTTP. Importing it changes no thread count and no global state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from learn import checkpoint
from learn.checkpoint import Meta
from learn.methods import METHODS, Method, Nets
from learn.methods.noise import successors
from sim.shards import TARGET_CHANNELS

MAX_SEED = 2**40
"""Seeds are below it: a draw of one seed is never that of another."""
PIXEL_TOLERANCE = 0.01
"""Largest relative difference between the pixel size of a map and that of the training maps."""

Maps = NDArray[np.float32]
Seeds = int | Sequence[int] | NDArray[np.int64]
"""One for all maps, or one a map."""
N_CHANNELS = len(TARGET_CHANNELS)


class Predictor:
    """Dark-matter maps in, painted maps out, both in Msun/h/(Mpc/h)^2. Map i of the answer depends on map i alone."""

    def __init__(self, meta: Meta, method: Method, nets: Nets, device: torch.device) -> None:
        self.meta, self.is_stochastic = meta, method.is_stochastic
        self._method, self._device = method, device
        self._nets = {name: net.to(device).eval() for name, net in nets.items()}

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu") -> Self:
        """From a checkpoint folder. FileNotFoundError, or ValueError for a checkpoint this code must not read."""
        meta = checkpoint.load_meta(Path(folder))
        method = METHODS[meta.config.method.kind](meta.config, meta.normalizer, meta)
        nets = method.build()
        checkpoint.load_nets(Path(folder), meta, nets)
        return cls(meta, method, nets, torch.device(device))

    @property
    def stride(self) -> int:
        """What must divide both sides of a map."""
        return self.meta.config.net.stride

    @property
    def min_side(self) -> int:
        """Fewest pixels along a side: the coarsest level needs two to pad."""
        return 2 * self.stride

    def __call__(
        self, maps: Maps, params: Maps | None = None, pixel_size: float | None = None, *, seed: Seeds = 0
    ) -> Maps:
        """Maps (B, H, W) or (B, I, H, W) and parameters (B, p), or None for the defaults -> (B, 3, H, W) float32.

        `pixel_size` [Mpc/h], where given, must be that of the training maps within 1 %. A stochastic model answers with
        the draw of `seed`, the same noise for every map, or a seed a map. ValueError says what is wrong.
        """
        return self.draws(maps, params, 1, pixel_size, seed=seed)[0]

    def draws(
        self, maps: Maps, params: Maps | None, n: int, pixel_size: float | None = None, *, seed: Seeds = 0
    ) -> Maps:
        """`n` answers to every map, (n, B, 3, H, W); all the same unless the model is stochastic."""
        maps = self._check_maps(maps)
        self.check_pixel_size(pixel_size)
        params, seeds = self._check_params(params, len(maps)), check_seeds(seed, len(maps))
        if not self.is_stochastic:
            return np.broadcast_to(self._paint(maps, params, seeds), (n, len(maps), N_CHANNELS, *maps.shape[-2:]))
        return np.stack([self._paint(maps, params, each) for each in successors(seeds, n).view(n, -1)])

    def check(self, one: ArrayLike) -> None:
        """ValueError unless `one` is a map (H, W) that can be painted."""
        values = np.asarray(one)
        if values.ndim != 2:
            raise ValueError(f"map: 2 axes (height, width), got {values.ndim} with shape {values.shape}")
        height, width = values.shape
        if height % self.stride or width % self.stride or not values.size:
            raise ValueError(f"map: height and width divisible by {self.stride}, got {height} x {width} pixels")
        if min(values.shape) < self.min_side:
            raise ValueError(f"map: at least {self.min_side} pixels along each side, got {height} x {width}")
        if not np.isfinite(values).all():
            raise ValueError(f"map: finite pixels, got {np.count_nonzero(~np.isfinite(values))} that are not")
        if values.min() < 0:
            raise ValueError(f"map: surface density >= 0, got a smallest pixel of {values.min():.6g}")
        if not values.max() > 0:
            raise ValueError("map: some mass, got zero in every pixel")

    def check_pixel_size(self, pixel_size: float | None) -> None:
        """ValueError unless `pixel_size` [Mpc/h] is absent or that of the training maps."""
        trained = self.meta.pixel_size
        if pixel_size is not None and not abs(pixel_size / trained - 1) <= PIXEL_TOLERANCE:
            raise ValueError(f"pixel_size: expected {trained:g} Mpc/h within {PIXEL_TOLERANCE:.0%}, got {pixel_size:g}")

    def params_from(self, values: Mapping[str, float]) -> Maps:
        """Parameters by name -> (p,); the training mean where one is missing. ValueError lists the names."""
        unknown = sorted(set(values) - set(self.meta.param_names))
        if unknown:
            raise ValueError(f"parameters: any of {', '.join(self.meta.param_names)}; got {unknown[0]}")
        defaults = zip(self.meta.param_names, self.meta.param_defaults, strict=True)
        return np.array([values.get(name, default) for name, default in defaults], dtype=np.float32)

    def _paint(self, maps: Maps, params: Maps, seeds: Tensor) -> Maps:
        # One map at a time: on a CPU one map fills the cores, and company cannot change the last bit of an answer.
        n = 1 if self._device.type == "cpu" else len(maps)
        shares = [slice(start, start + n) for start in range(0, len(maps), n)]
        with torch.inference_mode():
            return np.concatenate([self._paint_together(maps[s], params[s], seeds[s]) for s in shares])

    def _paint_together(self, maps: Maps, params: Maps, seeds: Tensor) -> Maps:
        inputs, given = (torch.tensor(x, device=self._device) for x in (maps, params))
        return self._method.predict(self._nets, inputs, given, seeds.to(self._device)).cpu().numpy()

    def _check_maps(self, maps: Maps) -> Maps:
        """(B, I, H, W) finite float32."""
        maps = np.ascontiguousarray(maps, dtype=np.float32)
        if maps.ndim == 3 and len(self.meta.input_channels) == 1:
            maps = maps[:, None]
        if maps.ndim != 4 or not len(maps) or maps.shape[1] != len(self.meta.input_channels):
            channels = ", ".join(self.meta.input_channels)
            shapes = f"(B, H, W) or (B, {len(self.meta.input_channels)}, H, W) ({channels})"
            raise ValueError(f"maps: shape {shapes} with B >= 1, got {maps.shape}")
        for one in maps.reshape(-1, *maps.shape[-2:]):
            self.check(one)
        return maps

    def _check_params(self, params: Maps | None, n_maps: int) -> Maps:
        """(B, p) finite float32; the defaults for None."""
        if params is None:
            return np.tile(self.params_from({}), (n_maps, 1))
        params = np.ascontiguousarray(params, dtype=np.float32)
        expected = (n_maps, len(self.meta.param_names))
        if params.shape != expected:
            raise ValueError(f"params: shape {expected} ({', '.join(self.meta.param_names)}), got {params.shape}")
        if not np.isfinite(params).all():
            raise ValueError(f"params: finite numbers, got {np.count_nonzero(~np.isfinite(params))} that are not")
        return params


def check_seeds(seed: Seeds, n_maps: int) -> Tensor:
    """Seeds (B,); ValueError unless there is one for all maps or one a map, from 0 below 2^40."""
    seeds = np.asarray(seed)
    if seeds.shape not in ((), (n_maps,)) or not np.issubdtype(seeds.dtype, np.integer):
        raise ValueError(f"seed: an integer or {n_maps} of them, got {seeds.dtype} of shape {seeds.shape}")
    if seeds.min() < 0 or seeds.max() >= MAX_SEED:
        raise ValueError(f"seed: from 0 below {MAX_SEED}, got {seeds.min()} to {seeds.max()}")
    return torch.from_numpy(np.broadcast_to(seeds, n_maps).astype(np.int64))
