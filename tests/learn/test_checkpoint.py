from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from configs import Train
from learn import checkpoint
from learn.checkpoint import META, RESUME, WEIGHTS, Meta, load_meta, load_nets, load_resume, load_weights, release, save
from learn.prepare import Local
from learn.train import Run


def linear(weight: Tensor, bias: float) -> nn.Linear:
    """A network of one layer with these weights."""
    net = nn.Linear(weight.shape[1], weight.shape[0])
    net.weight.data, net.bias.data = weight, torch.full((weight.shape[0],), bias)
    return net


EMA = {"a": linear(torch.arange(6.0).reshape(2, 3), 2.5), "b": linear(torch.zeros(1, 1), 0.0)}
RAW = {"a": linear(torch.ones(3, 2).t(), -1.0), "b": linear(torch.ones(1, 1), 3.0)}
STATE = {"step": 7, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}}


@pytest.fixture
def meta(toy_train: Train) -> Meta:
    return Run(toy_train, Local(), None).meta.model_copy(update={"step": 7, "metrics": {"val/loss": 0.5}})


@pytest.fixture
def folder(meta: Meta, tmp_path: Path) -> Path:
    return save(tmp_path / "step_000007", meta, raw=RAW, ema=EMA, resume=STATE)


def rewrite(folder: Path, **changes: Any) -> None:
    tree = json.loads((folder / META).read_text())
    (folder / META).write_text(json.dumps(tree | changes))


def test_what_was_saved_is_loaded(folder: Path, meta: Meta) -> None:
    found = load_meta(folder)
    assert found.model_copy(update={"weights_sha256": ""}) == meta
    for kind, nets in (("ema", EMA), ("raw", RAW)):
        state = {f"{name}.{key}": x for name, net in nets.items() for key, x in net.state_dict().items()}
        loaded = load_weights(folder, found, kind)
        assert loaded.keys() == state.keys()
        assert all(torch.equal(loaded[name], state[name]) for name in state)
        others = {"a": nn.Linear(3, 2), "b": nn.Linear(1, 1)}
        load_nets(folder, found, others, kind)
        assert all(torch.equal(others[name].weight, nets[name].weight) for name in nets)
    with pytest.raises(ValueError, match=f"{WEIGHTS}: expected the weights of a, got others"):
        load_nets(folder, found, {"a": nn.Linear(4, 4)})
    resumed = load_resume(folder)
    assert resumed["step"] == 7
    assert torch.equal(resumed["optimizer"]["state"][0]["exp_avg"], torch.ones(2))


def test_meta_says_what_the_model_needs(folder: Path) -> None:
    tree = json.loads((folder / META).read_text())
    assert tree["format"] == 2
    assert tree["config"]["method"]["kind"] == "regression"
    assert tree["periodic"] is True
    assert (tree["input_channels"], tree["target_channels"]) == (["dmo"], ["total", "gas", "stars"])
    assert (tree["unit"], tree["pixel_size"], tree["depth"]) == ("Msun/h / (Mpc/h)^2", 0.5, 8.0)
    assert len(tree["param_names"]) == len(tree["param_defaults"]) == len(tree["normalizer"]["params"]["mean"])
    assert {"commit", "data_sha256", "config", "step", "metrics"} <= tree.keys()


def test_saving_twice_gives_the_same_bytes_and_leaves_nothing_behind(folder: Path, meta: Meta) -> None:
    before = (folder / WEIGHTS).read_bytes(), (folder / META).read_bytes()
    save(folder, meta, raw=RAW, ema=EMA, resume=STATE)
    assert ((folder / WEIGHTS).read_bytes(), (folder / META).read_bytes()) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_save_that_fails_leaves_the_old_checkpoint_and_no_half_of_a_new_one(folder: Path, meta: Meta) -> None:
    before = (folder / META).read_bytes()
    with pytest.raises(AttributeError):
        save(folder, meta, raw=RAW, ema=EMA, resume={"step": lambda: None})
    assert (folder / META).read_bytes() == before
    new = folder.with_name("step_000008")
    with pytest.raises(AttributeError):
        save(new, meta, raw=RAW, ema=EMA, resume={"step": lambda: None})
    assert not new.exists()


def test_a_release_predicts_and_does_not_resume(folder: Path, tmp_path: Path) -> None:
    final = release(folder, tmp_path / "final")
    assert load_weights(final, load_meta(final)).keys() == {"a.weight", "a.bias", "b.weight", "b.bias"}
    with pytest.raises(FileNotFoundError, match=RESUME):
        load_resume(final)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 1}, "expected checkpoint format 2, got 1"),
        ({"target_channels": ["total", "gas", "dust"]}, "target_channels: .*dust"),
        ({"input_channels": ["kappa"]}, "input_channels: .*kappa"),
        ({"unit": "g/cm^2"}, r"unit: .*g/cm\^2"),
        ({"colour": 1}, "colour: .*unknown key"),
        ({"pixel_size": "large"}, "pixel_size: expected"),
    ],
)
def test_an_unknown_format_channel_or_unit_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    rewrite(folder, **changes)
    with pytest.raises(ValueError, match=message):
        load_meta(folder)


def test_damaged_weights_are_refused(folder: Path) -> None:
    meta = load_meta(folder)
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(ValueError, match="damaged or replaced"):
        load_weights(folder, meta)


def test_what_is_not_a_checkpoint_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}: expected a checkpoint"):
        load_meta(tmp_path)
    (folder / META).write_text("{")
    with pytest.raises(ValueError, match=r"meta\.json: expected JSON"):
        load_meta(folder)
    (folder / META).write_text("[]")
    with pytest.raises(ValueError, match="expected checkpoint format 2, got None"):
        load_meta(folder)


def test_a_resume_file_with_code_in_it_is_not_run(folder: Path, tmp_path: Path) -> None:
    torch.save(Bomb(tmp_path / "exploded"), folder / RESUME)
    with pytest.raises(ValueError, match=r"resume\.pt: expected tensors and plain values"):
        load_resume(folder)
    assert not (tmp_path / "exploded").exists()


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_checkpoints_of_a_run_are_found_in_order(folder: Path, meta: Meta, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert checkpoint.latest(out) is None
    assert checkpoint.latest_step(out) == 0
    for step in (2_000_000, 20, 10_000_000):
        target = checkpoint.step_folder(out, step)
        save(target, meta.model_copy(update={"step": step}), raw=RAW, ema=EMA, resume=STATE)
    assert [path.name for path in checkpoint.steps(out)] == ["step_000020", "step_2000000", "step_10000000"]
    assert checkpoint.latest_step(out) == 10_000_000
