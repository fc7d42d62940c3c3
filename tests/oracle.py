"""A painter that knows the truth of a small folder of pair shards, and what the tests of the judge ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from configs import Evaluate, PairShards
from learn import subjects
from sim import shards
from sim.shards import PARAM_NAMES

BOX_SIZE = 16.0
N = 32
SPLIT = {"train": ("box_0000", "box_0001", "box_0002"), "validation": ("box_0003",), "test": ("box_0004", "box_0005")}


def shard(name: str) -> shards.Shard:
    """Two maps whose gas is smooth and whose stars sit in the peaks."""
    rng = np.random.default_rng(int(name[-4:]))
    wave = np.hypot(np.fft.fftfreq(N, 1 / N)[:, None], np.arange(N // 2 + 1)[None])
    modes = np.fft.rfft2(rng.normal(size=(2, N, N))) / np.maximum(wave, 1)
    dmo = 1e12 * np.exp(4 * np.fft.irfft2(modes, s=(N, N)))
    gas = 1.6e11 * np.exp(4 * np.fft.irfft2(modes * np.exp(-(wave**2) / 100), s=(N, N)))
    stars = 0.01 * np.maximum(dmo - 2e12, 0)
    targets = np.stack([0.84 * dmo + gas + stars, gas, stars], axis=1)
    values = {"omega_m": 0.3, "omega_b": 0.048}
    params = np.tile(np.array([values.get(key, 1.0) for key in PARAM_NAMES], np.float32), (2, 1))
    maps = (dmo[:, None].astype(np.float32), targets.astype(np.float32), params)
    return shards.Shard(name, *maps, np.arange(2), np.zeros(2, int), BOX_SIZE, 0.0, {"n_slabs": 1})


def write_pairs(folder: Path) -> Path:
    """Three simulations to train on, one to validate, two to test; two maps of each."""
    entries = []
    for name in sorted(sum(SPLIT.values(), ())):
        path = folder / f"{name}.hdf5"
        shards.write_shard(path, shard(name))
        entries.append(shards.ShardEntry(simulation=name, file=path.name, sha256=shards.file_hash(path), n_maps=2))
    manifest = shards.Manifest(
        format=shards.FORMAT,
        config={},
        commit="abc",
        input_channels=shards.INPUT_CHANNELS,
        target_channels=shards.TARGET_CHANNELS,
        unit=shards.UNIT,
        pixel_size=BOX_SIZE / N,
        box_size=BOX_SIZE,
        depth=BOX_SIZE,
        param_names=PARAM_NAMES,
        shards=tuple(entries),
        split=SPLIT,
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder


@dataclass
class Oracle:
    """A painter that knows the truth of every input it may be asked about, times `factor`; draws differ by `spread`."""

    factor: float = 1.0
    spread: float = 0.0
    changes: Sequence[tuple[str, Any]] = ()

    @property
    def is_stochastic(self) -> bool:
        return self.spread > 0

    @property
    def meta(self) -> Any:
        kind = {"param_names": PARAM_NAMES, "pixel_size": BOX_SIZE / N, "depth": BOX_SIZE}
        kind |= {"step": 7, "commit": "abc", "weights_sha256": "d1"}
        channels = {"input_channels": shards.INPUT_CHANNELS, "target_channels": shards.TARGET_CHANNELS}
        return SimpleNamespace(**(kind | channels | dict(self.changes)))

    def draws(self, maps: NDArray, params: NDArray, n: int, *, pixel_size: float, seed: int) -> NDArray:
        assert pixel_size == BOX_SIZE / N
        assert params.shape == (len(maps), len(PARAM_NAMES))
        known = {one.tobytes(): truth for name in SPLIT["test"] for one, truth in paired(shard(name))}
        truth = np.stack([self.factor * known[one.tobytes()] for one in maps])
        noise = np.random.default_rng(seed).normal(0, 1, size=(n, *truth.shape[:2], 1, 1))
        return (truth * np.exp(self.spread * noise)).astype(np.float32)


def paired(held: shards.Shard) -> list[tuple[NDArray, NDArray]]:
    return list(zip(held.inputs, held.targets, strict=True))


def use(monkeypatch: pytest.MonkeyPatch, painter: Oracle) -> None:
    monkeypatch.setattr(subjects, "Predictor", SimpleNamespace(load=lambda _: painter))


def config(pairs: Path, out: Path, **changes: Any) -> Evaluate:
    subject = {} if "predictions" in changes else {"checkpoint": out / "checkpoint"}
    return Evaluate(data=PairShards(folder=pairs), out=out, n_bins=8, **(subject | changes))


def row(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in result["rows"] if row["name"] == name)
