"""Halos counted, painted and judged on a cluster: the bytes of a serial run; what fails is named and stops no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")

from own_boxes import simulation
from toy_counts import write_toy_counts
from untrained import write_checkpoint

from configs import Counts, CountShards, EvaluateCounts, FoundHalos, Inception, PaintHalos, Train
from learn.counts import paint
from learn.counts.evaluation import evaluate as judge_counts
from ray_jobs.evaluate import evaluate
from ray_jobs.halos import paint_halos
from ray_jobs.produce import produce
from ray_jobs.tasks import FAILED
from sim import count_sets

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("ray_local")]


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boxes")
    for i in range(3):
        simulation(folder / f"box_{i:04d}", seed=i)
    return folder


@pytest.fixture(scope="module")
def toy_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_counts(tmp_path_factory.mktemp("toy_counts"))


@pytest.fixture
def checkpoint(toy_set: Path, tmp_path: Path) -> Path:
    train = Train(
        data=CountShards(kind="counts", folder=toy_set, patch=6, margin=2),
        out=tmp_path / "run",
        method="counts",
        net=Inception(kind="inception", width=4, n_blocks=1, n_embedding=8),
        n_steps=1,
        batch_size=1,
    )
    return write_checkpoint(tmp_path / "model", train)


def config(boxes: Path, out: Path) -> Counts:
    source = FoundHalos(kind="own", simulations=boxes)
    edges = (12.5, 13.5, 15.0)
    return Counts(
        product="counts", source=source, out=out, cell_size=2.5, log10_mass_edges=edges, split=(0.4, 0.3, 0.3)
    )


def content(folder: Path, pattern: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob(pattern))}


def test_tasks_count_what_one_process_counts_and_count_it_once(boxes: Path, tmp_path: Path) -> None:
    spread, serial = config(boxes, tmp_path / "tasks"), config(boxes, tmp_path / "serial")
    produce(spread)
    list(count_sets.produce(serial))
    assert content(spread.out, "box*") == content(serial.out, "box*")
    assert count_sets.verify(spread.out) == count_sets.verify(serial.out)
    assert json.loads((spread.out / "step.json").read_text())["item"] == "cell"
    before = {path: path.stat().st_mtime_ns for path in spread.out.glob("box*")}
    produce(spread)
    assert {path: path.stat().st_mtime_ns for path in spread.out.glob("box*")} == before


def test_a_box_that_cannot_be_counted_is_named_and_the_others_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(3):
        simulation(tmp_path / f"boxes/box_{i:04d}", seed=i)
    (tmp_path / "boxes/box_0001/snap_001.hdf5").unlink()
    asked = config(tmp_path / "boxes", tmp_path / "out").model_copy(update={"n_retries": 0})
    with pytest.raises(SystemExit) as stopped:
        produce(asked)
    assert stopped.value.code == FAILED
    assert "box_0001 failed" in capsys.readouterr().err
    assert sorted(path.name for path in asked.out.glob("*.hdf5")) == ["box_0000.hdf5", "box_0002.hdf5"]
    assert not (asked.out / "manifest.json").exists()


def test_tasks_paint_the_draws_of_one_process(checkpoint: Path, toy_set: Path, tmp_path: Path) -> None:
    density = tmp_path / "density.npy"
    paint.keep(density, count_sets.read_shard(toy_set / "box_0002.hdf5").grids.density)
    asked = PaintHalos(checkpoint=checkpoint, source=density, out=tmp_path / "tasks", n_draws=3)
    paint_halos(asked)
    alone = asked.model_copy(update={"out": tmp_path / "serial"})
    list(paint.paint(alone))
    assert content(asked.out, "*.npy") == content(alone.out, "*.npy")
    assert len(content(asked.out, "halos_*.npy")) == 3


def test_a_task_judges_as_one_process_does(checkpoint: Path, toy_set: Path, tmp_path: Path) -> None:
    data = CountShards(kind="counts", folder=toy_set)
    asked = EvaluateCounts(kind="counts", checkpoint=checkpoint, data=data, out=tmp_path / "out", n_bins=4, n_draws=2)
    seen = []
    evaluate(asked, judge=judge_counts, show=seen.append)
    kept = json.loads((tmp_path / "out/metrics.json").read_text())
    assert kept["rows"] == seen[0]["rows"]
    assert kept["rows"] == judge_counts(asked.model_copy(update={"out": tmp_path / "serial"}))["rows"]
