from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from configs import HaloCutouts, Train
from learn.halos import HaloSampler
from learn.sources.halos import HaloSource
from learn.specimen import specimen
from learn.train import fit


def test_a_model_of_halos_trains_shows_a_specimen_and_draws(halo_train: Train, tmp_path: Path) -> None:
    config = halo_train.model_copy(update={"out": tmp_path / "run"})
    last = list(fit(config))[-1]
    assert np.isfinite(last.metrics["val/loss"])
    sampler = HaloSampler.load(config.out / "final")
    assert sampler.meta.target_channels == ("dark_matter", "gas", "stars")
    assert sampler.meta.normalizer.targets.gap == (0.0, 0.0, 1.0)
    batch = HaloSource(config.data, "test").read([0])  # type: ignore[arg-type]
    maps, params = batch.inputs[0].numpy() * np.float32((6.25 / 16) ** 2), batch.params[0].double().numpy()
    draws = sampler.sample(maps[0], maps[1:], params[:-1], 10 ** params[-1], 3, 2)
    assert draws.shape == (2, 3, 16, 16)
    assert draws.min() >= 0
    assert len(specimen(config, config.out / "final").axes) > 3


def test_a_painter_refuses_components(halo_train: Train, data: HaloCutouts, tmp_path: Path) -> None:
    content = halo_train.model_dump() | {"method": "regression", "out": tmp_path}
    with pytest.raises(ValueError, match=r"target_channels: \('total', 'gas', 'stars'\), got \('dark_matter'"):
        next(fit(Train.model_validate(content)))
