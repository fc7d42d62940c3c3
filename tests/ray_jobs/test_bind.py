"""Binding on a cluster: the draws and maps of one process, whoever makes them; what failed is named."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed")

import ray
from camels_like import write_suite
from untrained import write_checkpoint

from configs import (
    Bind,
    Camels,
    CamelsBox,
    Cutouts,
    Diffusion,
    EvaluateHalos,
    HaloCutouts,
    PastedBoxes,
    Sampling,
    Train,
    Trained,
    UNet,
)
from learn.__main__ import bind as serial
from learn.checkpoint import load_meta
from learn.halos import bind as binding
from learn.halos.bind import Work
from learn.halos.evaluation import evaluate as judged_serially
from ray_jobs.bind import bind
from ray_jobs.evaluate import evaluate_halos
from sim import halosets

# Workers cannot import test modules by name: other packages install a `tests` too.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("ray_local")]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Bind:
    suite = write_suite(tmp_path_factory.mktemp("suite"), n_sims=3)
    roots = {"dmo": suite.dmo, "hydro": suite.hydro, "catalogs": suite.catalogs, "parameters": suite.parameters}
    out = tmp_path_factory.mktemp("halos")
    shape: dict[str, Any] = {"n_pixels": 16, "split": (0.34, 0.33, 0.33), "orientation": "axes"}
    list(halosets.produce(Cutouts(product="cutouts", source=Camels(kind="camels", **roots), out=out, **shape)))
    train = Train(
        data=HaloCutouts(kind="halos", folder=out, targets="components"),
        out=out,
        method=Diffusion(empty=("stars",), sampler=Sampling(n_steps=2)),
        net=UNet(width=4, n_levels=2, n_embedding=8, padding="reflect"),
        n_steps=4,
        batch_size=4,
    )
    folder = write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "final", train)
    return Bind(
        source=CamelsBox(kind="camels", simulation="SB35_0", **roots),
        sampler=Trained(kind="checkpoint", folder=folder),
        out=tmp_path_factory.mktemp("serial"),
        n_realizations=2,
        batch=1,
        n_bins=8,
        axes=(0, 2),
    )


def pasted(out: Path) -> dict[str, Any]:
    found = {}
    for path in sorted(out.glob("axis_*.hdf5")):
        with h5py.File(path) as file:
            found[path.name] = file["pasted"][:]
    return found


def test_workers_make_what_one_process_makes_and_make_it_once(
    asked: Bind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serial(asked)
    wide = asked.model_copy(update={"out": tmp_path / "wide"})
    bind(wide)
    printed = capsys.readouterr().out
    assert "8/8 batches" in printed
    assert "stamps/s" in printed
    alone = pasted(asked.out)
    assert len(alone) == 2
    for name, maps in pasted(wide.out).items():
        np.testing.assert_array_equal(maps, alone[name])
    times = {path: path.stat().st_mtime_ns for path in (wide.out / "halos").iterdir()}
    bind(wide)
    assert "8 of 8 batches are there already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (wide.out / "halos").iterdir()} == times


class DiesOnce:
    """Samples, but for the first attempt at the second batch of each view, in which its worker is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.make = folder, binding.make

    def __call__(self, work: Work, sampler: Any) -> int:
        mark = self.folder / work.path.stem
        if work.path.stem.endswith(".0001") and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.make(work, sampler)


def test_a_killed_worker_changes_nothing(asked: Bind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = asked.model_copy(update={"out": tmp_path / "bound", "axes": (0,)})
    serial(config)
    again = config.model_copy(update={"out": tmp_path / "again"})
    (tmp_path / "killed").mkdir()
    monkeypatch.setattr(binding, "make", DiesOnce(tmp_path / "killed"))
    bind(again)
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["axis_0_slab_0.0001"]
    np.testing.assert_array_equal(pasted(again.out)["axis_0_slab_0.hdf5"], pasted(config.out)["axis_0_slab_0.hdf5"])


def test_boxes_judged_by_tasks_have_the_scores_of_one_process(
    asked: Bind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isinstance(asked.sampler, Trained)
    assert isinstance(asked.source, CamelsBox)
    source = Camels(**{name: getattr(asked.source, name) for name in Camels.model_fields})
    meta_data = load_meta(asked.sampler.folder).config.data
    assert isinstance(meta_data, HaloCutouts)
    config = EvaluateHalos(
        kind="halos",
        checkpoint=asked.sampler.folder,
        data=meta_data,
        out=tmp_path / "serial",
        boxes=PastedBoxes(source=source, n_bins=8),
        n_draws=4,
        max_samples=1,
        n_masses=1,
    )
    alone = judged_serially(config)
    evaluate_halos(config.model_copy(update={"out": tmp_path / "wide"}))
    printed = capsys.readouterr().out
    assert "evaluate: 1/1 boxes" in printed
    found = json.loads((tmp_path / "wide" / "metrics.json").read_text())
    assert found["box_rows"] == alone["box_rows"]
    assert found["rows"] == alone["rows"]


def test_a_sampler_that_is_gone_is_named(asked: Bind, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "final"
    folder.mkdir()
    assert isinstance(asked.sampler, Trained)
    (folder / "meta.json").write_bytes((asked.sampler.folder / "meta.json").read_bytes())
    broken = asked.model_copy(
        update={"out": tmp_path / "bound", "n_retries": 0, "sampler": Trained(kind="checkpoint", folder=folder)}
    )
    with pytest.raises(SystemExit) as stopped:
        bind(broken)
    assert stopped.value.code == 1
    assert "weights.safetensors" in capsys.readouterr().err
