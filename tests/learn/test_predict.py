from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from configs import Optimizer, PairShards, Stochastic, Train
from learn.checkpoint import META
from learn.predict import Predictor
from learn.sources.shards import ShardSource
from learn.train import fit


@pytest.fixture(scope="module")
def trained(toy_pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A painter after a few large steps."""
    config = Train.model_validate(
        {
            "data": toy_pairs,
            "out": tmp_path_factory.mktemp("painter"),
            "net": {"width": 8, "n_levels": 3, "n_embedding": 8},
            "optimizer": Optimizer(lr=1e-2, n_warmup=0, ema=0.0),
            "n_steps": 8,
            "batch_size": 4,
            "validate_every": 8,
        }
    )
    list(fit(config))
    return config.out / "final"


@pytest.fixture(scope="module")
def predictor(trained: Path) -> Predictor:
    return Predictor.load(trained)


@pytest.fixture(scope="module")
def maps(toy_pairs: Path) -> NDArray[np.float32]:
    return ShardSource(PairShards(folder=toy_pairs), "test").read(range(3)).inputs.numpy()[:, 0]


@pytest.fixture(scope="module")
def params(toy_pairs: Path) -> NDArray[np.float32]:
    return ShardSource(PairShards(folder=toy_pairs), "train").read([0, 3, 6]).params.numpy()


def test_physical_in_physical_out(predictor: Predictor, maps: NDArray, params: NDArray) -> None:
    painted = predictor(maps, params)
    assert painted.shape == (3, 3, 16, 16)
    assert painted.dtype == np.float32
    assert painted.min() > 0
    np.testing.assert_allclose(painted[:, 0].mean((1, 2)), maps.mean((1, 2)), rtol=1e-6)
    assert not np.allclose(painted[:, 0], maps, rtol=1e-2)
    assert 0.05 < painted[:, 1].mean() / maps.mean() < 0.3


def test_three_maps_together_are_three_maps_alone_bit_for_bit(
    predictor: Predictor, maps: NDArray, params: NDArray
) -> None:
    together = predictor(maps, params)
    alone = np.concatenate([predictor(maps[i : i + 1], params[i : i + 1]) for i in range(3)])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(predictor(maps[::-1], params[::-1])[::-1], together)


def test_the_answer_is_that_of_the_averaged_network(predictor: Predictor, maps: NDArray, params: NDArray) -> None:
    with torch.no_grad():
        seeds = torch.zeros(len(maps), dtype=torch.int64)
        inputs, given = torch.tensor(maps)[:, None], torch.tensor(params)
        direct = predictor._method.predict(predictor._nets, inputs, given, seeds)
    np.testing.assert_allclose(predictor(maps, params), direct, rtol=1e-5)


def test_a_channel_axis_is_allowed_and_other_sizes_are(predictor: Predictor, maps: NDArray, params: NDArray) -> None:
    np.testing.assert_array_equal(predictor(maps[:, None], params), predictor(maps, params))
    assert predictor(np.tile(maps[:1], (1, 2, 3))).shape == (1, 3, 32, 48)


def test_a_periodic_copy_is_painted_as_the_map(predictor: Predictor, maps: NDArray) -> None:
    once, tiled = predictor(maps[:1]), predictor(np.tile(maps[:1], (1, 2, 2)))
    np.testing.assert_allclose(tiled, np.tile(once, (1, 1, 2, 2)), rtol=1e-4)


def test_parameters_have_names_and_defaults(predictor: Predictor, maps: NDArray) -> None:
    names = predictor.meta.param_names
    given = predictor.params_from({"log10_m_c": 13.7, "h": 0.6})
    assert given.shape == (len(names),)
    assert given[names.index("log10_m_c")] == np.float32(13.7)
    np.testing.assert_allclose(given[names.index("omega_m")], 0.3, rtol=1e-6)
    np.testing.assert_array_equal(predictor(maps), predictor(maps, np.tile(predictor.params_from({}), (3, 1))))
    assert not np.array_equal(predictor(maps), predictor(maps, np.tile(given, (3, 1))))
    with pytest.raises(ValueError, match=r"any of omega_m, .*; got omega_q"):
        predictor.params_from({"omega_q": 1.0})


BROKEN = {
    "map: height and width divisible by 4, got 16 x 18 pixels": np.ones((16, 18)),
    "map: 2 axes": np.ones(16),
    "map: finite pixels, got 1 that are not": np.where(np.eye(16) * np.arange(16) == 3, np.nan, 1.0),
    "map: surface density >= 0": np.ones((16, 16)) - 2 * np.eye(16),
    "map: some mass": np.zeros((16, 16)),
    "got 0 x 16 pixels": np.ones((0, 16)),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_map_that_cannot_be_painted_is_refused_in_words(predictor: Predictor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predictor.check(BROKEN[message])


def test_a_call_that_makes_no_sense_is_refused_in_words(predictor: Predictor, maps: NDArray, params: NDArray) -> None:
    with pytest.raises(ValueError, match=r"shape \(B, H, W\)"):
        predictor(maps[0])
    with pytest.raises(ValueError, match="map: finite"):
        predictor(np.full((1, 16, 16), np.inf))
    with pytest.raises(ValueError, match=rf"params: shape \(3, {params.shape[1]}\) \(omega_m"):
        predictor(maps, params[:2])
    with pytest.raises(ValueError, match="params: finite"):
        predictor(maps, params * np.nan)
    with pytest.raises(ValueError, match=r"pixel_size: expected 0\.5 Mpc/h within 1%, got 0\.6"):
        predictor(maps, pixel_size=0.6)
    np.testing.assert_array_equal(predictor(maps, pixel_size=0.502), predictor(maps))


def test_a_checkpoint_of_an_unknown_method_is_refused(trained: Path, tmp_path: Path) -> None:
    text = (trained / META).read_text().replace('"kind": "regression"', '"kind": "alchemy"', 1)
    (tmp_path / META).write_text(text)
    with pytest.raises(ValueError, match=r"config.method.kind: expected one of .* got 'alchemy'"):
        Predictor.load(tmp_path)


def test_importing_it_leaves_threads_and_training_alone(repository: Path) -> None:
    program = (
        "import sys, torch\n"
        "torch.set_num_threads(3)\n"
        "import learn.predict\n"
        "print(torch.get_num_threads(), torch.initial_seed() and 0, 'wandb' in sys.modules, 'ray' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["3", "0", "False", "False"]


def test_a_model_of_another_kind_is_no_painter(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Predictor, "of", Stochastic)
    with pytest.raises(ValueError, match=r"final: expected a method of Stochastic, got regression"):
        Predictor.load(trained)
