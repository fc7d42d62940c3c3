"""Samples over Ray: the same for a seed whoever draws them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed")

from commands import exit_code
from toy_fields import fields, write_boxes

from configs import Generate, Optimizer, Train, UNet
from learn import generate as local
from learn.train import fit
from ray_jobs.generate import generate, main

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generator")
    told = {
        "data": fields(write_boxes(folder / "boxes")),
        "out": folder / "run",
        "method": {"kind": "diffusion", "sampler": {"kind": "ddpm", "n_steps": 3}},
        "net": UNet(width=4, n_levels=2, n_embedding=8),
        "optimizer": Optimizer(n_warmup=1, ema=0.9),
        "n_steps": 2,
        "batch_size": 4,
        "validate_every": 2,
    }
    list(fit(Train.model_validate(told)))
    return folder / "run" / "final"


@pytest.mark.usefixtures("ray_local")
def test_samples_are_the_same_on_any_number_of_workers(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Generate(checkpoint=checkpoint, out=tmp_path / "alone", n_samples=7, seed=5, samples_per_task=7)
    for part in local.missing(told):
        local.make(part, told)
    local.finish(told)
    alone = np.load(told.out / "samples.npy", allow_pickle=False)
    for size in (1, 3):
        spread = told.model_copy(update={"out": tmp_path / f"by_{size}", "samples_per_task": size})
        first = local.missing(spread)[1]
        local.make(first, spread)  # of a run that was stopped
        generate(spread)
        np.testing.assert_array_equal(np.load(spread.out / "samples.npy", allow_pickle=False), alone)
    lines = capsys.readouterr().out
    assert "generate: 3 of 7 samples are there already" in lines
    assert "generate: 7/7 samples" in lines
    assert " s left" in lines
    generate(told)
    assert "nothing to do" in capsys.readouterr().out


def test_the_command_line_says_what_is_wrong_in_one_line(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "generate.yaml"
    path.write_text(f"checkpoint: {checkpoint}\nout: {tmp_path / 'out'}\nn_samples: 3\n")
    for arguments, words in (
        ([path, "parameters={h: 0.7}"], "parameters: any of omega_m, sigma8; got h"),
        ([path, "--num-samples", "0"], "n_samples: expected greater than or equal to 1"),
        ([path, "checkpoint=absent"], "absent: expected a checkpoint"),
        ([tmp_path / "absent.yaml"], "expected a YAML configuration"),
    ):
        assert exit_code(monkeypatch, main, *arguments) == 2
        assert words in capsys.readouterr().err
