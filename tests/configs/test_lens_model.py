from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from lens_models import component, model, parameter, sie, tree

from configs import ConfigError
from configs.lens_file import MAX_BYTES, lens_files, read_lens_model
from configs.lens_model import RANGES
from configs.loader import validate
from configs.mass_analysis import MassAnalysis

BAD: list[tuple[dict[str, Any], str]] = [
    (tree(z_lens=1.5), "z_lens below z_source=1.5, got 1.5"),
    (tree(sie(q=0.0)), "components.0: expected q of a sie between 0.05 and 1, got 0"),
    (tree(sie(q=1.2)), "q of a sie between 0.05 and 1, got 1.2"),
    (tree(component("sis", theta_e=1.0, x=0.0)), "expected theta_e, x, y of a sis, got theta_e, x"),
    (tree(component("pemd", theta_e=1.0)), "components.0.kind: expected 'sie', 'epl', 'shear', 'nfw' or 'sis'"),
    (tree(component("shear", gamma=0.1, phi=3.0)), "a component with mass, got shear alone"),
    (tree(*[sie()] * 65), "at most 64 items"),
    (tree(name="../evil"), "name: expected"),
    (tree(n_pixels=5000), "n_pixels: expected less than or equal to 1024"),
    (tree(theta=3), "theta: expected one of format, name,"),
    (tree(format=2), "format: expected 1, got 2"),
]


def written(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content) if path.suffix == ".json" else yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".yml"])
def test_a_model_is_read_alone_or_beside_other_keys(tmp_path: Path, suffix: str) -> None:
    alone = read_lens_model(written(tmp_path / f"alone{suffix}", tree()))
    beside = read_lens_model(written(tmp_path / f"beside{suffix}", {"lens_model": tree(), "chi2": 1.1}))
    assert alone == beside == model()
    assert alone.components[0].parameters["q"].value == 0.7


@pytest.mark.parametrize(("content", "told"), BAD)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, content: dict[str, Any], told: str) -> None:
    path = written(tmp_path / "bad.json", content)
    with pytest.raises(ConfigError) as refused:
        read_lens_model(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert told in str(refused.value)


def test_samples_are_rows_of_one_posterior(tmp_path: Path) -> None:
    lens = sie()
    lens["parameters"]["theta_e"] = parameter(1.2, samples=[1.1, 1.2, 1.3])
    lens["parameters"]["q"] = parameter(0.7, samples=[0.7, 0.6])
    with pytest.raises(ConfigError, match="as many samples of every parameter, got 2 and 3"):
        read_lens_model(written(tmp_path / "a.json", tree(lens)))
    lens["parameters"]["q"] = parameter(0.7, samples=[0.7, 0.6, 1.1])
    with pytest.raises(ConfigError, match=r"q of a sie between 0.05 and 1, got 1.1"):
        read_lens_model(written(tmp_path / "b.json", tree(lens)))


def test_files_that_are_no_models_are_refused_before_they_are_read(tmp_path: Path) -> None:
    huge, bomb = tmp_path / "huge.yaml", tmp_path / "bomb.yaml"
    with huge.open("wb") as stream:
        stream.truncate(MAX_BYTES[".yaml"] + 1)
    bomb.write_text("a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]\n")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "nan.json").write_text(json.dumps(tree(sie(theta_e=float("nan")))))
    (tmp_path / "text.txt").write_text("{}")
    for name, told in {
        "huge.yaml": "expected at most 1048576 bytes, got 1048577",
        "bomb.yaml": "YAML without references",
        "deep.json": "expected JSON, got",
        "nan.json": "finite number",
        "text.txt": "expected one of .json, .yaml, .yml, got .txt",
    }.items():
        with pytest.raises(ConfigError, match=told):
            read_lens_model(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_lens_model(tmp_path / "nowhere.json")
    assert [path.name for path in lens_files(tmp_path)] == ["bomb.yaml", "deep.json", "huge.yaml", "nan.json"]


def test_the_published_model_of_the_page_is_a_model(repository: Path) -> None:
    found = read_lens_model(repository / "configs/mass/j0946.yaml")
    assert (found.z_lens, found.z_source) == (0.222, 0.609)
    assert found.components[0].kind in RANGES


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Planck13", "expected one of Planck15, Planck18, WMAP9 or FlatLambdaCDM"),
        ("FlatLambdaCDM(70)", "expected one of Planck15"),
        ("FlatLambdaCDM(70, 1.3)", "Om0 between 0 and 1"),
        ("FlatLambdaCDM(7.0.0, .3)", "expected one of Planck15"),
    ],
)
def test_an_unknown_cosmology_is_refused(name: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        validate(MassAnalysis, {"source": "a", "out": "b", "cosmology": name}, "here")
