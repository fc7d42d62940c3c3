"""Binding: cut as the training set is, the same draws for a seed, what is done is kept, maps that keep their mass."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from omegaconf import OmegaConf

from configs import Bind, CamelsBox, SnapshotBox, Trained
from learn.__main__ import main
from learn.halos import bind
from learn.halos.bind import Job, Work
from learn.sources.cutout import MASS
from learn.sources.halos import HaloSource
from sim.samples import TARGET_CHANNELS, read_shard
from sim.views import views

Asked = Callable[..., Bind]


def run(config: Bind, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> int:
    """Exit code of `python -m learn bind`."""
    path = config.out.with_suffix(".yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(OmegaConf.to_yaml(config.model_dump(mode="json")))
    monkeypatch.setattr(sys, "argv", ["learn", "bind", str(path), *overrides])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def stamps(config: Bind) -> dict[str, Any]:
    """Every draw that is kept, by file."""
    found = {}
    for path in sorted((config.out / "halos").glob("*.hdf5")):
        with h5py.File(path) as file:
            found[path.name] = file[bind.STAMPS][:]
    return found


def test_what_a_sampler_is_shown_is_the_training_sample_bit_for_bit(
    asked: Asked, axes_set: Path, trained: Trained
) -> None:
    job = bind.prepare(asked(align=False, sampler=trained))
    held = read_shard(axes_set / "SB35_0.0000.hdf5").samples
    for view in job.views:
        rows = held.rotation_number == view.axis
        works = bind.works(job, view)
        shown = [np.concatenate([getattr(one, key) for one in works]) for key in ("condition", "large_scale", "mass")]
        np.testing.assert_array_equal(shown[0], held.condition[rows])
        np.testing.assert_array_equal(shown[1], held.large_scale[rows])
        np.testing.assert_array_equal(shown[2], held.halo_mass[rows])
        np.testing.assert_array_equal(works[0].params[0], held.params[0])
        np.testing.assert_array_equal(bind_truth(job, view), held.target[rows])


def bind_truth(job: Job, view: Any) -> Any:
    rows = job.rows(view)
    narrow = job.frame.windows(job.host.box_size, n_scales=1)
    cut = [view.cut(job.host.hydro[name], job.aim(view, rows), narrow)[:, 0] for name in TARGET_CHANNELS]
    return np.stack(cut, axis=1)


def test_a_trained_sampler_sees_the_numbers_that_it_was_trained_on(
    asked: Asked, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = asked(align=False, sampler=trained)
    job, seen = bind.prepare(config), []
    sampler = bind.opened(trained)

    def answers(inputs: Any, params: Any, seeds: Any) -> Any:
        seen.extend(zip(inputs[::2], params[::2], strict=True))  # two draws of each halo
        return np.ones((len(inputs), 3, 16, 16), np.float32)

    monkeypatch.setattr(sampler, "answers", answers)
    for work in bind.works(job, job.views[0]):
        bind.make(work, trained)
    for split in ("train", "validation", "test"):
        source = HaloSource(sampler.meta.config.data, split)
        if "SB35_0" in source.simulations:
            indices = source.simulations["SB35_0"]
            batch = source.read([i for i in indices if (i - indices[0]) % 3 == 0])
    np.testing.assert_array_equal(np.array([inputs for inputs, _ in seen]), batch.inputs)
    np.testing.assert_allclose(np.array([params for _, params in seen]), batch.params, rtol=1e-6)
    assert sampler.meta.param_names.index(MASS) == 35


def test_a_bound_box_has_maps_tables_and_figures(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    config = asked()
    assert run(config, monkeypatch) == 0
    summary = json.loads((config.out / "summary.json").read_text())
    assert (summary["n_halos"], summary["n_pixels"], summary["n_stamps"]) == (4, 128, 4 * 3 * 2)
    rows = list(csv.DictReader((config.out / "halos.csv").read_text().splitlines()))
    assert len(rows) == 12
    assert {"halo", "x", "m200c", "r200c", "dmo", "gas_mean", "gas_std", "gas_true"} <= rows[0].keys()
    spectra = list(csv.DictReader((config.out / "spectra.csv").read_text().splitlines()))
    assert {row["channel"] for row in spectra} == {"total", "dark_matter", "gas", "stars"}
    assert (config.out / "power.png").stat().st_size > 10_000
    assert (config.out / "maps.png").stat().st_size > 10_000
    for axis in range(3):
        with h5py.File(config.out / f"axis_{axis}_slab_0.hdf5") as file:
            pasted, dmo = file["pasted"][:], file["dmo"][:]
        np.testing.assert_array_equal(np.load(config.out / f"axis_{axis}_slab_0.npy"), pasted)
        assert pasted.shape == (2, 4, 128, 128)
        assert pasted.min() >= 0
        np.testing.assert_allclose(pasted[:, 1:].sum(1), pasted[:, 0], rtol=1e-5)
        np.testing.assert_allclose(pasted[:, 0].sum((1, 2), dtype=float), dmo.sum(dtype=float), rtol=1e-6)


def test_true_halos_are_the_upper_bound(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    config = asked(inner=1.0, outer=2.0)
    assert run(config, monkeypatch) == 0
    errors = json.loads((config.out / "summary.json").read_text())["power_error"]
    assert errors["bound"]["total"]["k<5"] < 0.5 * errors["dmo"]["total"]["k<5"]
    assert errors["bound"]["total"]["k<5"] < errors["pasted"]["total"]["k<5"]


def test_draws_are_those_of_the_seed_and_not_of_the_batches(asked: Asked, trained: Trained) -> None:
    def drawn(**changes: Any) -> Any:
        config = asked(sampler=trained, axes=(2,), **changes)
        ((_, pieces, missing),) = bind.left(bind.prepare(config))
        for work in missing:
            bind.make(work, trained)
        return np.concatenate([bind.stamps(pieces, i, 16) for i in range(config.n_realizations)])

    first = drawn()
    np.testing.assert_array_equal(drawn(batch=1), first)
    assert not np.array_equal(drawn(seed=1), first)
    assert len({one.tobytes() for one in first}) == len(first)
    assert first.min() >= 0


def test_every_halo_and_view_has_a_seed_of_its_own() -> None:
    seeds = {
        bind.seed_of(seed, view, halo)
        for seed in (0, 1)
        for n_slabs in (1, 2)
        for view in views((0, 1, 2), n_slabs, 50.0)
        for halo in range(10)
    }
    assert len(seeds) == 2 * 3 * (1 + 2) * 10
    assert 0 <= min(seeds) <= max(seeds) < 2**bind.SEED_BITS


def test_what_decides_the_draws_is_in_their_recipe(tmp_path: Path) -> None:
    shown = np.ones((2, 4, 4), np.float32), np.ones((2, 1, 4, 4), np.float32)
    work = Work(tmp_path / "a", *shown, np.ones((2, 3)), np.ones(2), np.arange(2), 2, "model")
    columns = ("condition", "large_scale", "params", "mass", "seeds")
    others: list[dict[str, Any]] = [{name: getattr(work, name) + 1} for name in columns]
    others += [{"n": 3}, {"identity": "other"}]
    assert len({work.recipe, *(replace(work, **other).recipe for other in others)}) == 1 + len(others)
    assert replace(work, path=tmp_path / "b").recipe == work.recipe


@pytest.mark.parametrize("pixel", [-1.0, np.nan, np.inf])
def test_draws_that_are_no_masses_are_refused(
    pixel: float, asked: Asked, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bind.prepare(asked(sampler=trained))
    work = bind.works(job, job.views[0])[0]
    draws = np.ones(work.shape, np.float32)
    draws[0, 1, 2, 3, 3] = pixel
    monkeypatch.setattr(bind, "opened", lambda _: SimpleNamespace(sample_each=lambda *_: draws))
    with pytest.raises(RuntimeError, match=r"axis_0_slab_0\.0000\.hdf5: expected masses >= 0"):
        bind.make(work, trained)
    assert not bind.is_made(work)


def test_what_is_made_is_kept_and_what_is_lost_is_made_again(
    asked: Asked, trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = asked(sampler=trained, axes=(0,))
    assert run(config, monkeypatch) == 0
    before, files = stamps(config), sorted((config.out / "halos").iterdir())
    times = [path.stat().st_mtime_ns for path in files]
    files[1].write_bytes(files[1].read_bytes()[:1000])
    assert run(config, monkeypatch) == 0
    assert files[0].stat().st_mtime_ns == times[0]
    for name, values in stamps(config).items():
        np.testing.assert_array_equal(values, before[name])
    assert run(config, monkeypatch, "seed=5") == 0
    assert not np.array_equal(stamps(config)[files[0].name], before[files[0].name])


def test_any_snapshot_and_a_table_of_halos(
    asked: Asked, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = bind.prepare(asked())
    table = tmp_path / "halos.csv"
    rows = [f"{x},{y},{z},{m}" for (x, y, z), m in zip(known.host.halos.center, known.host.halos.m200c, strict=True)]
    table.write_text("\n".join(["x,y,z,m200c", *rows]) + "\n")
    assert isinstance(known.config.source, CamelsBox)
    path = known.config.source.dmo / "SB35_0" / "snap_090.hdf5"
    box = SnapshotBox(kind="file", path=path)
    told = {name: value for name, value in known.host.params.items() if name not in ("omega_m", "h")}
    config = asked(source=box, catalog=table, parameters=told, axes=(2,), sampler=trained)
    assert run(config, monkeypatch) == 0
    with h5py.File(config.out / "axis_2_slab_0.hdf5") as file:
        assert "hydro" not in file
    assert json.loads((config.out / "summary.json").read_text())["power_error"] == {}


def test_what_does_not_fit_is_one_line_and_exit_2(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for overrides, message in (
        (["n_slabs=2"], "slabs 50 Mpc/h deep, as the model was trained on, got 25"),
        (["outer=1"], "outer: above inner=2.0, got 1.0"),
        ([f"catalog={tmp_path / 'none.csv'}"], "none.csv"),
        ([f"sampler={{kind: checkpoint, folder: {tmp_path}}}"], "expected a checkpoint"),
    ):
        assert run(asked(), monkeypatch, *overrides) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    monkeypatch.setattr(sys, "argv", ["learn", "bind", "--help"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    assert "n_realizations" in capsys.readouterr().out


def test_a_parameter_that_the_box_does_not_say_is_named(asked: Asked, trained: Trained) -> None:
    known = bind.prepare(asked()).config.source
    assert isinstance(known, CamelsBox)
    box = SnapshotBox(kind="file", path=known.dmo / "SB35_0" / "snap_090.hdf5")
    with pytest.raises(ValueError, match=r"parameters: expected sigma8, which snap_090\.hdf5 does not say"):
        bind.prepare(asked(source=box, catalog=known.catalogs / "SB35_0" / "fof_subhalo_tab_090.hdf5", sampler=trained))
