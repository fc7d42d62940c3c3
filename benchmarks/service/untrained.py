"""A checkpoint of a painter that has seen nothing: the size and the speed of a real one, for benchmarks and tests."""

from __future__ import annotations

from pathlib import Path

import torch

from configs import Regression, Stochastic, Train, UNet
from learn import checkpoint
from learn.checkpoint import Meta
from learn.methods import METHODS
from learn.normalize import LinearScale, LogScale, Normalizer

PARAMS = {"omega_m": 0.3, "omega_b": 0.05, "sigma8": 0.8, "log10_m_c": 13.3}


def untrained(folder: Path, net: UNet, method: Regression | Stochastic | None = None, *, seed: int = 0) -> Path:
    """Write a checkpoint of `net` with random weights, none of them zero, to `folder`; the folder."""
    method = method or Regression()
    config = Train(method=method, data=folder / "pairs", out=folder.parent, net=net, n_steps=1, batch_size=1)
    values = tuple(PARAMS.values())
    normalizer = Normalizer(
        inputs=LogScale(x0=(2e12,), mean=(0.3,), std=(0.2,)),
        targets=LogScale(x0=(2e12, 3e11, 5e9), mean=(0.3,) * 3, std=(0.2,) * 3),
        params=LinearScale(mean=values, std=(0.05, 0.01, 0.05, 0.3), low=values, high=values),
    )
    meta = Meta(
        format=checkpoint.FORMAT,
        config=config,
        normalizer=normalizer,
        input_channels=("dmo",),
        target_channels=("total", "gas", "stars"),
        unit="Msun/h / (Mpc/h)^2",
        pixel_size=0.25,
        box_size=32.0,
        depth=32.0,
        param_names=tuple(PARAMS),
        param_defaults=values,
        periodic=True,
        data_sha256="0" * 64,
        commit="untrained",
        step=0,
        metrics={},
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        nets = METHODS[method.kind](config, normalizer, meta).build()
        for parameter in nets["painter"].parameters():
            parameter.data += 0.02 * torch.randn(parameter.shape)
    return checkpoint.save(folder, meta, raw={}, ema=nets, resume={})
