"""A generator leaves home: its card, its release and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs import Train
from learn import checkpoint
from learn.fields.scores import GOALS, SCORES
from learn.generator_card import generator_card
from learn.release import export, import_
from learn.sampler import Sampler
from learn.train import fit


@pytest.fixture
def generator(toy_generator: Train) -> Path:
    list(fit(toy_generator))
    return toy_generator.out / "final"


def evaluation(folder: Path, **changes: Any) -> dict[str, Any]:
    """What metrics.json of a judgement holds, with made-up scores."""
    meta = checkpoint.load_meta(folder)
    own = {"step": meta.step, "commit": meta.commit, "weights_sha256": meta.weights_sha256, "n_evaluations": 25}
    rows = [{"method": name, **{s.name: {"value": 0.0123, "standard_error": 0.001} for s in SCORES}} for name in "ab"]
    told = {"subject": own, "rows": rows, "n_fields": 153, "simulations": ["x"] * 51, "split": "test"}
    return {**told, "config": {"kind": "fields"}, "goals": [goal.outcome(rows[0]) for goal in GOALS], **changes}


def test_a_released_generator_draws_what_it_drew(generator: Path, tmp_path: Path) -> None:
    released = export(generator, tmp_path / "released", note="Boxes of toys.")
    assert sorted(path.name for path in released.iterdir()) == [
        "README.md",
        "SHA256SUMS",
        "meta.json",
        "weights.safetensors",
    ]
    home = import_(released, tmp_path / "home")
    np.testing.assert_array_equal(Sampler.load(home)([3, 4]), Sampler.load(generator)([3, 4]))
    text = (released / "README.md").read_text()
    for words in ("velocity diffusion", "| omega_m |", "Boxes of toys.", "float32 (n, 1, 16, 16)", "dpmpp_2m, 3 steps"):
        assert words in text
    assert "$" not in text


def test_the_card_shows_the_scores_of_its_own_judgement_alone(generator: Path) -> None:
    meta = checkpoint.load_meta(generator)
    text = generator_card(meta, n_weights=7, evaluation=evaluation(generator))
    assert "On 153 fields of 51 test simulations, with 25 network evaluations" in text
    assert "MAFD of P(k) at most 2 %: 1.23 ± 0.10 %, reached" in text
    other = evaluation(generator)
    other["subject"]["step"] += 1
    with pytest.raises(ValueError, match="evaluation: expected that of the checkpoint"):
        generator_card(meta, n_weights=7, evaluation=other)
    with pytest.raises(ValueError, match="evaluation: expected one of fields, got painter"):
        generator_card(meta, n_weights=7, evaluation=evaluation(generator, config={"kind": "painter"}))
