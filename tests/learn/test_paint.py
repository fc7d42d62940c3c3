"""`python -m learn paint`: what a person has in, painted maps and their picture out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_boxes import BOX, simulation

from benchmarks.service.untrained import untrained
from configs import Stochastic, UNet
from learn.__main__ import main
from learn.predict import Predictor

NET = UNet(width=4, n_levels=2)


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("one") / "final", NET)


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("many") / "final", NET, Stochastic(n_noise=2))


@pytest.fixture
def map_path(tmp_path: Path) -> Path:
    path = tmp_path / "map.npy"
    np.save(path, 1e12 * np.random.default_rng(0).random((16, 24), dtype=np.float32))
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> int:
    monkeypatch.setattr(sys, "argv", ["learn", "paint", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_a_map_is_painted_as_the_predictor_paints_it(
    painter: Path, map_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(monkeypatch, painter, map_path, "omega_m=0.35", "--out", out, "--draws", 3) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert sorted(path.name for path in out.iterdir()) == ["input.npy", "paint.json", "painted.npy", "painted.png"]
    predictor = Predictor.load(painter)
    expected = predictor(np.load(map_path)[None], predictor.params_from({"omega_m": 0.35})[None])
    np.testing.assert_array_equal(np.load(out / "painted.npy"), expected)  # of one answer there is one
    np.testing.assert_array_equal(np.load(out / "input.npy"), np.load(map_path))
    about = json.loads((out / "paint.json").read_text())
    assert about["params"]["omega_m"] == pytest.approx(0.35)
    assert about["channels"] == ["total", "gas", "stars"]
    assert about["mean"]["gas"] == pytest.approx(expected[0, 1].mean(dtype=float), rel=1e-5)


def test_draws_have_seeds(drawing: Path, map_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, drawing, map_path, "--out", tmp_path / "a", "--draws", 3, "--seed", 5) == 0
    assert run(monkeypatch, drawing, map_path, "--out", tmp_path / "b", "--seed", 5) == 0
    assert run(monkeypatch, drawing, map_path, "--out", tmp_path / "c", "--seed", 6) == 0
    a, b, c = (np.load(tmp_path / name / "painted.npy") for name in "abc")
    assert a.shape == (3, 3, 16, 24)
    np.testing.assert_array_equal(a[:1], b)
    assert not np.allclose(b, c, rtol=1e-3)


def test_a_box_brings_its_cosmology(painter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A box as wide as a painter of 0.25 Mpc/h pixels and of 32 Mpc/h lines of sight wants it."""
    box = BOX.model_copy(update={"box_size": 32.0})
    simulation(tmp_path / "box_0000", seed=3, box=box)
    assert run(monkeypatch, painter, tmp_path / "box_0000", "--out", tmp_path / "out", "log10_m_c=13.9") == 0
    about = json.loads((tmp_path / "out" / "paint.json").read_text())
    assert about["params"]["omega_m"] == pytest.approx(box.cosmology.omega_m)
    assert about["params"]["log10_m_c"] == pytest.approx(13.9)
    assert about["source"] == "box_0000"
    assert np.load(tmp_path / "out" / "input.npy").shape == (128, 128)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.npy"], "nowhere.npy: expected a map, found none"),
        (["nowhere"], "nowhere: expected a snapshot, or the folder of a box"),
        (["map.npy", "omega_m"], "omega_m: expected name=number"),
        (["map.npy", "omega_x=1"], "omega_x"),
        (["cube.npy"], "expected a map (H, W) of numbers, got float64 (2, 2, 2)"),
        (["objects.npy"], "objects.npy: expected a whole .npy file of numbers"),
        (["short.npy"], "short.npy: expected a whole .npy file of numbers"),
    ],
)
def test_what_the_user_got_wrong_is_one_line_and_exit_code_2(
    painter: Path,
    map_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    folder = map_path.parent
    np.save(folder / "cube.npy", np.ones((2, 2, 2)))
    np.save(folder / "objects.npy", np.array([[{}]]), allow_pickle=True)
    (folder / "short.npy").write_bytes(map_path.read_bytes()[:-100])
    assert run(monkeypatch, painter, folder / arguments[0], *arguments[1:], "--out", folder / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (folder / "out").exists()
