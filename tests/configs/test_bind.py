from __future__ import annotations

from pathlib import Path

import pytest

from configs import Bind, ConfigError, Cutouts, EvaluateHalos, SnapshotBox, Trained, load

LINES = """
source: {kind: file, path: snap.hdf5}
sampler: {kind: checkpoint, folder: final}
out: bound
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "bind.yaml"
    path.write_text(LINES)
    return path


def test_a_box_and_a_sampler_are_told_by_kind(path: Path) -> None:
    config = load(Bind, path, ["sampler.sampling={kind: heun, n_steps: 9}"])
    assert isinstance(config.source, SnapshotBox)
    assert isinstance(config.sampler, Trained)
    assert config.sampler.sampling is not None
    assert (config.sampler.sampling.kind, config.sampler.sampling.n_steps) == ("heun", 9)
    assert (config.axes, config.conserve, config.align) == ((0, 1, 2), "box", True)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("outer=2.0", r"above inner=2\.0, got 2\.0"),
        ("axes=[1, 1]", "axes: each once"),
        ("conserve=all", "conserve: expected 'none', 'halo' or 'box', got 'all'"),
        ("sampler={kind: oracle}", "sampler.kind: expected one of 'checkpoint', 'mean_profile', got 'oracle'"),
        ("source={kind: file}", "source.path: expected a value, found none"),
        ("n_realizations=0", "n_realizations: expected greater than or equal to 1, got 0"),
    ],
)
def test_what_is_wrong_is_said(path: Path, override: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(Bind, path, [override])


def test_the_boxes_that_are_judged_are_those_of_the_shipped_set(repository: Path) -> None:
    judged = load(EvaluateHalos, repository / "configs/evaluate/halos.yaml")
    made = load(Cutouts, repository / "configs/pairs/halos.yaml")
    demo = load(Bind, repository / "configs/bind/demo.yaml")
    assert judged.boxes is not None
    assert judged.boxes.source == made.source
    assert judged.data.folder == made.out
    own = judged.boxes.of("box_0014", demo.sampler, demo.out).model_copy(update={"npy": True})
    assert own.source == demo.source
    for name in ("min_mass", "inner", "outer"):
        assert getattr(own, name) == getattr(demo, name)
    assert own.min_mass == made.min_mass
