from __future__ import annotations

import pytest
from small_lenses import FAMILIES, FOLDER

from configs import ConfigError, Lenses, load
from configs.priors import highest, lowest

FOUNDATION = FOLDER / "foundation.yaml"


@pytest.mark.parametrize("name", FAMILIES)
def test_the_six_families_are_within_the_published_ranges(name: str) -> None:
    config = load(Lenses, FOLDER / f"{name}.yaml")
    assert config.family == name
    assert (config.n_pixels, config.supersampling) == (96, 4)
    radius = config.mass.theta_e if config.mass.sigma_v is None else None
    low, high = (lowest(radius), highest(radius)) if radius is not None else config.reject.theta_e
    assert 0.3 <= low < high <= 2.0
    assert 0.3 <= lowest(config.mass.q) <= highest(config.mass.q) <= 1.0
    assert 0.25 <= lowest(config.z_lens) <= highest(config.z_lens) <= 0.9
    assert highest(config.z_source) <= 3.5


def test_families_are_read_back_as_they_were_written() -> None:
    for name in FAMILIES:
        config = load(Lenses, FOLDER / f"{name}.yaml")
        assert Lenses.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("mass.q={low: 0.9, high: 0.3}", "mass.q: low below high, got 0.9 and 0.3"),
        ("mass.q={low: 0.01, high: 0.3}", "mass.q: numbers from 0.1 to 1, got 0.01 to 0.3"),
        ("mass.q={mean: 0.9, std: 0.01, low: 0.1, high: 0.3}", "mass.q: low and high within 5 std of the mean"),
        ("mass.q={choice: [0.3, 0.4], weights: [1]}", "mass.q: one weight for each of 2 numbers"),
        ("mass.theta_e={low: 0.0, high: 1.0, log: true}", "mass.theta_e: low above 0 with log: true, got 0.0"),
        ("mass.sigma_v=200", "mass: theta_e, or sigma_v: one of the two, got both"),
        ("psf_side=24", "psf_side: an odd number, got 24"),
        ("sources.kinds={image: 1}", "sources: images: FITS files for the sources of kind image, got none"),
        ("sources.kinds={blob: 1}", "expected 'sersic', 'clumpy', 'spiral', 'bulge_disc' or 'image', got 'blob'"),
        ("instruments.0.psf.kinds=[kernel]", "instruments.0.psf: kernel: a FITS file where kinds has `kernel`"),
        ("instruments.0.psf.fwhm=5", "psf.fwhm: at most 20 pixels, got 5 arcsec"),
        ("engine=other", "engine: expected 'darkglass' or 'lenstronomy', got 'other'"),
    ],
)
def test_what_is_wrong_is_said(override: str, words: str) -> None:
    with pytest.raises(ConfigError) as found:
        load(Lenses, FOUNDATION, [override])
    assert words.replace("expected ", "") in str(found.value).replace("expected ", "")
    assert "\n" not in str(found.value)
