"""A model of halo baryons leaves home: its card, its release and the way back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from configs import EvaluateHalos, HaloCutouts
from learn import checkpoint, release
from learn.halos import evaluation
from learn.halos.card import baryon_card
from learn.halos.trained import HaloSampler


def test_a_release_comes_home_and_says_how_good_its_own_model_is(
    halo_checkpoint: Path, data: HaloCutouts, tmp_path: Path
) -> None:
    limits = {"n_draws": 4, "max_samples": 2, "split": "train"}
    asked = EvaluateHalos(kind="halos", checkpoint=halo_checkpoint, data=data, out=tmp_path / "judged", **limits)
    judged = evaluation.evaluate(asked)
    metrics = tmp_path / "metrics.json"
    metrics.write_text(json.dumps(judged))
    out = release.export(halo_checkpoint, tmp_path / "release", evaluation=metrics, note="Toy halos.")
    assert {path.name for path in out.iterdir()} == {"README.md", "SHA256SUMS", "meta.json", "weights.safetensors"}
    card = (out / "README.md").read_text()
    meta = checkpoint.load_meta(halo_checkpoint)
    windows = f"On {judged['n_samples']} windows of {len(judged['simulations'])} train simulations"
    for words in ("Toy halos.", "| log10_halo_mass |", windows, "mean stellar mass within 10 %", "| mean profile |"):
        assert words in card
    assert f"(n, 3, {meta.n_pixels}, {meta.n_pixels})" in card
    assert "$" not in card
    home = HaloSampler.load(release.import_(out, tmp_path / "home"))
    for name, weights in HaloSampler.load(halo_checkpoint)._nets.items():
        for ours, theirs in zip(home._nets[name].parameters(), weights.parameters(), strict=True):
            np.testing.assert_array_equal(ours.detach(), theirs.detach())
    judged["subject"]["weights_sha256"] = "0"
    with pytest.raises(ValueError, match="evaluation: expected that of the checkpoint"):
        baryon_card(meta, n_weights=7, evaluation=judged)
