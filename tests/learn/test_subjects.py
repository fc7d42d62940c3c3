from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from configs import PairShards
from learn import subjects
from learn.data import Batch, Source
from learn.sources import open_source


class Recorder:
    """A painter that draws, and remembers what it was asked."""

    is_stochastic = True

    def __init__(self, about: Any) -> None:
        self.meta = SimpleNamespace(**about.model_dump(), step=3, commit="abc", weights_sha256="d1")
        self.asked: list[tuple[NDArray, NDArray, int, float, int]] = []

    def draws(self, maps: NDArray, params: NDArray, n: int, *, pixel_size: float, seed: int) -> NDArray:
        self.asked.append((maps, params, n, pixel_size, seed))
        return np.zeros((n, len(maps), 3, *maps.shape[2:]), np.float32)


@pytest.fixture
def source(toy_pairs: Path) -> Source:
    return open_source(PairShards(folder=toy_pairs), "train")


@pytest.fixture
def recorder(source: Source, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder(source.about)
    monkeypatch.setattr(subjects, "Predictor", SimpleNamespace(load=lambda _: recorder))
    return recorder


def batch(source: Source) -> Batch:
    """The second simulation, whose seeds are not 0, 1, 2."""
    return source.read(list(source.simulations.values())[1])


def test_each_map_is_painted_alone_with_its_own_seed(source: Source, recorder: Recorder) -> None:
    subject, maps = subjects.Checkpoint(Path("a"), source.about, n_draws=5), batch(source)
    assert subject.n_draws == 5
    for i in range(len(maps)):
        assert subject.draws("box_0001", maps, i).shape == (5, 3, 16, 16)
    seeds = [asked[-1] for asked in recorder.asked]
    assert seeds == maps.seeds.tolist() == [3, 4, 5]
    given = torch.from_numpy(np.concatenate([asked[0] for asked in recorder.asked]))
    assert torch.equal(given, maps.inputs)
    assert {asked[2:4] for asked in recorder.asked} == {(5, source.about.pixel_size)}


def test_a_painter_of_one_answer_is_asked_once(source: Source, recorder: Recorder) -> None:
    recorder.is_stochastic = False
    subject = subjects.Checkpoint(Path("a"), source.about, n_draws=5)
    assert subject.n_draws == 1
    assert subject.draws("box_0001", batch(source), 0).shape == (1, 3, 16, 16)


def test_a_folder_has_the_maps_of_the_split(source: Source, tmp_path: Path) -> None:
    for name, indices in source.simulations.items():
        np.save(tmp_path / f"{name}.npy", source.read(indices).targets.numpy())
    subject, maps = subjects.Folder(tmp_path, source), batch(source)
    name = list(source.simulations)[1]
    np.testing.assert_array_equal(subject.draws(name, maps, 2)[0], maps.targets[2].numpy())
    assert subject.record() == {"kind": "predictions", "where": str(tmp_path), "step": None, "commit": None}
