"""A trained model as a function of physical maps. Everything that uses a model goes through here.

Knows nothing of training, of simulations or of HTTP. Importing it changes no thread count and no global state.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from learn import checkpoint
from learn.checkpoint import Meta
from learn.methods import METHODS, Method

PIXEL_TOLERANCE = 0.01
"""Largest relative difference between the pixel size of a map and that of the training maps."""

Maps = NDArray[np.float32]


class Predictor:
    """Dark-matter maps in, painted maps out, both in Msun/h/(Mpc/h)^2. Map i of the answer depends on map i alone."""

    def __init__(self, meta: Meta, method: Method, net: nn.Module, device: torch.device) -> None:
        self.meta = meta
        self._method, self._net, self._device = method, net.to(device).eval(), device

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu") -> Self:
        """From a checkpoint folder. FileNotFoundError, or ValueError for a checkpoint this code must not read."""
        meta = checkpoint.load_meta(Path(folder))
        if meta.method not in METHODS:
            raise ValueError(f"{folder}: expected a method among {', '.join(METHODS)}, got {meta.method}")
        method = METHODS[meta.method](meta.config, meta.normalizer, meta.param_names)
        net = method.build()
        net.load_state_dict(checkpoint.load_weights(Path(folder), meta))
        return cls(meta, method, net, torch.device(device))

    @property
    def stride(self) -> int:
        """What must divide both sides of a map."""
        return self.meta.config.net.stride

    @property
    def min_side(self) -> int:
        """Fewest pixels along a side: the coarsest level needs two to pad."""
        return 2 * self.stride

    def __call__(self, maps: Maps, params: Maps | None = None, pixel_size: float | None = None) -> Maps:
        """Maps (B, H, W) or (B, 1, H, W) and parameters (B, p), or None for the defaults -> (B, 3, H, W) float32.

        `pixel_size` [Mpc/h], where given, must be that of the training maps within 1 %. ValueError says what is wrong.
        """
        maps = np.ascontiguousarray(maps, dtype=np.float32)
        if maps.ndim == 4 and maps.shape[1] == 1:
            maps = maps[:, 0]
        if maps.ndim != 3 or not len(maps):
            raise ValueError(f"maps: shape (B, H, W) or (B, 1, H, W) with B >= 1, got {maps.shape}")
        for one in maps:
            self.check(one)
        self.check_pixel_size(pixel_size)
        return self._paint(maps, self._check_params(params, len(maps)))

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

    def _paint(self, maps: Maps, params: Maps) -> Maps:
        # One map at a time: on a CPU one map fills the cores, and company cannot change the last bit of an answer.
        n = 1 if self._device.type == "cpu" else len(maps)
        shares = [slice(start, start + n) for start in range(0, len(maps), n)]
        with torch.inference_mode():
            return np.concatenate([self._paint_together(maps[share], params[share]) for share in shares])

    def _paint_together(self, maps: Maps, params: Maps) -> Maps:
        inputs = torch.tensor(maps, device=self._device)[:, None]  # (B, 1, H, W)
        return self._method.predict(self._net, inputs, torch.tensor(params, device=self._device)).cpu().numpy()

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
