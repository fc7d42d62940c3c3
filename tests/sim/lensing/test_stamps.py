from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from small_lenses import family, with_galaxies, write_galaxies

from sim.lensing.observations import observe
from sim.lensing.scene import laid
from sim.lensing.selection import select
from sim.lensing.stamps import stamps


def test_galaxies_are_centred_of_unit_flux_and_measured(tmp_path: Path) -> None:
    found = stamps((write_galaxies(tmp_path / "galaxies.fits"),))
    assert found.images.shape == (2, 51, 51)
    np.testing.assert_allclose(found.images.sum((1, 2)), 1)
    assert found.images.min() == 0
    np.testing.assert_allclose(found.half_light, [4 * 1.1774, 6 * 1.1774], rtol=0.08)
    along = np.arange(51) - 25
    for image in found.images:
        assert abs((image.sum(0) * along).sum()) < 0.6
        assert abs((image.sum(1) * along).sum()) < 0.6
    assert len({laid(found.images[0], turn).tobytes() for turn in range(8)}) == 8


def test_real_galaxies_become_sources(real_data: Path) -> None:
    path = real_data / "galaxies" / "real_galaxy_images_23.5_n1.fits"
    found = stamps((path,))
    assert len(found.images) == 10
    assert (found.half_light > 2).all()
    config = with_galaxies(family("foundation"), path)
    truths, _ = select(config, range(3))
    seen = observe(truths, config)
    assert (seen.noiseless.amax((1, 2)) > 0).all()
    assert seen.noiseless.isfinite().all()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((20, 20)), "brighter than their rims"),
        (np.full((20, 20), np.nan), "finite pixels"),
        (np.zeros((1, 20)), "from 2 to 1024 pixels"),
        (None, "from 1 to 4096, got 0"),
    ],
)
def test_what_is_no_galaxy_is_refused(tmp_path: Path, image: np.ndarray | None, words: str) -> None:
    path = tmp_path / "galaxy.fits"
    fits.PrimaryHDU(image).writeto(path)
    with pytest.raises(ValueError, match=words):
        stamps((path,))


def test_what_is_no_file_of_images_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a FITS file of images"):
        stamps((tmp_path / "absent.fits",))
    (tmp_path / "text.fits").write_text("no FITS")
    with pytest.raises(ValueError, match="expected a FITS file of images"):
        stamps((tmp_path / "text.fits",))
