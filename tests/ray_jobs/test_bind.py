"""Binding on a cluster: the draws and maps of one process, whoever makes them; what failed is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed")

from camels_like import write_suite
from untrained import write_checkpoint

from configs import Bind, Camels, CamelsBox, Cutouts, Diffusion, HaloCutouts, Sampling, Train, Trained, UNet
from learn.__main__ import bind as serial
from ray_jobs.bind import bind
from sim import halosets

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
