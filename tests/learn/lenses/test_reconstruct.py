"""From images to files: what is inverted, what is written, what is done again, and what stops nothing."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from matplotlib.figure import Figure
from survey import FIELD, SIDE, asked, content, lens_file, machine, survey

from configs import Prepare, Reconstruct
from configs.lens_file import read_lens_model
from learn.__main__ import main
from learn.lenses import preparation, reconstruct, reconstruction_files
from learn.lenses.framing import given, in_frame, own_field
from learn.lenses.inverter import Effort, Exposures, Inverter
from learn.lenses.latent import NAMES
from learn.lenses.reconstruct import Lens
from learn.lenses.reconstruction import noise_raised
from learn.lenses.reconstruction_files import ENDS
from sim.images import world
from sim.images.observation import Observation, radii

N = 32


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return machine(tmp_path_factory.mktemp("machine"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return survey(tmp_path_factory.mktemp("survey") / "in")


@pytest.fixture(scope="module")
def written(checkpoint: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what was found."""
    config = asked(checkpoint, images, tmp_path_factory.mktemp("written"))
    list(reconstruct.reconstructed(reconstruct.found(config), config))
    return config.out


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of nothing, which take no time."""
    monkeypatch.setattr(reconstruction_files, "diagnostic", lambda _: Figure())


def record(folder: Path, name: str = "A") -> dict:
    return json.loads((folder / f"{name}_parameters.json").read_text())


def is_there(lens: Lens, config: Reconstruct) -> bool:
    """Whether its files are, of this image, machine and options."""
    return reconstruct.kept(lens.name, config, reconstruct.made_of(lens, config)) is not None


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Exit code of `python -m learn`."""
    monkeypatch.setattr(sys, "argv", ["learn", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def observed(**changes: object) -> Observation:
    """A ramp of 41 x 41 pixels of .05 arcsec with one masked pixel, its light in the upper right half."""
    image = np.add.outer(np.arange(SIDE), np.arange(SIDE)).astype(float)
    mask = np.ones(image.shape, bool)
    mask[20, 18] = False
    psf = np.ones((3, 3)) / 9
    seen = Observation("ramp", image, mask, noise=np.full(image.shape, 3e-19), psf=psf, pixel_size=0.05)
    return replace(seen, **changes)


def test_every_file_is_there_and_a_bad_image_stops_no_other(written: Path) -> None:
    expected = [f"{name}{end}" for name in ("A", "C") for end in ENDS] + ["summary.csv", "summary.html"]
    assert sorted(path.name for path in written.iterdir()) == sorted(expected)
    with (written / "summary.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["A", "B", "C"]
    assert "expected a whole FITS file" in rows["B"]["error"]
    assert rows["B"]["theta_e"] == ""
    for name in ("A", "C"):
        assert float(rows[name]["theta_e"]) == pytest.approx(record(written, name)["theta_e"]["value"], rel=1e-4)
        assert rows[name]["error"] == ""
    page = (written / "summary.html").read_text()
    assert 'src="A_diagnostic.png"' in page
    assert "expected a whole FITS file" in page
    assert (written / "A_diagnostic.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_written_is_what_the_inverter_answers(checkpoint: Path, images: Path, written: Path) -> None:
    config, inverter = asked(checkpoint, images, written), Inverter.load(checkpoint)
    seen = in_frame(reconstruct.observed(reconstruct.found(config)[0].job, config), config, N)
    noise = np.where(seen.mask, seen.noise, np.inf)
    raised = record(written)["noise_raised"]
    noise = noise.astype(np.float32) * np.float32(raised)
    arrays = (x[None].astype(np.float32) for x in (seen.image, noise, seen.psf))
    found = inverter(*arrays, np.array([0.05], np.float32), Effort(n_refine=2, n_draws=4))
    with fits.open(written / "A_source.fits") as file:
        np.testing.assert_array_equal(file[0].data, found.source[0])
        np.testing.assert_array_equal(file["ERROR"].data, found.source_error[0])
        assert file[0].header["CDELT1"] == pytest.approx(float(found.source_pixel[0]))
        assert "CTYPE1" not in file[0].header
    assert record(written)["chi2"] == pytest.approx(float(found.chi2[0]) * raised**2)
    lens = {one["kind"]: one["parameters"] for one in record(written)["lens_model"]["components"]}
    assert lens["epl"]["theta_e"]["value"] == pytest.approx(float(found.lens[0, 0]))
    assert lens["epl"]["theta_e"]["samples"] == pytest.approx(found.draws[:, 0, 0].tolist())
    assert lens["epl"]["theta_e"]["error"] == pytest.approx(float(found.lens_error[0, 0]), rel=1e-4)
    e = np.hypot(*(found.lens[0, NAMES.index(name)] for name in ("e1", "e2")))
    assert lens["epl"]["q"]["value"] == pytest.approx((1 - e) / (1 + e), rel=1e-4)


def test_model_plus_residual_times_noise_is_the_image(checkpoint: Path, images: Path, written: Path) -> None:
    config = asked(checkpoint, images, written)
    seen = in_frame(reconstruct.observed(reconstruct.found(config)[0].job, config), config, N)
    model, residual = (fits.getdata(written / f"A_{name}.fits") for name in ("forward", "residual"))
    assert model.shape == (N, N)
    np.testing.assert_array_equal(np.isfinite(residual), seen.mask)
    again = (model + residual * seen.noise)[seen.mask]
    np.testing.assert_allclose(again, seen.image[seen.mask], rtol=1e-5, atol=1e-6)
    told = record(written)
    assert told["n_fitted"] > 0
    reduced = np.sum(residual[seen.mask] ** 2) / (told["n_used"] - told["n_fitted"])
    assert reduced == pytest.approx(told["chi2"], rel=1e-5)


def test_noise_is_raised_by_what_a_first_fit_leaves_and_never_lowered(checkpoint: Path, images: Path) -> None:
    config, inverter = asked(checkpoint, images, images / "out"), Inverter.load(checkpoint)
    told = given(in_frame(reconstruct.observed(reconstruct.found(config)[0].job, config), config, N))
    exposures = Exposures(told.images, told.noise / 10, told.psf, told.pixel_size)
    left = inverter.answer(exposures, Effort(n_refine=2, n_draws=0), 0).chi2[0]
    assert left > 1.5
    effort = Effort(n_refine=2, n_draws=4)
    assert noise_raised(inverter, exposures, effort, 0) == pytest.approx(np.sqrt(left))
    assert noise_raised(inverter, exposures._replace(noise=100 * told.noise), effort, 0) == 1
    assert noise_raised(inverter, exposures, Effort(n_draws=4), 0) == 1


def test_headers_say_where_and_how(written: Path) -> None:
    header = fits.getheader(written / "A_forward.fits")
    history = "\n".join(map(str, header["HISTORY"]))
    assert "frame: cut to 32 x 32" in history
    assert f"machine {record(written)['made']['weights_sha256']}" in history
    assert header["BUNIT"] == "electron/s"
    assert header["PIXSCALE"] == 0.05
    assert "DGFORMAT" not in header


def test_mass_reads_what_was_found(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written / "C_parameters.json"
    assert read_lens_model(path).z_source == 1.5
    assert run(monkeypatch, "mass", path, "--out", tmp_path, "n_draws=16") == 0
    told = json.loads((tmp_path / "C_mass.json").read_text())["quantities"]
    assert told["theta_e"]["value"] == pytest.approx(record(written, "C")["theta_e"]["value"], rel=1e-4)
    assert told["mass"]["value"] > 1e8


@pytest.mark.usefixtures("quick")
def test_what_is_there_is_not_made_again(checkpoint: Path, images: Path, written: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in written.iterdir() if path.name.startswith("A")}
    config = asked(checkpoint, images, written)
    lens = reconstruct.found(config)[0]
    assert is_there(lens, config)
    (row, *_) = reconstruct.reconstructed([lens], config)
    assert row.chi2 == record(written)["chi2"]
    assert {name: (written / name).stat().st_mtime_ns for name in before} == before
    assert not is_there(lens, config.model_copy(update={"seed": 1}))
    assert not is_there(replace(lens, weights_sha256="another"), config)


@pytest.mark.usefixtures("quick")
def test_a_missing_file_another_image_or_a_broken_record_is_made_again(checkpoint: Path, tmp_path: Path) -> None:
    config = asked(checkpoint, lens_file(tmp_path / "A.fits"), tmp_path / "out")
    (lens,) = reconstruct.found(config)
    reconstruct.attempted(lens, config)
    first = content(config.out)
    (config.out / "A_residual.fits").unlink()
    assert not is_there(lens, config)
    reconstruct.attempted(lens, config)
    assert content(config.out) == first
    (config.out / "A_parameters.json").write_text("{")
    assert not is_there(lens, config)
    reconstruct.attempted(lens, config)
    assert content(config.out) == first
    config.image.unlink()
    lens_file(config.image, seed=5)
    assert not is_there(lens, config)


@pytest.mark.usefixtures("quick")
def test_a_prepared_image_gives_what_the_image_gives(checkpoint: Path, tmp_path: Path) -> None:
    raw = lens_file(tmp_path / "A.fits")
    told = Prepare(image=raw, out=tmp_path / "prepared", center="none", lens_light="keep", normalize="minmax")
    list(preparation.prepared(preparation.found(told), told))
    ready = told.out / "A_prepared.fits"
    first, second = (asked(checkpoint, path, tmp_path / f"out_{path.stem}") for path in (raw, ready))
    for config in (first, second):
        (row,) = reconstruct.reconstructed(reconstruct.found(config), config)
        assert row.name == "A"
    sources = [fits.getdata(config.out / "A_source.fits") for config in (first, second)]
    np.testing.assert_allclose(*sources, rtol=1e-3, atol=1e-4 * sources[0].max())


def test_frames_are_cut_where_pixels_are_whole_and_resampled_elsewhere(checkpoint: Path, tmp_path: Path) -> None:
    config = asked(checkpoint, tmp_path, tmp_path, field=None)
    whole = in_frame(observed(), config, SIDE)
    np.testing.assert_array_equal(whole.image, observed().image)
    cut = in_frame(observed(), config.model_copy(update={"field": FIELD}), N)
    np.testing.assert_array_equal(cut.image, observed().image[4:36, 4:36])
    half = in_frame(observed(), config.model_copy(update={"field": 1.2}), 12)
    assert half.pixel_size == pytest.approx(0.1)
    assert half.noise[0, 0] == pytest.approx(6e-19)
    np.testing.assert_allclose(half.image.sum(), 576 * 40, rtol=1e-6)
    wide = in_frame(
        observed(image=np.ones((SIDE, 61)), mask=np.ones((SIDE, 61), bool), noise=np.ones((SIDE, 61))), config, SIDE
    )
    assert wide.image.shape == (SIDE, SIDE)
    np.testing.assert_array_equal(wide.mask, radii((SIDE, SIDE), (SIDE // 2, SIDE // 2)) < SIDE / 2)


def test_the_core_is_hidden_where_the_light_of_a_lens_was_fitted(checkpoint: Path, tmp_path: Path) -> None:
    config = asked(checkpoint, tmp_path, tmp_path, field=None)
    plain = observed(mask=np.ones((SIDE, SIDE), bool))
    fitted = plain.after("light", "fitted", {"LIGHTOFF": True}, lens_light=np.zeros((SIDE, SIDE)))
    middle = radii((SIDE, SIDE), (SIDE // 2, SIDE // 2)) * 0.05
    assert in_frame(plain, config, SIDE).mask[middle < 1].all()
    hidden = in_frame(fitted, config.model_copy(update={"core": 0.21}), SIDE).mask
    np.testing.assert_array_equal(hidden, (middle >= 0.21) & (middle < 1.025))
    assert in_frame(fitted, config.model_copy(update={"core": None}), SIDE).mask[middle < 1].all()


def test_a_field_is_chosen_by_the_light_of_the_ring(checkpoint: Path, tmp_path: Path) -> None:
    """A faint object far out moves it little; a field that is told wins, and the frame bounds it."""
    n = 121
    at = radii((n, n), (60, 60)) * 0.05
    ring = np.exp(-0.5 * ((at - 0.8) / 0.05) ** 2)
    ring[100:105, 100:105] = 0.2
    blank = {"noise": np.full((n, n), 0.01), "mask": np.ones((n, n), bool), "center": (60.0, 60.0)}
    config = asked(checkpoint, tmp_path, tmp_path, field=None)
    assert own_field(observed(image=ring, **blank)) == pytest.approx(4.5 * 0.8, rel=0.05)
    assert own_field(observed(image=0 * ring, **blank)) == pytest.approx(n * 0.05)
    assert in_frame(observed(image=ring, **blank), config, 48).pixel_size == pytest.approx(3.6 / 48, rel=0.05)
    assert own_field(observed(image=np.exp(-0.5 * ((at - 2.5) / 0.05) ** 2), **blank)) == pytest.approx(n * 0.05)


@pytest.mark.usefixtures("quick")
def test_coordinates_of_the_forward_image_are_those_of_the_sky(checkpoint: Path, tmp_path: Path) -> None:
    """The middle of a frame about pixel (22, 17) is where that pixel was."""
    frame = WCS(naxis=2)
    frame.wcs.ctype, frame.wcs.crval, frame.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [1.0, 1.0]
    frame.wcs.cdelt = [-0.05 / 3600, 0.05 / 3600]
    raw = lens_file(tmp_path / "A.fits", **dict(frame.to_header()))
    config = asked(checkpoint, raw, tmp_path / "out", center=(22.0, 17.0), field=1.0)
    list(reconstruct.reconstructed(reconstruct.found(config), config))
    moved = world.world(fits.getheader(config.out / "A_forward.fits"))
    middle = moved.pixel_to_world_values((N - 1) / 2, (N - 1) / 2)
    np.testing.assert_allclose(middle, frame.pixel_to_world_values(22.0, 17.0), rtol=0, atol=1e-3 * 0.05 / 3600)


def test_faint_units_and_masked_pixels_reach_the_machine(checkpoint: Path, tmp_path: Path) -> None:
    """Brightness of 1e-19 has squares that single precision has no number for."""
    told = given(observed(image=1e-19 * observed().image))
    np.testing.assert_allclose(told.images[0, 0, 1] * told.unit, 1e-19, rtol=1e-6)
    assert 0.5 < told.noise[0, 0, 0] < 2
    assert np.isinf(told.noise[0, 20, 18])
    assert np.log2(told.unit) % 1 == 0
    assert told.images[0, 20, 18] == 0


def test_light_that_was_fitted_but_not_subtracted_is_taken_off(checkpoint: Path, tmp_path: Path) -> None:
    config = asked(checkpoint, tmp_path, tmp_path)
    light = np.full((SIDE, SIDE), 5.0)
    fitted = observed(lens_light=light).after("light", "fitted", {"LIGHTOFF": False})
    np.testing.assert_allclose(in_frame(fitted, config, N).image, in_frame(observed(), config, N).image - 5)
    done = observed(lens_light=light).after("light", "subtracted", {"LIGHTOFF": True})
    np.testing.assert_array_equal(in_frame(done, config, N).image, in_frame(observed(), config, N).image)


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"psf": None}, {}, "ramp: psf: expected a point spread function, got none; give psf.fwhm"),
        ({"pixel_size": None}, {}, "ramp: pixel_scale: expected an image whose pixel scale is known"),
        ({"noise": None}, {}, "ramp: noise: expected a noise map, got none"),
        ({"mask": np.zeros((SIDE, SIDE), bool)}, {}, "ramp: field: expected at least 10% of pixels that are used"),
        ({}, {"field": 30.0}, "ramp: field: expected at least 10% of pixels that are used, got "),
    ],
)
def test_images_that_lack_something_are_refused(
    checkpoint: Path, tmp_path: Path, changes: dict, options: dict, words: str
) -> None:
    config = asked(checkpoint, tmp_path, tmp_path, **options)
    with pytest.raises(ValueError, match=words):
        given(in_frame(observed(**changes), config, N))


def test_names_are_those_of_lens_models_and_all_different() -> None:
    names = ["J1000+02", "J1000 02", "J1000_02", ".é", "A_prepared", "A"]
    assert reconstruct.named(names) == ["J1000+02", "J1000_02", "J1000_02-2", "lens", "A", "A-2"]


@pytest.mark.usefixtures("quick")
def test_the_command_says_what_it_did(
    checkpoint: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["center=none", "lens_light=keep", "n_refine=0", "n_draws=2", f"field={FIELD}", f"out={tmp_path / 'out'}"]
    assert run(monkeypatch, "reconstruct", checkpoint, images, *options) == 1
    printed = capsys.readouterr().out
    assert "B: NOT INVERTED: " in printed
    assert "reconstruct: 2 of 3 lenses" in printed
    assert run(monkeypatch, "reconstruct", checkpoint, images / "A.fits", *options) == 0
    assert "redshifts: z_lens and z_source unknown" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["n_draws=1"], "n_draws: expected greater than or equal to 2, got 1"),
        (["field=-1"], "field: expected greater than 0, got -1"),
        (["n_pixels=64"], "n_pixels: expected null, got 64"),
        (["n_reffine=2"], "got an unknown key"),
        (["psf.size=8"], "psf: expected an odd size"),
        (["checkpoint=absent"], "absent: expected a checkpoint"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(
    checkpoint: Path,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    words: str,
) -> None:
    assert run(monkeypatch, "reconstruct", checkpoint, images, *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
