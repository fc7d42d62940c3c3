"""Sets of lenses: the same bytes however they are made, resumed, and read by anybody's FITS reader."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from small_lenses import FOLDER, family
from typer.testing import CliRunner

from configs import Lenses
from sim import lens_sets
from sim.__main__ import app
from sim.lens_fits import read_pairs
from sim.lens_sets import Part
from sim.lens_shards import UNITS
from sim.lens_shards import lens_sets as found_sets
from sim.lensing.exposure import rate_of
from sim.lensing.truth import TRUTH


def small(out: Path, **told: object) -> Lenses:
    return family("multi_instrument", out=out, n_pixels=24, n=5, systems_per_task=2, **told)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Lenses:
    config = small(tmp_path_factory.mktemp("lenses") / "set")
    list(lens_sets.produce(config))
    return config


def files(config: Lenses) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(config.out.iterdir())}


def test_parts_may_be_made_in_any_order_and_again(made: Lenses, tmp_path: Path) -> None:
    other = made.model_copy(update={"out": tmp_path})
    records = [lens_sets.make(part, other) for part in reversed(lens_sets.parts(other))]
    lens_sets.write_manifest(other, records)
    assert files(other) == files(made)
    assert [name for name in files(made) if name.endswith("hdf5")] == [f"lenses_0000{i}.hdf5" for i in range(3)]


def test_only_what_is_missing_or_damaged_is_made_again(made: Lenses, tmp_path: Path) -> None:
    config = made.model_copy(update={"out": tmp_path / "set"})
    shutil.copytree(made.out, config.out)
    before = files(config)
    first, second, third = (part.path(config) for part in lens_sets.parts(config))
    second.write_bytes(second.read_bytes()[:-1] + b"x")
    third.with_suffix(".json").unlink()
    stamp = first.stat().st_mtime_ns
    list(lens_sets.produce(config))
    assert files(config) == before
    assert first.stat().st_mtime_ns == stamp
    more = config.model_copy(update={"n": 4})
    assert [lens_sets.completed(part, more) is not None for part in lens_sets.parts(more)] == [True, True]
    other = config.model_copy(update={"seed": 1})
    assert [lens_sets.completed(part, other) for part in lens_sets.parts(other)] == [None] * 3


def test_a_shard_has_its_images_and_the_truth(made: Lenses) -> None:
    manifest = lens_sets.read_manifest(made.out)
    assert (manifest.n, manifest.family, manifest.units) == (5, "multi_instrument", UNITS)
    assert manifest.parameters["b"] == "theta_e"
    images, truths = lens_sets.read_shard(made.out / "lenses_00001.hdf5")
    assert {name: values.shape[1:] for name, values in images.items()} == {
        "image": (24, 24),
        "noiseless": (24, 24),
        "noise_map": (24, 24),
        "psf": (25, 25),
        "source": (24, 24),
    }
    assert truths["index"].tolist() == [2, 3]
    assert set(truths.numbers) == set(TRUTH)
    assert found_sets(made.out) == found_sets(made.out.parent) == [made.out]
    size = sum(part.n_bytes for part in manifest.parts)
    assert lens_sets.planned_bytes(made, 5) == pytest.approx(size, rel=0.5)


def test_fits_pairs_are_the_shards_with_a_scale_and_the_truth(made: Lenses, tmp_path: Path) -> None:
    config = made.model_copy(update={"out": tmp_path, "format": "fits"})
    lens_sets.make(Part(1, 2, 4), config)
    names = ["lensed_00002.fits", "lensed_00003.fits", "lenses_00001.json", "source_00002.fits", "source_00003.fits"]
    assert sorted(files(config)) == names
    (images, truths), (expected, truth) = (
        read_pairs(tmp_path, [2, 3]),
        lens_sets.read_shard(made.out / "lenses_00001.hdf5"),
    )
    for name in UNITS:
        np.testing.assert_array_equal(images[name], expected[name])
    for name in TRUTH:
        np.testing.assert_allclose(truths[name], truth[name], rtol=1e-12, err_msg=name)
    header = fits.getheader(tmp_path / "lensed_00002.fits")
    assert (header["BUNIT"], header["EXPTIME"]) == ("electron s-1", truth["exposure_time"][0])
    assert units.Unit(fits.getheader(tmp_path / "source_00002.fits")["BUNIT"]) == units.Unit("electron s-1 arcsec-2")
    assert all(len(quantity.card) <= 8 for quantity in TRUTH.values())
    assert len({quantity.card for quantity in TRUTH.values()}) == len(TRUTH)


def test_the_coordinates_of_an_image_are_those_of_the_sky(made: Lenses, tmp_path: Path) -> None:
    config = made.model_copy(update={"out": tmp_path, "format": "fits"})
    lens_sets.make(Part(0, 0, 1), config)
    header = fits.getheader(tmp_path / "lensed_00000.fits")
    sky, pixel = WCS(header), header["PIXSCALE"]
    middle = sky.pixel_to_world(11.5, 11.5)
    assert middle.separation(SkyCoord(0 * units.deg, 0 * units.deg)).arcsec == pytest.approx(0, abs=1e-6)
    right, up = sky.pixel_to_world(12.5, 11.5), sky.pixel_to_world(11.5, 12.5)
    assert middle.position_angle(up).deg == pytest.approx(0, abs=1e-3)
    assert middle.position_angle(right).deg == pytest.approx(270, abs=1e-3)
    assert middle.separation(right).arcsec == pytest.approx(pixel, rel=1e-6)
    np.testing.assert_allclose(sky.proj_plane_pixel_scales()[0].to_value("arcsec"), pixel, rtol=1e-9)
    source, told = fits.getdata(tmp_path / "source_00000.fits", header=True)
    flux = source.sum(dtype=float) * told["PIXSCALE"] ** 2
    assert flux == pytest.approx(rate_of(header["SRC_MAG"], header["MAGZERO"]), rel=0.1)


def test_a_disk_without_room_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    config = small(tmp_path / "set").model_copy(update={"n": 2**24, "n_pixels": 1024})
    with pytest.raises(ValueError, match=r"expected room for 21\d TB, found .*; ask for fewer \(n\)"):
        lens_sets.refuse_full_disk(config, config.n)
    assert "5 systems of multi_instrument to make, " in lens_sets.refuse_full_disk(small(tmp_path / "set"), 5)


def test_the_command_makes_a_set_and_says_what_is_wrong(tmp_path: Path) -> None:
    told = [str(FOLDER / "foundation.yaml"), f"out={tmp_path / 'set'}", "n=2", "n_pixels=16", "supersampling=1"]
    done = CliRunner().invoke(app, ["lenses", *told])
    assert (done.exit_code, done.stderr) == (0, "")
    assert "2 systems of foundation; " in done.stdout
    wrong = CliRunner().invoke(app, ["lenses", *told, "mass.q=3"])
    assert wrong.exit_code == 2
    assert "mass.q: expected numbers from 0.1 to 1, got 3 to 3" in wrong.stderr
