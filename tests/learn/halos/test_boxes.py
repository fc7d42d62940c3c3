"""Boxes with the halos of a model pasted in: what is put in comes out, the bound is that of `bind`, draws are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from configs import Bind, Camels, EvaluateHalos, HaloCutouts, PastedBoxes, Sampling
from learn.halos import bind, boxes, evaluation
from learn.halos.boxes import METHODS, NO_BARYONS, TRUE_HALOS, JudgedBox
from learn.halos.measures import CHANNELS
from learn.halos.scores import BASELINE, MODEL

K = np.array([1.0, 4.0, 7.0, 20.0])


def box(name: str, factors: list[float]) -> JudgedBox:
    """P / P(truth) of every channel and realisation is `factors` (K,); masses are .5 of the true ones."""
    full = np.broadcast_to(factors, (2, 4, 4))
    ratio = {method: full[:1, :1] if method == NO_BARYONS else full for method in METHODS}
    return JudgedBox(name, K, ratio, {method: np.full(one.shape[1], 0.5) for method, one in ratio.items()})


def row(found: list[dict[str, Any]], method: str, channel: str) -> dict[str, Any]:
    (one,) = [row for row in found if (row["method"], row["channel"]) == (method, channel)]
    return one


def test_errors_are_means_over_bins_and_boxes() -> None:
    found = boxes.rows([box("a", [1.1, 0.9, 1.4, 9.0]), box("b", [1.3, 1.1, 1.2, 9.0])])
    assert len(found) == 3 * len(CHANNELS) + 1
    one = row(found, MODEL, "gas")
    assert one["error_k5"]["value"] == pytest.approx(0.15)  # .1 and .2
    assert one["error_k5"]["standard_error"] == pytest.approx(0.05)
    assert one["bias_k5"]["value"] == pytest.approx(0.1)  # 0 and .2
    assert one["error_k10"]["value"] == pytest.approx(0.2)  # .2 and .2
    assert one["mass"] == {"value": 0.5, "standard_error": 0.0}
    assert row(boxes.rows([box("a", [1, 1, 1, 1])]), MODEL, "gas")["error_k5"]["standard_error"] is None


NOISY = Sampling(n_steps=2, noise_range=(1.0, 40.0))
"""Ends with noise enough for an untrained model to draw stars."""


@pytest.fixture
def asked(
    halo_checkpoint: Path, data: HaloCutouts, roots: dict[str, Any], tmp_path: Path
) -> Callable[..., EvaluateHalos]:
    def config(**changes: Any) -> EvaluateHalos:
        own = {"source": Camels(kind="camels", **roots), "n_bins": 8, "n_realizations": 2, "n_boxes": 1}
        return EvaluateHalos(
            kind="halos",
            checkpoint=halo_checkpoint,
            data=data,
            out=tmp_path / "judged",
            boxes=PastedBoxes(**(own | changes)),
            sampler=NOISY,
            split="train",
            n_draws=4,
            max_samples=1,
            n_masses=2,
        )

    return config


@pytest.mark.slow
def test_an_evaluation_has_boxes_beside_their_upper_bound(
    asked: Callable[..., EvaluateHalos], capsys: pytest.CaptureFixture[str]
) -> None:
    config = asked()
    found = evaluation.evaluate(config)
    evaluation.show(found)
    printed = capsys.readouterr().out
    (name,) = found["boxes"]
    assert found["boxes"] == list(boxes.names(config))
    assert f"P(k) of 1 boxes to k = 5, {TRUE_HALOS}, gas" in printed
    for method, folder in ((MODEL, "model"), (BASELINE, "mean_profile")):
        summary = json.loads((config.out / "boxes" / name / folder / "summary.json").read_text())
        for channel in CHANNELS:
            error = row(found["box_rows"], method, channel)["error_k5"]["value"]
            assert error == pytest.approx(summary["power_error"]["pasted"][channel]["k<5"], rel=1e-9)
            bound = row(found["box_rows"], TRUE_HALOS, channel)["error_k5"]["value"]
            assert bound == pytest.approx(summary["power_error"]["bound"][channel]["k<5"], rel=1e-9)
    assert row(found["box_rows"], TRUE_HALOS, "total")["mass"]["value"] == pytest.approx(1, rel=0.02)
    assert "Whole boxes" in (config.out / "halos.html").read_text()
    assert (config.out / "boxes.png").stat().st_size > 10_000


@pytest.mark.slow
def test_a_model_that_knows_the_truth_is_the_upper_bound(
    asked: Callable[..., EvaluateHalos], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = asked(n_realizations=1)
    (name,) = boxes.names(config)
    for method, job in boxes.jobs(name, config):
        if method == MODEL:
            truth = {view.name: true_stamps(job, view) for view in job.views}

    def make(work: bind.Work, _sampler: Any) -> int:
        start = 4 * int(work.path.stem[-4:])
        monkeypatch.setitem(KEPT, work.path, truth["axis_0_slab_0"][start : start + len(work.mass)])
        return len(work.mass)

    monkeypatch.setattr(bind, "make", make)
    monkeypatch.setattr("learn.halos.pasted.stamps", kept)
    judged = boxes.judge(name, config)
    for key in (MODEL, BASELINE):
        np.testing.assert_allclose(judged.ratio[key], judged.ratio[TRUE_HALOS], rtol=1e-9)
        np.testing.assert_allclose(judged.mass[key], judged.mass[TRUE_HALOS], rtol=1e-9)


KEPT: dict[Path, Any] = {}


def kept(pieces: list[bind.Work], _i: int, _side: int) -> Any:
    return np.concatenate([KEPT[work.path] for work in pieces])


def true_stamps(job: bind.Job, view: Any) -> Any:
    narrow, aim = job.frame.windows(job.host.box_size, n_scales=1), job.aim(view, job.rows(view))
    cut = [view.cut(job.host.hydro[name], aim, narrow)[:, 0] for name in CHANNELS[1:]]
    return np.stack(cut, axis=1)


def test_boxes_of_other_baryons_are_refused(asked: Callable[..., EvaluateHalos], roots: dict[str, Any]) -> None:
    other = Camels(kind="camels", **roots, keep_wind=True)
    with pytest.raises(ValueError, match=r"boxes\.source\.keep_wind: expected False, as the set .* got True"):
        boxes.names(asked(source=other))
    with pytest.raises(ValidationError, match=r"outer: above inner=5"):
        asked(inner=5.0)
    config = asked().model_copy(update={"boxes": None})
    assert boxes.names(config) == ()


def test_a_box_is_bound_as_it_is_told(asked: Callable[..., EvaluateHalos]) -> None:
    told = boxes.bound_by(MODEL, "SB35_1", asked(outer=6.0, min_mass=2e13))
    assert isinstance(told, Bind)
    assert (told.source.simulation, told.outer, told.min_mass) == ("SB35_1", 6.0, 2e13)  # type: ignore[union-attr]
    assert told.sampler.kind == "checkpoint"
    assert told.sampler.sampling == NOISY
