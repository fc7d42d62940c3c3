"""Samples on disk: the same in any parts, whole or not there."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from configs import Generate, Train
from learn import generate
from learn.sampler import Sampler, seeds_of
from learn.train import fit


@pytest.fixture
def generator(toy_generator: Train) -> Path:
    list(fit(toy_generator))
    return toy_generator.out / "final"


def config(checkpoint: Path, out: Path, **changes: object) -> Generate:
    told = {"checkpoint": checkpoint, "out": out, "n_samples": 5, "seed": 3, "samples_per_task": 2}
    return Generate.model_validate({**told, **changes})


def generated(told: Generate) -> np.ndarray:
    for part in generate.missing(told):
        generate.make(part, told)
    generate.finish(told)
    return np.load(told.out / "samples.npy", allow_pickle=False)


def test_samples_are_the_same_in_any_parts_and_in_any_number(generator: Path, tmp_path: Path) -> None:
    told = config(generator, tmp_path / "a", parameters={"omega_m": 0.3}, vary={"sigma8": (0.7, 0.9)})
    samples = generated(told)
    assert samples.shape == (5, 1, 16, 16)
    alone = generated(told.model_copy(update={"out": tmp_path / "b", "samples_per_task": 5}))
    np.testing.assert_array_equal(alone, samples)
    more = generated(told.model_copy(update={"out": tmp_path / "c", "n_samples": 9, "samples_per_task": 4}))
    np.testing.assert_array_equal(more[:5], samples)
    other = generated(told.model_copy(update={"out": tmp_path / "d", "seed": 4, "n_samples": 1}))
    assert not np.allclose(other[0], samples[0], rtol=1e-2)
    with h5py.File(tmp_path / "a" / "samples.hdf5") as file:
        np.testing.assert_array_equal(file["samples"][:], samples)
        np.testing.assert_array_equal(file["seeds"][:], seeds_of(3, range(5)))
        params = file["params"][:]
        assert list(file.attrs["param_names"]) == ["omega_m", "sigma8"]
        assert file["samples"].attrs["unit"] == "Msun/h / (Mpc/h)^2"
    assert (params[:, 0] == np.float32(0.3)).all()
    assert 0.7 <= params[:, 1].min() < params[:, 1].max() <= 0.9
    by_hand = Sampler.load(generator)(seeds_of(3, range(3, 4)), params[3:4])
    np.testing.assert_array_equal(by_hand[0], samples[3])
    assert (tmp_path / "a" / "samples.png").stat().st_size > 1000


def test_a_run_that_was_stopped_goes_on_and_one_that_ended_does_nothing(generator: Path, tmp_path: Path) -> None:
    told = config(generator, tmp_path / "a")
    assert not generate.is_complete(told)
    first = generate.missing(told)
    assert [len(part.samples) for part in first] == [2, 2, 1]
    generate.make(first[1], told)
    assert [part.start for part in generate.missing(told)] == [0, 4]
    generated(told)
    assert generate.is_complete(told)
    assert sorted(path.name for path in told.out.iterdir()) == ["samples.hdf5", "samples.npy", "samples.png"]
    for other in ({"seed": 4}, {"n_samples": 6}, {"parameters": {"omega_m": 0.3}}, {"sampler": {"n_steps": 2}}):
        with pytest.raises(ValueError, match="expected the samples of this configuration, got others"):
            generate.is_complete(config(generator, tmp_path / "a", **other))


def test_what_the_model_does_not_know_is_refused(generator: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="parameters: any of omega_m, sigma8; got h"):
        generate.missing(config(generator, tmp_path, parameters={"h": 0.7}))
    with pytest.raises(ValueError, match="parameters that are not in `parameters`, got h"):
        config(generator, tmp_path, parameters={"h": 0.7}, vary={"h": (0.6, 0.8)})
