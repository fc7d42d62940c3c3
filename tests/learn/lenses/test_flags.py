"""What an inversion says of itself: a lens in the words of a lens model, its bounds, and the flags."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from survey import machine

from learn.lenses import flags
from learn.lenses.inverter import Effort, Inversion, Inverter, arcsec
from learn.lenses.latent import NAMES, Lens
from learn.lenses.lens_words import at_ends, learned_radii, lens_model
from sim.images.observation import Observation
from sim.lensing.posterior import Draws, best

PIXEL = 0.05
HALF = PIXEL * 16
"""Of the side of an image."""


@pytest.fixture(scope="module")
def inverter(tmp_path_factory: pytest.TempPathFactory) -> Inverter:
    return Inverter.load(machine(tmp_path_factory.mktemp("machine")))


@pytest.fixture(scope="module")
def found(inverter: Inverter) -> Inversion:
    rng = np.random.default_rng(0)
    image, noise = rng.normal(size=(1, 32, 32)).astype(np.float32), np.ones((1, 32, 32), np.float32)
    psf = np.ones((1, 3, 3), np.float32)
    return inverter(image, noise, psf, np.array([PIXEL], np.float32), Effort(n_draws=8))


def seen(**known: object) -> Observation:
    return replace(Observation("toy", np.zeros((32, 32)), np.ones((32, 32), bool), pixel_size=PIXEL), **known)


def middle(inverter: Inverter) -> dict[str, float]:
    """In the middle of the training, in the unbounded numbers."""
    scale = inverter.meta.normalizer.params
    return dict(zip(NAMES, (np.array(scale.low) + np.array(scale.high)) / 2, strict=True))


def at(latent: dict[str, float], found: Inversion) -> Inversion:
    """With the lens of these numbers."""
    lens = Lens.of(torch.tensor([[latent[name] for name in NAMES]], dtype=torch.float32))
    return replace(found, lens=arcsec(lens, np.array([HALF], np.float32)))


def test_a_lens_in_words_bends_light_as_the_lens_does(inverter: Inverter, found: Inversion) -> None:
    """The best, and each of its draws, whose halos are cut off at no mass."""
    model = lens_model("toy", seen(), found, inverter)
    x, y = torch.tensor([[0.3, -0.2, 0.5]], dtype=torch.float64), torch.tensor([[0.1, 0.4, -0.6]], dtype=torch.float64)
    expected = Lens(torch.from_numpy(found.lens).double()).mass().deflection(x[None], y[None])
    for one, other in zip(best(model).mass.deflection(x, y), expected, strict=True):
        np.testing.assert_allclose(one, other[0], rtol=1e-5)
    rows = Draws.of(model, {(i, name): np.array(one.samples) for i, name, one in model.parameters()})
    draws = torch.from_numpy(found.draws[:, 0]).double()
    draws[:, NAMES.index("kappa_s")].clamp_(min=0)
    expected = Lens(draws).mass().deflection(x[None], y[None])
    for one, other in zip(rows.mass.deflection(x, y), expected, strict=True):
        np.testing.assert_allclose(one, other[:, 0], rtol=1e-4, atol=1e-5)


def test_angles_of_draws_are_within_a_quarter_turn_of_the_best(inverter: Inverter, found: Inversion) -> None:
    model = lens_model("toy", seen(), found, inverter)
    for _, name, one in model.parameters():
        if name == "phi":
            assert np.abs(np.array(one.samples) - one.value).max() <= 90
        assert one.error == pytest.approx(np.std(one.samples, ddof=1))


def test_what_no_lens_model_may_have_is_cut_and_at_its_bound(inverter: Inverter, found: Inversion) -> None:
    wild = found.lens.copy()
    wild[0, [NAMES.index("theta_e"), NAMES.index("kappa_s")]] = 300.0, -5e-4
    model = lens_model("toy", seen(), replace(found, lens=wild), inverter)
    told = {(model.components[i].kind, name): one for i, name, one in model.parameters()}
    assert (told["epl", "theta_e"].value, told["epl", "theta_e"].at_bound) == (100.0, True)
    assert (told["nfw", "kappa_s"].value, told["nfw", "kappa_s"].at_bound) == (0.0, False)


def test_bounds_are_the_ends_of_the_training(inverter: Inverter, found: Inversion) -> None:
    scale, inside = inverter.meta.normalizer.params, middle(inverter)
    ends = dict(zip(NAMES, zip(scale.low, scale.high, strict=True), strict=True))
    assert at_ends(at(inside, found), inverter, PIXEL) == frozenset()
    for name in ("theta_e", "e1", "x", "gamma2", "psf_width", "noise"):
        low, high = ends[name]
        for value in (low - 0.1, low, high, high + 0.1):
            assert at_ends(at(inside | {name: value}, found), inverter, PIXEL) == ({name} if high > low else set())
    model = lens_model("toy", seen(), at(inside | {"e1": ends["e1"][1]}, found), inverter)
    bounds = {(model.components[i].kind, name) for i, name, one in model.parameters() if one.at_bound}
    assert bounds == {("epl", "q")}


def test_the_radii_of_the_training_are_those_of_the_frame(inverter: Inverter) -> None:
    scale = inverter.meta.normalizer.params
    low, high = learned_radii(inverter, PIXEL)
    assert (low, high) == pytest.approx((HALF * np.exp(scale.low[0]), HALF * np.exp(scale.high[0])))
    assert flags.of_radius((low * high) ** 0.5, (low, high)) == {}
    for value in (0.99 * low, 1.01 * high):
        assert "the machine learned from" in flags.of_radius(value, (low, high))["theta_e"]


def test_flags_are_raised_at_their_limits_and_not_before() -> None:
    low, high = flags.GOOD_CHI2
    assert [bool(flags.of_chi2(value)) for value in (low - 0.01, low, 1.0, high, high + 0.01)] == [1, 0, 0, 0, 1]
    source = np.zeros((32, 32), np.float32)
    source[16, 16] = 1.0
    assert flags.of_source(source) == {}
    source[2, 16] = 0.5
    assert flags.of_source(source) == {}
    source[1, 16] = 0.5
    assert flags.of_source(source) == {"source_rim": "50% of the peak of the source is in the rim of its field"}
    assert flags.of_source(0 * source) == {}
    assert flags.of_bounds([]) == {}
    assert flags.of_bounds(["q of the epl", "noise"])["at_bound"].startswith("q of the epl, noise: at the end")


def test_flags_of_an_image() -> None:
    assert flags.of_image(seen(z_lens=0.3, z_source=1.0)) == {}
    assert flags.of_image(seen(z_lens=0.3)) == {"redshifts": "z_source unknown: no masses"}
    mask = np.arange(32 * 32).reshape(32, 32) < 500
    told = flags.of_image(seen(z_lens=0.3, z_source=1.0, mask=mask).after("frame", "", {"RATIO": 0.8}))
    assert told["masked"] == "49% of the pixels of the frame are used"
    assert told["finer"].startswith("pixels of 0.80 of the image's")
