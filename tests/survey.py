"""A folder of lenses as a survey has it, and a tiny machine that never learned to invert them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astropy.io import fits
from lens_families import toy_machine, toy_systems
from lens_images import PIXEL, observation, rate

from configs import Reconstruct
from sim.images.psf import gaussian

SIDE, FIELD = 41, 1.6
"""Of the images [pixel], and of 32 of their pixels [arcsec]."""


def lens_file(path: Path, *, seed: int = 0, **cards: Any) -> Path:
    """A ring without a galaxy in front, with its point spread function."""
    known = {"PIXSCALE": PIXEL, "BUNIT": "electron/s", "EXPTIME": 2000.0, **cards}
    image = observation(rate(SIDE), seed=seed).image
    units = [fits.PrimaryHDU(image, fits.Header(known)), fits.ImageHDU(gaussian(2.0, 9), name="PSF")]
    fits.HDUList(units).writeto(path)
    return path


def survey(folder: Path) -> Path:
    """Two lenses, the second with redshifts, and a file that is none."""
    folder.mkdir()
    lens_file(folder / "A.fits")
    (folder / "B.fits").write_bytes(b"no image")
    lens_file(folder / "C.fits", seed=1, Z_LENS=0.3, Z_SRC=1.5)
    return folder


def machine(folder: Path) -> Path:
    """Of 32 x 32 pixels."""
    folder.mkdir(exist_ok=True)
    return toy_machine(folder, toy_systems(folder))


def asked(checkpoint: Path, image: Path, out: Path, **options: Any) -> Reconstruct:
    """With little effort; rings have no galaxy to subtract."""
    told = {"field": FIELD, "center": "none", "lens_light": "keep", "n_refine": 2, "n_draws": 4, **options}
    return Reconstruct(checkpoint=checkpoint, image=image, out=out, **told)


def content(folder: Path) -> dict[str, bytes]:
    """What a run has left, but for what tells of the run itself."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ("step.json", "summary.html")}
