from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from untrained import write_checkpoint

from configs import Regression, Stochastic, Train
from learn.card import card
from learn.checkpoint import Meta, load_meta


@pytest.fixture
def meta(toy_train: Train, tmp_path: Path) -> Meta:
    return load_meta(write_checkpoint(tmp_path / "final", toy_train))


def evaluation(**changes: Any) -> dict[str, Any]:
    scores = {"correlation": {"value": 0.98765, "standard_error": 0.0123, "n": 2}, "suppression_error": None}
    rows = [
        {"name": f"{method} {channel}", "channel": channel, "method": method, **scores}
        for channel in ("total", "gas", "stars")
        for method in ("painter", "identity")
    ]
    told = {"rows": rows, "split": "test", "simulations": ["a", "b"], "checkpoint": {"step": 7, "commit": "abc"}}
    return told | changes


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
    text = card(meta, n_weights=1, evaluation=evaluation())
    assert "On 2 test simulations" in text
    assert "| total | painter | identity |" in text
    assert "| correlation | 0.9877 ± 0.01 | 0.9877 ± 0.01 |" in text
    assert len(re.findall(r"^\| (total|gas|stars) \|", text, re.M)) == 3


@pytest.mark.parametrize("subject", [{"step": 8, "commit": "abc"}, {"step": 7, "commit": "x"}, None])
def test_the_scores_of_another_model_are_refused(meta: Meta, subject: Any) -> None:
    with pytest.raises(ValueError, match="expected that of the checkpoint of"):
        card(meta, n_weights=1, evaluation=evaluation(subject=subject))
