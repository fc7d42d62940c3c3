"""Files of the CAMELS Multifield Dataset: every map where it belongs, one at a time, and wrong files by name."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from multifield_like import FIELDS, maps_of, parameters, stem, write_maps, write_set
from numpy.typing import NDArray
from pydantic import ValidationError

from configs import Multifield
from learn.sources.multifield import MultifieldSource, read_table

N_SIMS, N_MAPS, N_PIXELS = 5, 3, 16


def config(folder: Path, **changes: Any) -> Multifield:
    told: dict[str, Any] = {"kind": "multifield", "folder": folder, "suite": "IllustrisTNG", "set_name": "LH"}
    return Multifield(**(told | {"maps_per_simulation": N_MAPS} | changes))


def everything(source_config: Multifield) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Inputs, targets and params of each simulation, from all splits."""
    held = {}
    for split in ("train", "validation", "test"):
        source = MultifieldSource(source_config, split)
        for name, members in source.simulations.items():
            batch = source.read(members)
            held[name] = {key: getattr(batch, key).numpy() for key in ("inputs", "targets", "params")}
    return held


@pytest.mark.parametrize("suffix", [".npy", ".hdf5"])
@pytest.mark.parametrize("nested", [False, True])
def test_every_map_and_parameter_comes_back_with_its_simulation(tmp_path: Path, suffix: str, nested: bool) -> None:
    held = everything(config(write_set(tmp_path, suffix=suffix, nested=nested)))
    assert sorted(held) == [f"LH_{i}" for i in range(N_SIMS)]
    truth = {field: maps_of(field, N_SIMS * N_MAPS, N_PIXELS) for field in FIELDS}
    for i, row in enumerate(parameters(N_SIMS)):
        mine = slice(i * N_MAPS, (i + 1) * N_MAPS)
        np.testing.assert_array_equal(held[f"LH_{i}"]["inputs"][:, 0], truth["Nbody"][mine])
        for channel, field in enumerate(("Mtot", "Mgas", "Mstar")):
            np.testing.assert_array_equal(held[f"LH_{i}"]["targets"][:, channel], truth[field][mine])
        expected = np.tile(np.float32([*row, 0.049, 0.6711, 0.0]), (N_MAPS, 1))
        np.testing.assert_array_equal(held[f"LH_{i}"]["params"], expected)


def test_about_says_what_is_published(tmp_path: Path) -> None:
    about = MultifieldSource(config(write_set(tmp_path)), "train").about
    assert (about.input_channels, about.target_channels) == (("dmo",), ("total", "gas", "stars"))
    assert (about.unit, about.box_size, about.depth, about.periodic) == ("Msun/h / (Mpc/h)^2", 25.0, 5.0, True)
    assert about.pixel_size == 25 / N_PIXELS
    own = ("omega_m", "sigma8", "A_SN1", "A_AGN1", "A_SN2", "A_AGN2")
    assert about.param_names == (*own, "omega_b", "h", "redshift")


def test_redshifts_of_a_simulation_stay_together_and_are_a_parameter(tmp_path: Path) -> None:
    held = everything(config(write_set(tmp_path, redshifts=(0.0, 1.0)), redshifts=(0.0, 1.0)))
    for i in range(N_SIMS):
        one = held[f"LH_{i}"]
        assert one["params"][:, -1].tolist() == [0.0] * N_MAPS + [1.0] * N_MAPS
        later = maps_of("Nbody", N_SIMS * N_MAPS, N_PIXELS, 1.0)[i * N_MAPS : (i + 1) * N_MAPS]
        np.testing.assert_array_equal(one["inputs"][N_MAPS:, 0], later)


def test_a_table_that_has_the_baryon_density_is_believed(tmp_path: Path) -> None:
    folder = write_set(tmp_path, set_name="SB28", n_columns=28)
    source = MultifieldSource(config(folder, set_name="SB28"), "train")
    assert source.about.param_names[6:9] == ("omega_b", "h", "n_s")
    assert len(source.about.param_names) == 29
    first = int(next(iter(source.simulations)).removeprefix("SB28_"))
    np.testing.assert_array_equal(source.read([0]).params[0, :-1], np.float32(parameters(N_SIMS, 28)[first]))


def test_the_older_name_of_the_table_is_known_and_other_columns_can_be_named(tmp_path: Path) -> None:
    folder = write_set(tmp_path, n_columns=2)
    (folder / "params_LH_IllustrisTNG.txt").rename(folder / "params_IllustrisTNG.txt")
    with pytest.raises(ValueError, match=r"params_IllustrisTNG.txt: expected param_names.*got 2 columns"):
        MultifieldSource(config(folder), "train")
    source = MultifieldSource(config(folder, param_names=("omega_m", "A"), omega_b=0.04), "train")
    assert source.about.param_names == ("omega_m", "A", "omega_b", "h", "redshift")
    assert float(source.read([0]).params[0, 2]) == pytest.approx(0.04)


@pytest.mark.parametrize("set_name", ["1P", "EX", "BE"])
def test_a_set_of_one_universe_is_never_parted(tmp_path: Path, set_name: str) -> None:
    with pytest.raises(ValidationError, match=f"one share of 1 for {set_name}"):
        config(tmp_path, set_name=set_name)
    write_set(tmp_path, set_name=set_name)
    told = config(tmp_path, set_name=set_name, split=(0.0, 0.0, 1.0))
    assert len(MultifieldSource(told, "test")) == N_SIMS * N_MAPS
    with pytest.raises(ValueError, match="simulations in the train split, found none"):
        MultifieldSource(told, "train")


@pytest.mark.parametrize("suffix", [".npy", ".hdf5"])
def test_one_map_is_read_not_the_file(tmp_path: Path, suffix: str) -> None:
    shape = (300, 256, 256)
    np.savetxt(tmp_path / "params_CV_IllustrisTNG.txt", parameters(20))
    for field in FIELDS:
        path = tmp_path / (stem(field, set_name="CV") + suffix)
        if suffix == ".npy":
            np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        else:
            with h5py.File(path, "w") as file:
                file.create_dataset(f"Maps_{field}", shape, "f4")
    source = MultifieldSource(config(tmp_path, set_name="CV", maps_per_simulation=15), "train")
    tracemalloc.start()
    source.read([7])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 256 * 256 * 4 < np.prod(shape)


WRONG: dict[str, tuple[NDArray[Any], str]] = {
    "double": (maps_of("Mgas", 15, 16).astype("f8"), "expected float32 maps .n, P, P., .* got float64"),
    "objects": (np.array([None, {}]), "expected a whole file of maps"),
    "short": (maps_of("Mgas", 14, 16), r"expected 15 maps .*, got 14"),
    "long": (maps_of("Mgas", 16, 16), r"expected 15 maps .*, got 16"),
    "small": (maps_of("Mgas", 15, 8), "expected maps of 16 pixels as in the others, got 8"),
    "oblong": (maps_of("Mgas", 15, 16)[:, :8], r"expected float32 maps .*, got float32 \(15, 8, 16\)"),
    "cubes": (maps_of("Mgas", 15, 16)[..., None], r"expected float32 maps"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_of_other_things_is_refused_by_name(tmp_path: Path, wrong: str) -> None:
    path = write_set(tmp_path) / f"{stem('Mgas')}.npy"
    content, message = WRONG[wrong]
    np.save(path, content, allow_pickle=True)
    with pytest.raises(ValueError, match=rf"{path.name}: {message}"):
        MultifieldSource(config(tmp_path), "train")


@pytest.mark.parametrize("suffix", [".npy", ".hdf5"])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, suffix: str) -> None:
    path = write_set(tmp_path, suffix=suffix) / f"{stem('Mstar')}{suffix}"
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ValueError, match=rf"{path.name}: expected a whole file of maps"):
        MultifieldSource(config(tmp_path), "train")


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_impossible_pixels_are_refused_when_their_map_is_read(tmp_path: Path, value: float) -> None:
    path = write_set(tmp_path) / f"{stem('Mtot')}.npy"
    maps = maps_of("Mtot", N_SIMS * N_MAPS, N_PIXELS)
    maps[7, 3, 4] = value
    write_maps(path, maps)
    source = MultifieldSource(config(tmp_path, split=(1.0, 0.0, 0.0)), "train")
    source.read([6, 8])
    with pytest.raises(ValueError, match=rf"{path.name}: expected numbers >= 0 in map 7, got 1 pixels"):
        source.read([7])


@pytest.mark.parametrize("field", FIELDS[:4])
def test_a_missing_file_is_named(tmp_path: Path, field: str) -> None:
    (write_set(tmp_path) / f"{stem(field)}.npy").unlink()
    with pytest.raises(FileNotFoundError, match=stem(field)):
        MultifieldSource(config(tmp_path), "train")


def test_a_field_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path)
    write_set(tmp_path, suffix=".hdf5")
    with pytest.raises(ValueError, match=r"expected one of Maps_Mtot_Nbody_.*hdf5"):
        MultifieldSource(config(tmp_path), "train")


def test_an_hdf5_file_of_several_data_sets_must_name_one(tmp_path: Path) -> None:
    path = write_set(tmp_path, suffix=".hdf5") / f"{stem('Mgas')}.hdf5"
    with h5py.File(path, "a") as file:
        file.move("Maps_Mgas", "a")
        file["b"] = 1.0
    with pytest.raises(ValueError, match=rf"{path.name}: expected a whole file of maps, got: .*none of them Maps_Mgas"):
        MultifieldSource(config(tmp_path), "train")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.3 nan 1 1 1 1\n", "finite"),
        ("0.3 x 1 1 1 1\n", "rows of numbers"),
        ("", "finite|rows"),
        ("1 2\n3\n", "rows"),
    ],
)
def test_a_table_of_other_things_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params_LH_IllustrisTNG.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"{path.name}: expected .*({message})"):
        read_table(path, config(tmp_path))
