from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from astropy.io import fits
from lens_images import PIXEL, Galaxy, observation, rate

from configs import Prepare
from learn import __main__ as program
from learn.lenses import preparation
from sim.images import prepared as prepared_file


def folder(tmp_path: Path) -> Path:
    """Two lenses and a file that is none."""
    where = tmp_path / "in"
    where.mkdir()
    for i, name in enumerate(("A", "C")):
        header = fits.Header({"PIXSCALE": PIXEL, "BUNIT": "electron/s", "EXPTIME": 2000.0})
        image = observation(rate(41, Galaxy(r_e=4.0)), seed=i).image
        fits.PrimaryHDU(image, header).writeto(where / f"{name}.fits")
    (where / "B.fits").write_bytes(b"no image")
    return where


def test_a_bad_image_does_not_stop_the_others(tmp_path: Path) -> None:
    config = Prepare(image=folder(tmp_path), out=tmp_path / "out", lens_light="keep")
    rows = list(preparation.prepared(preparation.found(config), config))
    assert [row.name for row in rows] == ["A", "B", "C"]
    assert rows[1].error.startswith(f"{config.image}/B.fits: expected a whole FITS file")
    assert preparation.words(rows[1]).startswith("B: NOT PREPARED: ")
    assert preparation.words(rows[0]) == (
        f"A: 41 x 41 of 0.05 arcsec, corner chi {rows[0].corner_chi:.2f}; no point spread function"
    )
    assert rows[0].corner_chi == pytest.approx(1, abs=0.3)
    with (config.out / preparation.SUMMARY).open() as file:
        table = list(csv.DictReader(file))
    assert [row["name"] for row in table] == ["A", "B", "C"]
    assert [bool(row["error"]) for row in table] == [False, True, False]
    assert float(table[0]["pixel_size"]) == PIXEL
    assert math.isnan(float(table[1]["noise"]))
    for name in ("A", "C"):
        assert prepared_file.read(config.out / f"{name}_prepared.fits").image.shape == (41, 41)
        assert (config.out / f"{name}_preparation.png").read_bytes().startswith(b"\x89PNG")
    assert not list(config.out.glob(".*"))


def test_the_command_says_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = folder(tmp_path)
    monkeypatch.setattr("sys.argv", ["learn", "prepare", str(where), f"out={tmp_path / 'out'}", "lens_light=keep"])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code in (0, None)
    assert (tmp_path / "out" / "summary.csv").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["psf.fwhm=0.1", "psf.star=[3.0,4.0]"], "psf: expected one of file, fwhm and star, got fwhm and star"),
        (["psf.size=8"], "psf: expected an odd size, got 8"),
        (["center=left"], "center: expected "),
        (["n_pixels=2"], "n_pixels: expected greater than or equal to 8, got 2"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    monkeypatch.setattr("sys.argv", ["learn", "prepare", str(tmp_path), *options])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
