from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from astropy.io import fits
from lens_images import PIXEL, Galaxy, observation, rate

from configs import Prepare
from sim.images import catalog, prepared, world
from sim.images.catalog import Entry
from sim.images.observation import Observation
from sim.images.prepare import prepared as after_all
from sim.images.prepare import steps
from sim.images.psf import gaussian
from sim.images.read import read
from sim.images.sources import found

IMAGE = np.arange(30.0 * 30).reshape(30, 30)
NOISE = np.full((30, 30), 2.0)
PSF = gaussian(2.0, 9)


def write(path: Path, *planes: tuple[str, np.ndarray], **header: Any) -> Path:
    """The first plane in the primary extension if it has no name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    units: list[Any] = [fits.PrimaryHDU(planes[0][1] if planes[0][0] == "" else None, fits.Header(header))]
    units += [fits.ImageHDU(values, name=name) for name, values in planes if name]
    fits.HDUList(units).writeto(path)
    return path


def write_dolphin(folder: Path, **content: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    matrix = np.array([[-0.04, 0.0], [0.0, 0.04]])
    values = {"image_data": IMAGE, "exposure_time": 900 + IMAGE, "background_rms": 0.3, "transform_pix2angle": matrix}
    with h5py.File(folder / "image_J1_F814W.h5", "w") as file:
        for name, value in {**values, "ra_at_xy_0": 0.6, "dec_at_xy_0": -0.6, **content}.items():
            file[name] = value
    with h5py.File(folder / "psf_J1_F814W.h5", "w") as file:
        file["kernel_point_source"] = PSF
    return folder / "image_J1_F814W.h5"


def asked(path: Path, **options: Any) -> Prepare:
    return Prepare.model_validate({"image": path, "out": path.parent / "out", **options}, strict=False)


def opened(path: Path, entry: Entry | None = None, **options: Any) -> Observation:
    config = asked(path, **options)
    (source,) = found(config)
    return read(source, config, entry or Entry())


def test_one_file_with_extensions(tmp_path: Path) -> None:
    known = {"PIXSCALE": 0.05, "BUNIT": "ELECTRONS/S", "EXPTIME": 100.0, "Z_LENS": 0.5, "Z_SRC": 1.5, "BKGRMS": 0.1}
    mask = np.ones((30, 30), np.int16)
    mask[2, 3] = 0
    planes = ("", IMAGE), ("SIGMA", NOISE), ("PSF", PSF), ("PSFERR", PSF), ("MASK", mask)
    one = opened(write(tmp_path / "J1_F814W.fits", *planes, FILTER="F814W", INSTRUME="ACS", **known))
    np.testing.assert_array_equal(one.image, IMAGE)
    np.testing.assert_array_equal(one.sigma, NOISE)
    np.testing.assert_array_equal(one.psf, PSF)
    assert (~one.mask).sum() == 1
    assert (one.name, one.pixel_size, one.exposure_time) == ("J1_F814W", 0.05, 100)
    assert (one.z_lens, one.z_source, one.background_rms, one.band) == (0.5, 1.5, 0.1, "F814W")
    assert ("INSTRUME", "ACS", "") in one.cards


@pytest.mark.parametrize(
    ("name", "values"),
    [("ERR", NOISE), ("VAR", NOISE**2), ("IVAR", NOISE**-2), ("RMS", NOISE), ("NOISE_MAP", NOISE)],
)
def test_noise_in_every_form_is_a_standard_deviation(tmp_path: Path, name: str, values: np.ndarray) -> None:
    one = opened(write(tmp_path / "a.fits", ("SCI", IMAGE), (name, values), PIXSCALE=0.05))
    np.testing.assert_allclose(one.sigma, NOISE)


def test_extensions_may_be_told_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", ("FIRST", NOISE), ("SECOND", IMAGE), ("K", PSF), PIXSCALE=0.05)
    one = opened(path, extensions={"image": "second", "noise": 1, "psf": "K"})
    np.testing.assert_array_equal(one.image, IMAGE)
    np.testing.assert_array_equal(one.sigma, NOISE)
    with pytest.raises(ValueError, match=r"extensions.psf: expected one of 1 first, 2 second, 3 k, got 'psf'"):
        opened(path, extensions={"psf": "psf"})


def test_files_beside_an_image_are_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "J0946"
    extra = np.zeros((30, 30))
    extra[5:8, 5:8] = 1
    for name, values in {"data": IMAGE, "noise_map": NOISE, "psf": PSF, "mask_extra_galaxies": extra}.items():
        write(folder / f"{name}.fits", ("", values))
    (folder / "info.json").write_text(json.dumps({"pixel_scale": 0.05, "redshift_lens": 0.2, "redshift_source": 0.6}))
    for path in (folder, folder / "data.fits", tmp_path):
        one = opened(path)
        assert (one.name, one.pixel_size, one.z_lens, one.z_source) == ("J0946", 0.05, 0.2, 0.6)
        np.testing.assert_array_equal(~one.mask, extra == 1)
        np.testing.assert_array_equal(one.sigma, NOISE)
        assert one.psf is not None
    np.testing.assert_array_equal(opened(folder, mask={"keeps": 1}).mask, extra == 1)
    write(tmp_path / "other" / "A.fits", ("", IMAGE))
    write(tmp_path / "other" / "A_noise.fits", ("", 3 * NOISE))
    assert opened(tmp_path / "other").sigma[0, 0] == 6


def test_bands_of_a_file_are_images_of_their_own(tmp_path: Path) -> None:
    planes = [(f"{band}_{kind}", values) for band in ("VIS", "NIR_Y") for kind, values in EUCLID.items()]
    path = write(tmp_path / "E.fits", *planes, MAGZERO=24.6)
    assert [source.name for source in found(asked(path))] == ["E_VIS", "E_NIR_Y"]
    one = opened(path, band="NIR_Y", pixel_scale=0.1)
    assert (one.name, one.band, one.zero_point) == ("E_NIR_Y", "NIR_Y", 24.6)
    np.testing.assert_array_equal(one.psf, PSF)
    with pytest.raises(ValueError, match="expected an image of H in vis_bgsub"):
        opened(path, band="H")


EUCLID = {"BGSUB": IMAGE, "RMS": NOISE, "PSF": PSF}


def test_the_layout_of_dolphin(tmp_path: Path) -> None:
    one = opened(write_dolphin(tmp_path / "J1"))
    assert (one.name, one.band, one.unit) == ("J1_F814W", "F814W", "electron/s")
    assert one.pixel_size == pytest.approx(0.04)
    assert one.background_rms == 0.3
    np.testing.assert_array_equal(one.exposure_map, 900 + IMAGE)
    np.testing.assert_array_equal(one.psf, PSF)
    assert one.wcs is not None
    assert tuple(map(float, one.wcs.wcs_pix2world(29, 0, 0))) == pytest.approx((0.6 - 29 * 0.04, -0.6))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"image_data": np.zeros(9)}, "expected a dataset image_data of two axes"),
        ({"exposure_time": np.ones((3, 3))}, r"exposure_time: expected shape \(30, 30\) as the image, got \(3, 3\)"),
        ({"transform_pix2angle": np.eye(3)}, r"transform_pix2angle: expected numbers of shape \(2, 2\)"),
        ({"background_rms": "much"}, "background_rms: expected a number"),
        ({"transform_pix2angle": np.diag([-0.04, 0.05])}, "expected square pixels, got 0.04 x 0.05 arcsec"),
    ],
)
def test_a_broken_file_of_dolphin_is_refused(tmp_path: Path, content: Mapping[str, Any], message: str) -> None:
    path = write_dolphin(tmp_path, **content)
    with pytest.raises(ValueError, match=message):
        opened(path)


@pytest.mark.parametrize(
    "header",
    [
        {"CD1_1": -2e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 2e-5},
        {"CDELT1": -2e-5, "CDELT2": 2e-5},
        {"CDELT1": 1.0, "CDELT2": 1.0, "PC1_1": -1.6e-5, "PC1_2": 1.2e-5, "PC2_1": 1.2e-5, "PC2_2": 1.6e-5},
        {"CD1_1": -2e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 2e-5, "CDELT1": 1.0, "PC1_1": -2e-5, "PC2_2": 2e-5},
    ],
)
def test_the_pixel_scale_is_that_of_the_coordinates(tmp_path: Path, header: Mapping[str, float]) -> None:
    kind = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 5.0, "CRPIX1": 1.0, "CRPIX2": 1.0}
    one = opened(write(tmp_path / "a.fits", ("", IMAGE), **kind, **header))
    assert one.pixel_size == pytest.approx(0.072, rel=1e-6)
    assert "0.072 arcsec a pixel by its coordinates" in one.history[0].text


def test_who_tells_the_pixel_scale_is_said_and_two_that_differ_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", ("", IMAGE), PIXSCALE=0.05)
    assert "by its header" in opened(path).history[0].text
    assert opened(path, Entry(pixel_scale_arcsec=0.0503)).pixel_size == 0.05
    with pytest.raises(ValueError, match=r"got 0.05 arcsec by its header and 0.06 by the catalogue"):
        opened(path, Entry(pixel_scale_arcsec=0.06))
    with pytest.raises(ValueError, match=r"got 0.1 arcsec by the option and 0.05 by its header"):
        opened(path, pixel_scale=0.1)
    bare = write(tmp_path / "b" / "b.fits", ("", IMAGE))
    assert opened(bare).warnings == ("no pixel scale",)
    assert "by the option" in opened(bare, pixel_scale=0.1).history[0].text


def test_8_bit_data_are_warned_of(tmp_path: Path) -> None:
    one = opened(write(tmp_path / "a.fits", ("", IMAGE.astype(np.uint8)), PIXSCALE=0.05))
    assert one.warnings == ("8-bit data, made to be looked at: brightness is no flux",)


def test_a_catalogue_tells_redshifts_and_scales(tmp_path: Path) -> None:
    path = tmp_path / "lenses.csv"
    path.write_text("lens_name,z_lens,z_source,pixel_scale_arcsec\nJ1,0.5,1.5,0.05\nJ1_F814W,0.6,,\nJ10,,,0.04\n")
    entries = catalog.read(path)
    assert catalog.entry(entries, "J1_F160W") == Entry(0.5, 1.5, 0.05)
    assert catalog.entry(entries, "J1_F814W") == Entry(0.6)
    assert catalog.entry(entries, "J10") == Entry(pixel_scale_arcsec=0.04)
    assert catalog.entry(entries, "J2") == Entry()
    image = write(tmp_path / "J1.fits", ("", IMAGE), Z_LENS=0.7, Z_SRC=2.0)
    assert opened(image, entries["J1"]).z_lens == 0.5
    for text, message in (("a,b\n1,2\n", "expected a column lens_name"), ("lens_name,z_lens\nA,-1\n", "A: z_lens")):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            catalog.read(path)


@pytest.mark.parametrize(
    ("planes", "message"),
    [
        ([("", np.zeros((5, 4, 3)))], "expected an image of two axes, got shape"),
        ([("", np.zeros(4))], "expected an image, got 1 extension"),
        ([("", IMAGE), ("NOISE", NOISE[:10])], r"expected a noise of shape \(30, 30\) as the image, got \(10, 30\)"),
        ([("", IMAGE), ("MASK", NOISE[:10])], r"expected a mask of shape \(30, 30\) as the image"),
        ([("", np.zeros((2, 9000)))], "expected at most 8192 pixels along a side"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, planes: list[Any], message: str) -> None:
    path = write(tmp_path / "a.fits", *planes, PIXSCALE=0.05)
    with pytest.raises(ValueError, match=message):
        opened(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for name, content in {"a.fits": b"not at all", "b.h5": b"nor this", "c.fits": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name}: expected a whole"):
            opened(tmp_path / name)
    whole = write(tmp_path / "d" / "d.fits", ("", IMAGE), PIXSCALE=0.05)
    whole.write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"d.fits: expected a whole FITS file"):
        opened(whole)
    (tmp_path / "e.txt").write_text("")
    with pytest.raises(ValueError, match="expected an image"):
        found(asked(tmp_path / "e.txt"))
    with pytest.raises(FileNotFoundError, match="expected an image or a folder"):
        found(asked(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="expected images"):
        found(asked(tmp_path / "empty"))


def same(one: Observation, other: Observation) -> None:
    for name in ("image", "mask", "noise", "psf", "lens_light"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in ("name", "unit", "band", "z_lens", "z_source", "warnings", "cards", "background_rms"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("pixel_size", "exposure_time", "gain", "zero_point", "center"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-12), name
    for ours, theirs in zip(one.history, other.history, strict=True):
        assert (ours.name, ours.text) == (theirs.name, theirs.text)
        assert dict(ours.numbers) == pytest.approx(dict(theirs.numbers), rel=1e-12)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    header = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 5.0, "CRPIX1": 9.0, "CRPIX2": 7.0}
    header |= {"CDELT1": -PIXEL / 3600, "CDELT2": PIXEL / 3600, "BUNIT": "ADU/S", "GAIN": 2.0, "EXPTIME": 2000.0}
    header |= {
        "Z_LENS": 0.7,
        "Z_SRC": 0.3,
        "FILTER": "F606W",
        "OBJECT": "a lens of ours",
        "PHOTFLAM": 7e-20,
        "PHOTPLAM": 5900.0,
    }
    image = observation(rate(41, Galaxy(r_e=4.0))).image / 2
    image[4, 5] = np.nan
    path = write(tmp_path / "in" / "J1.fits", ("", image), ("PSF", PSF), **header)
    config = asked(path, n_pixels=31, pixel_size=0.06, normalize="robust", n_profiles=1)
    (source,) = found(config)
    written = after_all(read(source, config, Entry()), config)
    target = tmp_path / "out" / "J1_prepared.fits"
    prepared.write(target, written)
    again = prepared.read(target)
    same(again, written)
    same(opened(target), written)
    assert written.wcs is not None
    assert again.wcs is not None
    np.testing.assert_allclose(again.wcs.wcs_pix2world(3, 4, 0), written.wcs.wcs_pix2world(3, 4, 0), rtol=1e-12)
    with fits.open(target) as file:
        assert [unit.name for unit in file] == ["PRIMARY", "NOISE", "PSF", "LENSLIGHT", "MASK"]
        assert file[0].header["SKYLEVEL"] == written.known("sky")["SKYLEVEL"]
        assert any("redshifts not used" in str(value) for value in file[0].header.values())
        assert str(file[0].header["HISTORY"][0]).startswith("1 read: 41 x 41 pixels")


def test_a_prepared_image_of_another_format_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", ("", IMAGE), DGFORMAT=7)
    with pytest.raises(ValueError, match="expected a prepared image of format 1, got 7"):
        opened(path)
    path = write(tmp_path / "b.fits", ("", IMAGE), DGFORMAT=1)
    with pytest.raises(ValueError, match="expected an extension MASK"):
        prepared.read(path)


SCALES = {"slacs_j0946": 0.05, "RXJ1131": 0.05, "SDSSJ1251": 0.04, "PSJ": 0.05, "SL2SJ": 0.04, "lens_system1": 0.04}


def test_every_real_lens_is_read_with_its_scale_and_its_sky_is_nearly_none(real_data: Path, tmp_path: Path) -> None:
    config = asked(real_data / "lenses", out=tmp_path, lens_light="keep")
    sources = found(config)
    assert len(sources) == 16
    for source in sources:
        *_, last = steps(read(source, config, Entry()), config)
        expected = next((scale for name, scale in SCALES.items() if source.name.startswith(name)), None)
        assert last.pixel_size == pytest.approx(expected or (0.1 if source.band else 0.05), rel=1e-3), source.name
        assert last.psf is not None
        assert last.unit == ("uJy" if source.band else "electron/s" if source.name != "slacs_j0946" else "unknown")
        sky = last.known("sky")
        assert abs(float(sky["SKYLEVEL"])) < 0.2 * float(sky["SKYRMS"]), source.name
        assert last.center is None or np.hypot(*np.subtract(last.center, last.middle)) < 0.2 * len(last.image)


def test_offsets_of_a_lens_are_coordinates(real_data: Path) -> None:
    config = asked(real_data / "lenses" / "quads" / "RXJ1131-1231_F814W.fits")
    (source,) = found(config)
    one = read(source, config, Entry())
    assert one.wcs is not None
    assert world.scale(one.wcs)[0] == pytest.approx(0.05, rel=1e-3)
    positions = {key: value for key, value, _ in one.cards if key.startswith("Q")}
    for i in range(1, 5):
        x, y = one.wcs.wcs_world2pix(positions[f"QX{i}"], positions[f"QY{i}"], 0)
        at = np.s_[round(float(y)) - 2 : round(float(y)) + 3, round(float(x)) - 2 : round(float(x)) + 3]
        assert one.image[at].max() > 20 * np.median(one.image)
