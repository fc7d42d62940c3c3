from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from configs import Evaluate
from learn import baselines, curves, evaluate
from sim import shards
from sim.shards import PARAM_NAMES

BOX_SIZE = 16.0
N = 32
SPLIT = {"train": ("box_0000", "box_0001", "box_0002"), "validation": ("box_0003",), "test": ("box_0004", "box_0005")}
FILES = ("metrics.json", "curves.npz", "power.png", "correlation.png", "suppression.png", "maps.png")


def shard(name: str) -> shards.Shard:
    """Two maps whose gas is smooth and whose stars sit in the peaks."""
    rng = np.random.default_rng(int(name[-4:]))
    wave = np.hypot(np.fft.fftfreq(N, 1 / N)[:, None], np.arange(N // 2 + 1)[None])
    modes = np.fft.rfft2(rng.normal(size=(2, N, N))) / np.maximum(wave, 1)
    dmo = 1e12 * np.exp(4 * np.fft.irfft2(modes, s=(N, N)))
    gas = 1.6e11 * np.exp(4 * np.fft.irfft2(modes * np.exp(-(wave**2) / 100), s=(N, N)))
    stars = 0.01 * np.maximum(dmo - 2e12, 0)
    targets = np.stack([0.84 * dmo + gas + stars, gas, stars], axis=1)
    values = {"omega_m": 0.3, "omega_b": 0.048}
    params = np.tile(np.array([values.get(key, 1.0) for key in PARAM_NAMES], np.float32), (2, 1))
    maps = (dmo[:, None].astype(np.float32), targets.astype(np.float32), params)
    return shards.Shard(name, *maps, np.arange(2), np.zeros(2, int), BOX_SIZE, 0.0, {"n_slabs": 1})


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    entries = []
    for name in sorted(sum(SPLIT.values(), ())):
        path = folder / f"{name}.hdf5"
        shards.write_shard(path, shard(name))
        entries.append(shards.ShardEntry(simulation=name, file=path.name, sha256=shards.file_hash(path), n_maps=2))
    manifest = shards.Manifest(
        format=shards.FORMAT,
        config={},
        commit="abc",
        input_channels=shards.INPUT_CHANNELS,
        target_channels=shards.TARGET_CHANNELS,
        unit=shards.UNIT,
        pixel_size=BOX_SIZE / N,
        box_size=BOX_SIZE,
        depth=BOX_SIZE,
        param_names=PARAM_NAMES,
        shards=tuple(entries),
        split=SPLIT,
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder


class Oracle:
    """A painter that knows the truth of every input it may be asked about, times `factor`."""

    def __init__(self, factor: float = 1.0, **meta: Any) -> None:
        kind = {"param_names": PARAM_NAMES, "pixel_size": BOX_SIZE / N, "depth": BOX_SIZE, "step": 7, "commit": "abc"}
        self.meta = SimpleNamespace(**(kind | meta))
        self.factor = factor

    def __call__(self, maps: NDArray, params: NDArray, pixel_size: float) -> NDArray:
        assert pixel_size == BOX_SIZE / N
        assert params.shape == (len(maps), len(PARAM_NAMES))
        known = {one.tobytes(): truth for name in SPLIT["test"] for one, truth in paired(shard(name))}
        return np.stack([self.factor * known[one.tobytes()] for one in maps])


def paired(held: shards.Shard) -> list[tuple[NDArray, NDArray]]:
    return list(zip(held.inputs[:, 0], held.targets, strict=True))


def use(monkeypatch: pytest.MonkeyPatch, painter: Oracle) -> None:
    monkeypatch.setattr(evaluate, "Predictor", SimpleNamespace(load=lambda _: painter))


@pytest.fixture(scope="module")
def judged(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("judged") / "evaluation"
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(monkeypatch, Oracle())
        return evaluate.evaluate(Evaluate(checkpoint=out, data=pairs, out=out, n_bins=8)), out


def row(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in result["rows"] if row["name"] == name)


def test_the_truth_itself_is_perfect_and_every_baseline_is_beside_it(judged: tuple[dict[str, Any], Path]) -> None:
    result, _ = judged
    for channel in ("total", "gas", "stars"):
        perfect = row(result, f"painter {channel}")
        assert perfect["correlation"]["value"] == pytest.approx(1)
        assert perfect["mass_error"]["value"] == pytest.approx(0, abs=1e-6)
        for score in ("power_error_k1", "power_error_k5", "power_error_half_nyquist"):
            assert perfect[score]["value"] == pytest.approx(0, abs=1e-10)
        for method in ("identity", "blank", "amplitude filter", "pixel lookup"):
            assert row(result, f"{method} {channel}")["correlation"]["value"] < 1
    assert row(result, "identity total")["suppression_error"]["value"] > 0.01
    assert row(result, "identity gas")["suppression_error"] is None


def test_everything_is_on_disk_and_says_where_it_is_from(judged: tuple[dict[str, Any], Path]) -> None:
    result, out = judged
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    kept = json.loads((out / "metrics.json").read_text())
    assert kept == result
    assert kept["checkpoint"] == {"step": 7, "commit": "abc"}
    assert kept["simulations"] == list(SPLIT["test"])
    assert Evaluate.model_validate_json(json.dumps(kept["config"])).n_bins == 8
    drawn = curves.load(out / "curves.npz")
    np.testing.assert_allclose(drawn.ratio[0, 0], 1, rtol=1e-10)
    np.testing.assert_array_equal(drawn.suppression[:, 0], drawn.true_suppression)
    assert drawn.ratio.shape == (3, 5, 3, len(drawn.k))


def test_the_same_maps_give_the_same_scores(
    judged: tuple[dict[str, Any], Path], pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Oracle())
    again = evaluate.judge(Evaluate(checkpoint=tmp_path, data=pairs, out=tmp_path, n_bins=8))
    assert again.metrics["rows"] == judged[0]["rows"]


def test_the_last_line_is_json_and_the_table_names_every_method(judged: tuple[dict[str, Any], Path]) -> None:
    output = io.StringIO()
    evaluate.show(judged[0], output)
    lines = output.getvalue().rstrip().splitlines()
    line = json.loads(lines[-1])
    assert line["benchmark"] == "evaluate"
    assert line["rows"] == judged[0]["rows"]
    for method in ("painter", "identity", "blank", "amplitude filter", "pixel lookup"):
        assert any(text.split("  ")[0].strip() == method for text in lines[:-1])
    assert not any("…" in text for text in lines)


def test_the_baselines_see_the_training_split_alone(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Oracle())
    seen: list[str] = []

    def fit(simulations: Iterator[shards.Shard], names: Sequence[str]) -> list[baselines.Baseline]:
        held = list(simulations)
        seen.extend(one.simulation for one in held)
        return baselines.fit(held, names)

    monkeypatch.setattr(evaluate, "baselines", SimpleNamespace(fit=fit))
    evaluate.judge(Evaluate(checkpoint=tmp_path, data=pairs, out=tmp_path, n_bins=8))
    assert tuple(seen) == SPLIT["train"]


def test_the_best_has_the_smallest_error_and_the_largest_correlation() -> None:
    def scored(method: str, value: float | None) -> dict[str, Any]:
        cell = None if value is None else {"value": value, "standard_error": 0.0}
        return {"method": method, "correlation": cell, "mass_error": cell}

    rows = [scored("a", 0.5), scored("b", 0.9), scored("c", 0.5 - 1e-9), scored("d", None)]
    assert evaluate.best(rows, "correlation") is rows[1]
    assert evaluate.best(rows, "mass_error") is rows[0]
    assert evaluate.best(rows[3:], "mass_error") is None


def test_it_says_so_where_a_baseline_wins(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Oracle(factor=1.5))
    result = evaluate.judge(Evaluate(checkpoint=tmp_path, data=pairs, out=tmp_path, n_bins=8)).metrics
    total = evaluate.verdicts(result["rows"])[0]
    won, *lost = total.split(";")
    assert "no baseline beats the painter in" in won
    assert any(sentence.rstrip(".").endswith(f"is best in {evaluate.LABELS['mass_error']}") for sentence in lost)


def test_an_empty_split_is_named(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Oracle())
    manifest = json.loads((pairs / "manifest.json").read_text())
    manifest["split"]["test"] = []
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"manifest\.json: expected simulations in the test split"):
        evaluate.evaluate(Evaluate(checkpoint=tmp_path, data=tmp_path, out=tmp_path / "out"))


@pytest.mark.parametrize(("key", "value"), [("pixel_size", 0.25), ("depth", 8.0), ("param_names", ("omega_m",))])
def test_a_painter_of_other_maps_is_refused(
    key: str, value: Any, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Oracle(**{key: value}))
    with pytest.raises(ValueError, match=f"expected {key}"):
        evaluate.evaluate(Evaluate(checkpoint=tmp_path, data=pairs, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
