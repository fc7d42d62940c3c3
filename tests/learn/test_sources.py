"""Laws of every kind of data set of maps: whole, apart by simulation, the same wherever it is read."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from camels_like import PARAMETERS
from multifield_like import write_set

from configs import HaloCutouts, Multifield, PairShards, VdmBind
from learn.data import Batch, Source, Split
from learn.sources import open_source
from sim.parameter_table import own_name

SPLITS: tuple[Split, ...] = get_args(Split)
SHARES = (0.5, 0.25, 0.25)
KINDS = ("shards", "multifield", "multifield_hdf5", "halos", "vdm_bind")


@pytest.fixture(scope="session")
def configured(
    toy_pairs: Path, halo_set: Path, vdm_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A data set of each kind."""
    made = tmp_path_factory.mktemp("multifield")
    npy, hdf5 = write_set(made / "npy"), write_set(made / "hdf5", suffix=".hdf5")
    told: dict[str, Any] = {"suite": "IllustrisTNG", "set_name": "LH", "maps_per_simulation": 3, "split": SHARES}
    return {
        "shards": PairShards(folder=toy_pairs),
        "multifield": Multifield(kind="multifield", folder=npy, **told),
        "multifield_hdf5": Multifield(kind="multifield", folder=hdf5, **told),
        "halos": HaloCutouts(kind="halos", folder=halo_set, constants={"redshift": 0.0}),
        "vdm_bind": VdmBind(kind="vdm_bind", folder=vdm_folder, param_names=tuple(map(own_name, PARAMETERS))),
    }


def whole(source: Source) -> Batch:
    return source.read(range(len(source)))


def assert_same(a: Batch, b: Batch) -> None:
    for name in ("inputs", "targets", "params", "seeds"):
        assert torch.equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("kind", KINDS)
def test_no_simulation_and_no_map_is_in_two_splits(configured: dict[str, Any], kind: str) -> None:
    sources = [open_source(configured[kind], split) for split in SPLITS]
    names = [name for source in sources for name in source.simulations]
    assert len(set(names)) == len(names) >= 4
    maps = [one.numpy().tobytes() for source in sources for one in whole(source).inputs]
    assert len(set(maps)) == len(maps)
    for source in sources:
        assert [i for members in source.simulations.values() for i in members] == list(range(len(source)))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_is_what_about_says(configured: dict[str, Any], kind: str) -> None:
    sources = [open_source(configured[kind], split) for split in SPLITS]
    about = sources[0].about
    assert [source.about for source in sources] == [about] * 3
    assert {"omega_m", "omega_b"} <= set(about.param_names)
    for batch in map(whole, sources):
        n, side = len(batch), about.n_pixels
        assert batch.inputs.shape == (n, len(about.input_channels), side, side)
        assert batch.targets.shape == (n, len(about.target_channels), side, side)
        assert batch.params.shape == (n, len(about.param_names))
        assert batch.seeds.tolist() == list(range(n))
        assert batch.inputs.dtype == batch.targets.dtype == batch.params.dtype == torch.float32
        assert batch.params[:, about.param_names.index("omega_m")].min() > 0.05
        total, gas, stars = batch.targets.unbind(1)
        assert (total >= gas + stars).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_map_is_the_same_alone_in_company_and_in_another_process(configured: dict[str, Any], kind: str) -> None:
    source = open_source(configured[kind], "train")
    together = whole(source)
    for i in (0, len(source) - 1):
        assert torch.equal(source.read([i]).inputs[0], together.inputs[i])
    assert len(pickle.dumps(source)) < 20_000  # no map travels
    assert_same(whole(pickle.loads(pickle.dumps(source))), together)
    source.close()
    assert_same(whole(source), together)


@pytest.mark.parametrize("kind", KINDS)
def test_a_data_set_is_known_by_its_content_not_by_its_place(
    configured: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    config: Any = configured[kind]
    elsewhere = shutil.copytree(config.folder, tmp_path / "elsewhere")
    moved = config.model_copy(update={"folder": elsewhere})
    assert open_source(moved, "test").about == open_source(config, "train").about
    assert len(open_source(config, "train").about.data_sha256) == 64


@pytest.mark.parametrize("kind", ["multifield", "vdm_bind"])
def test_another_seed_is_another_split_and_another_data_set(
    configured: dict[str, Any], kind: str, vdm_folder: Path, tmp_path: Path
) -> None:
    config: Any = configured[kind]
    if kind == "vdm_bind":
        config = config.model_copy(update={"folder": flat(vdm_folder, tmp_path)})
    sources = [open_source(config.model_copy(update={"seed": seed}), "train") for seed in range(6)]
    assert len({tuple(source.simulations) for source in sources}) > 1
    assert len({source.about.data_sha256 for source in sources}) == 6


def flat(folder: Path, out: Path) -> Path:
    """The samples of VDM-BIND without folders that say the split."""
    for path in folder.rglob("sim_*.npz"):
        shutil.copy(path, out / path.name)
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_folder_is_named(configured: dict[str, Any], kind: str, tmp_path: Path) -> None:
    config: Any = configured[kind].model_copy(update={"folder": tmp_path / "absent"})
    with pytest.raises(FileNotFoundError, match="absent"):
        open_source(config, "train")
