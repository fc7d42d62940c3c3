from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from untrained import write_checkpoint

from configs import Regression, Stochastic, Train
from learn.card import card
from learn.checkpoint import Meta, load_meta
from learn.scores.score import PRINTED, SCORES


@pytest.fixture
def meta(toy_train: Train, tmp_path: Path) -> Meta:
    return load_meta(write_checkpoint(tmp_path / "final", toy_train))


def evaluation(**changes: Any) -> dict[str, Any]:
    value = {"value": 0.0321, "standard_error": 0.0123, "n": 2}
    rows = [
        {"name": f"{method} {channel}", "channel": channel, "method": method, **{score.name: value for score in SCORES}}
        for channel in ("total", "gas", "stars")
        for method in ("painter", "amplitude filter")
    ]
    subject = {"kind": "checkpoint", "step": 7, "commit": "abc", "weights_sha256": "d1"}
    return {"rows": rows, "split": "test", "simulations": ["a", "b"], "subject": subject} | changes


def test_a_card_says_what_goes_in_what_comes_out_and_what_it_was_trained_on(meta: Meta) -> None:
    text = card(meta, n_weights=12345)
    assert "$" not in text
    for words in (
        "license: mit",
        "dmo: surface density [Msun/h / (Mpc/h)^2], float32 (B, 1, H, W)",
        "multiples of 2, at least 4",
        "total, gas, stars: surface density",
        "12,345 weights, moving average of step 7",
        "Maps 8 Mpc/h wide and 8 Mpc/h deep, 16 x 16 pixels of 0.5 Mpc/h",
        meta.data_sha256,
        "| loss | 0.25 |",
        "No held-out evaluation",
        "Redshifts from 1 to 1",
        "has the mass of the input",
        "hydrodynamic dark matter",
    ):
        assert words in text
    scale, i = meta.normalizer.params, meta.param_names.index("log10_m_c")
    assert f"| log10_m_c | {meta.param_defaults[i]:.6g} | {scale.low[i]:.6g} | {scale.high[i]:.6g} |" in text


def test_a_card_knows_methods_and_edges(meta: Meta) -> None:
    method = meta.config.model_copy(update={"method": Stochastic(n_noise=5)})
    text = card(meta.model_copy(update={"config": method, "periodic": False}), n_weights=1)
    for words in ("As many answers as seeds", "(B, 5, H / c, W / c) for c in 1, 2.", "not periodic", "params, *noise"):
        assert words in text
    config = meta.config.model_copy(update={"method": Regression(conserve_mass=False)})
    names = tuple("z" if name == "redshift" else name for name in meta.param_names)
    text = card(meta.model_copy(update={"config": config, "param_names": names}), n_weights=1)
    assert "Mass is not conserved" in text
    assert "Redshift is no parameter" in text


def test_held_out_scores_stand_beside_the_baselines(meta: Meta) -> None:
    meta = meta.model_copy(update={"commit": "abc", "weights_sha256": "d1"})
    text = card(meta, n_weights=1, evaluation=evaluation())
    assert "On 2 test simulations" in text
    heading = next(line for line in text.splitlines() if line.startswith("| gas |"))
    assert len(re.findall(r"(?<!\\)\|", heading)) == len(PRINTED) + 2  # those within a heading are escaped
    assert "| amplitude filter | 3.21 ± 1.23 % |" in text
    assert "- total: in intervals of 68 / 95 %: pixels 3 / 3" in text
    assert re.search(r"^- goals: \d of 15 reached, not:$", text, re.M)
    assert "- total: P(k) within 2 % to k = 5 h/Mpc: found 3.21 ± 1.23 %" in text


def test_a_card_says_what_the_maps_are_and_how_the_program_is_called_if_there_is_one(meta: Meta) -> None:
    text = card(meta, n_weights=1, has_program=False, note="A model of gas, not gas.")
    assert "A model of gas, not gas." in text
    assert "torch.export" not in text
    assert "noise" not in text
    assert "What made these maps is not said" in card(meta, n_weights=1)


@pytest.mark.parametrize(
    "changes", [{"step": 8}, {"commit": "x"}, {"weights_sha256": "d2"}, {"weights_sha256": None}, None]
)
def test_the_scores_of_another_model_are_refused(meta: Meta, changes: Any) -> None:
    meta = meta.model_copy(update={"commit": "abc", "weights_sha256": "d1"})
    subject = None if changes is None else evaluation()["subject"] | changes
    with pytest.raises(ValueError, match="expected that of the checkpoint of"):
        card(meta, n_weights=1, evaluation=evaluation(subject=subject))
