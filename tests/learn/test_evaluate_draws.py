"""The judge of painters that draw: one draw, the mean, the coverage; predictions that are kept; trained checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oracle import N, Oracle, config, row, use

from configs import Evaluate, PairShards, Train
from learn import evaluate, subjects
from learn.sources import open_source
from learn.train import fit


@pytest.fixture(scope="module")
def drawn(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The judgement of a painter that draws, with its predictions kept."""
    out = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(monkeypatch, Oracle(spread=0.1))
        monkeypatch.setattr(evaluate.portfolio, "DPI", 40)
        kept = config(pairs, out / "evaluation", save_predictions=out / "kept", n_draws=6)
        return evaluate.evaluate(kept), out


def test_a_painter_that_draws_is_judged_by_one_draw_by_the_mean_and_by_its_coverage(
    drawn: tuple[dict[str, Any], Path],
) -> None:
    result, out = drawn
    assert [one["method"] for one in result["rows"][:3]] == ["painter", "painter mean", "identity"]
    one, mean = (row(result, f"{method} gas") for method in ("painter", "painter mean"))
    assert mean["mass_error"]["value"] < one["mass_error"]["value"]
    for quantity in ("pixels", "apertures", "power"):
        narrow, wide = (one[f"coverage_{share}_{quantity}"]["value"] for share in (68, 95))
        assert 0 <= narrow <= wide <= 1
    assert mean["coverage_68_pixels"] is None
    assert (out / "evaluation" / "coverage.png").is_file()
    assert "Calibration of the draws" in (out / "evaluation" / "evaluation.html").read_text()


def test_kept_predictions_are_judged_alike(drawn: tuple[dict[str, Any], Path], pairs: Path, tmp_path: Path) -> None:
    result, out = drawn
    kept = np.load(out / "kept" / "box_0004.npy", allow_pickle=False)
    assert kept.shape == (6, 2, 3, N, N)
    again = evaluate.judge(config(pairs, tmp_path, predictions=out / "kept")).metrics
    assert again["rows"] == result["rows"]
    assert again["subject"]["kind"] == "predictions"
    assert again["subject"]["n_draws"] == 6


@pytest.mark.parametrize("method", ["regression", {"kind": "stochastic", "n_noise": 2, "pools": (1, 4)}])
def test_a_trained_checkpoint_is_judged(method: Any, toy_train: Train, tmp_path: Path) -> None:
    run = Train.model_validate(toy_train.model_dump() | {"method": method, "n_steps": 2})
    for _ in fit(run):
        pass
    judging = Evaluate(
        checkpoint=run.out / "final",
        data=run.data,
        out=tmp_path / "out",
        n_bins=5,
        n_draws=4,
        save_predictions=tmp_path,
    )
    judgement = evaluate.judge(judging)
    methods = {one["method"] for one in judgement.metrics["rows"]}
    assert ("painter mean" in methods) == (method != "regression")
    conserved = row(judgement.metrics, "painter total")["mass_conservation"]["value"]
    assert conserved < 1e-5
    kept = evaluate.judge(
        judging.model_copy(update={"checkpoint": None, "predictions": tmp_path, "save_predictions": None})
    )
    assert kept.metrics["rows"] == judgement.metrics["rows"]


def test_no_memory_is_kept_of_a_simulation(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only curves and numbers stay, of which none is as large as a map."""
    use(monkeypatch, Oracle(spread=0.1))
    source = open_source(PairShards(folder=pairs), "test")
    judging = config(pairs, tmp_path, n_draws=4)
    fitted = evaluate.fitted(judging, source.about)
    books = evaluate.measured(judging, source, subjects.open_subject(judging, source), fitted)
    for ledger in books.ledgers.values():
        arrays = [value for entry in ledger.entries for value in (*entry.measured.values(), *entry.scores.values())]
        assert max(array.size for array in (*arrays, *ledger.places)) < N * N
        assert all(array.base is None or array.base.size < 3 * N * N for array in arrays)
    assert isinstance(books.sample, evaluate.Sample)
    assert not isinstance(books.sample.truth, torch.Tensor)
