"""A painter learns from every kind of data set, and what a user got wrong is one line and exit code 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from camels_like import PARAMETERS
from commands import exit_code
from multifield_like import stem, write_set

from configs import HaloCutouts, MapData, Multifield, Optimizer, Regression, Train, UNet, VdmBind
from learn.__main__ import main
from learn.predict import Predictor
from learn.sources import open_source
from learn.train import fit
from sim.parameter_table import own_name

NAMES = tuple(map(own_name, PARAMETERS))


def of_kind(kind: str, folder: Path) -> tuple[MapData, UNet]:
    """A data set under `folder` and a network for its edges."""
    reflect = UNet(width=4, n_levels=2, n_embedding=8, padding="reflect")
    if kind == "halos":
        return HaloCutouts(kind="halos", folder=folder), reflect
    if kind == "vdm_bind":
        return VdmBind(kind="vdm_bind", folder=folder, param_names=NAMES), reflect
    told: dict[str, Any] = {"suite": "IllustrisTNG", "set_name": "LH", "maps_per_simulation": 3}
    return Multifield(kind="multifield", folder=folder, **told), UNet(width=4, n_levels=2, n_embedding=8)


@pytest.mark.parametrize(("kind", "n_loaders"), [("multifield", 0), ("halos", 0), ("halos", 1), ("vdm_bind", 0)])
def test_a_painter_learns_from_each_kind(
    halo_set: Path, vdm_folder: Path, tmp_path: Path, kind: str, n_loaders: int
) -> None:
    folders = {"multifield": tmp_path / "set", "halos": halo_set, "vdm_bind": vdm_folder}
    if kind == "multifield":
        write_set(folders[kind])
    data, net = of_kind(kind, folders[kind])
    config = Train(
        data=data,
        out=tmp_path / "run",
        method=Regression(conserve_mass=False),
        net=net,
        optimizer=Optimizer(lr=1e-2, n_warmup=1, ema=0.5),
        n_steps=12,
        batch_size=4,
        n_loaders=n_loaders,
        validate_every=12,
    )
    losses = [progress.metrics["train/loss"] for progress in fit(config)]
    assert len(losses) == 12
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    painter = Predictor.load(config.out / "final")
    test = open_source(data, "test").read([0])
    painted = painter(test.inputs.numpy(), test.params.numpy())
    assert painted.shape == test.targets.shape
    assert np.isfinite(painted).all()
    assert painter.meta.data_sha256 == open_source(data, "test").about.data_sha256
    assert painter.meta.periodic is (kind == "multifield")


TRAIN = "data: {{kind: multifield, folder: {0}/set, suite: IllustrisTNG, set_name: LH, maps_per_simulation: 3{1}}}\n"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (", depht: 5.0", "data.depht: expected one of folder, "),
        ("", f"{stem('Mgas')}.npy: expected 15 maps (maps_per_simulation a row), got 14"),
    ],
)
def test_what_a_user_got_wrong_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: str, words: str
) -> None:
    path = write_set(tmp_path / "set") / f"{stem('Mgas')}.npy"
    np.save(path, np.load(path)[:-1])
    file = tmp_path / "train.yaml"
    file.write_text(TRAIN.format(tmp_path, more) + f"out: {tmp_path}/run\nn_steps: 1\nbatch_size: 1\n")
    assert exit_code(monkeypatch, main, "train", file) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
