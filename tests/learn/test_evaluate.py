"""The judge: a painter that knows the truth, the baselines beside it, a folder of predictions, and what is refused."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from oracle import SPLIT, Oracle, config, row, shard, use

from configs import Evaluate, PairShards
from learn import baselines, curves, evaluate
from learn.data import About, Batch
from learn.scores.score import SCORES
from learn.sources import open_source
from sim import shards

BASELINES = ("identity", "blank", "amplitude filter", "pixel lookup")
CHANNELS = ("total", "gas", "stars")
PICTURES = (
    *("power", "correlation", "suppression", "pdf", "peaks", "minkowski", "bispectrum", "scattering"),
    *("apertures", "maps"),
)
FILES = ("evaluation.html", "metrics.json", "curves.npz", *(f"{name}.png" for name in PICTURES))


@pytest.fixture(scope="module")
def judged(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("judged") / "evaluation"
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(monkeypatch, Oracle())
        monkeypatch.setattr(evaluate.portfolio, "DPI", 40)
        return evaluate.evaluate(config(pairs, out)), out


def test_the_truth_itself_is_perfect_in_every_score_and_every_baseline_is_beside_it(
    judged: tuple[dict[str, Any], Path],
) -> None:
    result, _ = judged
    for channel in CHANNELS:
        perfect = row(result, f"painter {channel}")
        for score in SCORES:
            assert score.name in perfect
            if perfect[score.name] is not None and score.ideal is not None and score.name != "mass_conservation":
                assert perfect[score.name]["value"] == pytest.approx(score.ideal, abs=1e-5), score.name
        for method in BASELINES:
            other = row(result, f"{method} {channel}")
            assert other["correlation"]["value"] < 1
            assert other["scattering"]["value"] > 0
    assert row(result, "identity total")["suppression_error"]["value"] > 0.01
    assert row(result, "identity gas")["suppression_error"] is None
    assert row(result, "identity total")["mass_conservation"]["value"] < 1e-6
    known = {name for name, value in row(result, "painter total").items() if isinstance(value, dict)}
    assert {
        "pdf",
        "minkowski",
        "bispectrum",
        "scattering",
        "aperture_bias_1",
        "ssim",
        "psnr",
        "power_worst_k5",
    } <= known


def test_a_painter_of_one_answer_has_no_coverage_and_no_mean(judged: tuple[dict[str, Any], Path]) -> None:
    result, _ = judged
    assert {one["method"] for one in result["rows"]} == {"painter", *BASELINES}
    assert row(result, "painter gas")["coverage_68_pixels"] is None


def test_everything_is_on_disk_and_says_where_it_is_from(judged: tuple[dict[str, Any], Path], pairs: Path) -> None:
    result, out = judged
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    kept = json.loads((out / "metrics.json").read_text())
    assert kept == result
    assert kept["subject"] == {
        "kind": "checkpoint",
        "where": str(out / "checkpoint"),
        "step": 7,
        "commit": "abc",
        "weights_sha256": "d1",
        "n_draws": 1,
    }
    assert kept["data"]["data_sha256"] == shards.file_hash(pairs / "manifest.json")
    assert kept["simulations"] == list(SPLIT["test"])
    assert Evaluate.model_validate_json(json.dumps(kept["config"])).n_bins == 8


def test_curves_are_kept_and_read(judged: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    drawn = curves.load(judged[1] / "curves.npz")
    np.testing.assert_allclose(drawn.ratio[0, 0], 1, rtol=1e-10)
    np.testing.assert_array_equal(drawn.suppression[:, 0], drawn.true_suppression)
    assert drawn.ratio.shape == (3, 5, 3, len(drawn.k))
    for name in curves.SHAPES:
        shape = drawn.shapes[name]
        np.testing.assert_array_equal(shape.painted[:, 0], shape.truth)
        assert shape.painted.shape[-1] == len(shape.axis)
        assert np.all((shape.error[:, 0] == 0) | np.isnan(shape.error[:, 0]))
    np.savez(tmp_path / "curves.npz", k=drawn.k)
    with pytest.raises(ValueError, match=r"curves\.npz: expected the array"):
        curves.load(tmp_path / "curves.npz")


def test_the_page_is_one_file_with_every_score_and_picture(judged: tuple[dict[str, Any], Path]) -> None:
    result, out = judged
    page = (out / "evaluation.html").read_text()
    embedded = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert {base64.b64decode(one) for one in embedded} == {path.read_bytes() for path in out.glob("*.png")}
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    for score in SCORES:
        if any(one[score.name] is not None for one in result["rows"]):
            assert score.heading.replace("<", "&lt;") in page
    assert "Weak scores" in page
    assert result["data"]["data_sha256"] in page
    assert page.count('class="best"') > 20


def test_the_same_maps_give_the_same_scores(
    judged: tuple[dict[str, Any], Path], pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Oracle())
    assert evaluate.judge(config(pairs, tmp_path)).metrics["rows"] == judged[0]["rows"]


def test_a_line_is_printed_for_each_simulation(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, Oracle())
    evaluate.judge(config(pairs, tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert [re.match(r"evaluate: (\d)/2 simulations  (\w+)  .* s left", line).groups() for line in lines] == [  # type: ignore[union-attr]
        ("1", "box_0004"),
        ("2", "box_0005"),
    ]


def test_the_baselines_see_the_training_split_alone(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Oracle())
    seen: list[NDArray] = []

    def fitted(simulations: Iterator[Batch], names: Sequence[str], channels: Sequence[str]) -> list[baselines.Baseline]:
        held = list(simulations)
        seen.extend(one.inputs.numpy() for one in held)
        return baselines.fit(held, names, channels)

    monkeypatch.setattr(evaluate, "baselines", SimpleNamespace(fit=fitted))
    evaluate.judge(config(pairs, tmp_path))
    assert len(seen) == len(SPLIT["train"])
    for maps, name in zip(seen, SPLIT["train"], strict=True):
        np.testing.assert_array_equal(maps, shard(name).inputs)


def test_the_baselines_may_be_those_of_other_maps_of_the_same_kind(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_pairs: Path
) -> None:
    """A lookup that has learned from gas twice as dense answers with twice the gas."""
    use(monkeypatch, Oracle())
    denser = tmp_path / "denser"
    shutil.copytree(pairs, denser)
    for name in SPLIT["train"]:
        with h5py.File(denser / f"{name}.hdf5", "r+") as file:
            file["targets"][:, 1] = 2 * file["targets"][:, 1]
    source = open_source(PairShards(folder=pairs), "test")
    batch = source.read([0])
    own, other = (
        {one.name: one for one in evaluate.fitted(config(pairs, tmp_path, **kind), source.about)}["pixel lookup"]
        for kind in ({}, {"baselines": PairShards(folder=denser)})
    )
    answers = [found(batch.inputs[:, 0].numpy(), batch.params.numpy())[:, 1] for found in (own, other)]
    np.testing.assert_allclose(answers[1], 2 * answers[0], rtol=1e-3)
    with pytest.raises(ValueError, match=r"^baselines: expected maps of (depth|pixel_size|param_names)"):
        evaluate.judge(config(pairs, tmp_path, baselines=PairShards(folder=toy_pairs)))


def test_predictions_of_one_answer_make_the_same_round(
    pairs: Path, tmp_path: Path, judged: tuple[dict[str, Any], Path]
) -> None:
    for name in SPLIT["test"]:
        np.save(tmp_path / f"{name}.npy", shard(name).targets)
    found = evaluate.judge(config(pairs, tmp_path / "out", predictions=tmp_path)).metrics
    assert found["rows"] == judged[0]["rows"]


def test_a_picture_of_an_earlier_evaluation_does_not_stay(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "coverage.png").write_bytes(b"of draws")
    use(monkeypatch, Oracle())
    monkeypatch.setattr(evaluate.portfolio, "pictures", lambda *_, **__: {"pdf": b"new"})
    evaluate.write(evaluate.judge(config(pairs, tmp_path)), tmp_path)
    assert [path.name for path in tmp_path.glob("*.png")] == ["pdf.png"]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_pixel_that_is_not_finite_is_refused_with_its_map(broken: float, pairs: Path, tmp_path: Path) -> None:
    for name in SPLIT["test"]:
        maps = shard(name).targets.copy()
        maps[1, 2, 5, 5] = broken
        np.save(tmp_path / f"{name}.npy", maps)
    with pytest.raises(ValueError, match="painted map 1 of box_0004: expected finite pixels"):
        evaluate.judge(config(pairs, tmp_path / "out", predictions=tmp_path))


def test_an_empty_split_is_named(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Oracle())
    manifest = json.loads((pairs / "manifest.json").read_text())
    manifest["split"]["test"] = []
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"manifest\.json: maps in the test split, found none"):
        evaluate.evaluate(config(tmp_path, tmp_path / "out"))


@pytest.mark.parametrize(
    ("key", "value"),
    [("pixel_size", 0.25), ("depth", 8.0), ("param_names", ("omega_m",)), ("input_channels", ("dmo", "wide"))],
)
def test_a_painter_of_other_maps_is_refused(
    key: str, value: Any, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Oracle(changes=[(key, value)]))
    with pytest.raises(ValueError, match=f"expected {key}"):
        evaluate.evaluate(config(pairs, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_maps_that_do_not_wrap_are_judged_under_a_window(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judged: tuple[dict[str, Any], Path]
) -> None:
    def opened(data: Any, split: Any) -> Any:
        source = open_source(data, split)
        source.about = source.about.model_copy(update={"periodic": False})
        return source

    monkeypatch.setattr(evaluate, "open_source", opened)
    use(monkeypatch, Oracle())
    found = evaluate.judge(config(pairs, tmp_path)).metrics
    assert row(found, "painter total")["power_worst_k5"]["value"] == pytest.approx(0, abs=1e-9)
    for name in ("correlation", "minkowski", "scattering", "bispectrum"):
        assert row(found, "identity gas")[name]["value"] != row(judged[0], "identity gas")[name]["value"]


def test_total_comes_first() -> None:
    about = About(
        input_channels=("dmo",),
        target_channels=("gas", "total"),
        unit="u",
        pixel_size=0.5,
        box_size=16.0,
        depth=16.0,
        periodic=True,
        param_names=(),
        data_sha256="a",
    )
    with pytest.raises(ValueError, match="total as the first of the channels, got gas, total"):
        evaluate.refuse_without_total(about)
