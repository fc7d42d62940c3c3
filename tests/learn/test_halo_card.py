"""A model of halos that leaves home: its card, the way back, an evaluation that is its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from untrained import write_checkpoint

from configs import CountShards, EvaluateCounts, Train
from learn import release
from learn.counts import evaluation
from learn.halo_painter import HaloPainter


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("counts", "counts, negative_binomial"),
        ("wgan", "wgan"),
        ({"kind": "counts", "likelihood": "occupation"}, "counts, occupation"),
    ],
)
def test_a_release_comes_home_as_the_model_that_left(
    count_train: Callable[..., Train], tmp_path: Path, method: str | dict[str, str], name: str
) -> None:
    checkpoint = write_checkpoint(tmp_path / "model", count_train(method))
    out = release.export(checkpoint, tmp_path / "release", note="Toy boxes.")
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "SHA256SUMS",
        "meta.json",
        "weights.safetensors",
    ]
    card = (out / "README.md").read_text()
    for words in ("Toy boxes.", "2 cells to each side: 8 Mpc/h", "omega_m", "No held-out evaluation"):
        assert words in card
    assert "| input | density over its mean, float32 (D, H, W)" in card
    assert "| output | halos_12_13, halos_13_15: halos a cell, int32 (2, D, H, W);" in card
    assert f"| method | {name}, " in card
    home = HaloPainter.load(release.import_(out, tmp_path / "home"))
    density = np.ones((5, 5, 5), np.float32)
    assert (home(density, seed=3) == HaloPainter.load(checkpoint)(density, seed=3)).all()


def test_the_card_shows_an_evaluation_of_its_own_model_and_no_other(
    count_train: Callable[..., Train], toy_counts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "write", lambda *_: None)
    checkpoint = write_checkpoint(tmp_path / "model", count_train())
    data = CountShards(kind="counts", folder=toy_counts)
    asked = EvaluateCounts(kind="counts", checkpoint=checkpoint, data=data, out=tmp_path / "out", n_bins=4, n_draws=1)
    judged = evaluation.evaluate(asked)
    (tmp_path / "metrics.json").write_text(json.dumps(judged))
    out = release.export(checkpoint, tmp_path / "release", evaluation=tmp_path / "metrics.json")
    card = (out / "README.md").read_text()
    for words in ("| all halos | local bias |", "goals reached", "nobody beats the painter"):
        assert words in card
    (tmp_path / "metrics.json").write_text(json.dumps(judged | {"subject": judged["subject"] | {"step": 8}}))
    with pytest.raises(ValueError, match="evaluation: expected that of the checkpoint"):
        release.export(checkpoint, tmp_path / "release", evaluation=tmp_path / "metrics.json")
