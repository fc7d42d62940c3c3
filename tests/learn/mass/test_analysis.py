from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy import units
from lens_models import component, model, parameter, sie
from scipy.stats import norm

from configs.lens_model import LensModel
from configs.mass_analysis import MassAnalysis
from learn.mass.analysis import Analysis, analyse
from learn.mass.latex import number as in_latex
from learn.mass.measure import Measure
from learn.mass.profiles import around, profiles
from learn.mass.record import numbers, record
from learn.mass.report import number


def analysed(lens: LensModel, **keys: object) -> Analysis:
    config = MassAnalysis.model_validate({"source": Path("a"), "out": Path("b"), "n_draws": 200, **keys})
    return analyse(lens, config)


def with_error(percent: float) -> LensModel:
    sphere = component("sis", theta_e=1.0, x=0.0, y=0.0)
    sphere["parameters"]["theta_e"] = parameter(1.0, percent / 100)
    return model(sphere, source=(0.2, 0.1))


def half_width(measure: Measure) -> float:
    interval = measure.interval
    assert interval is not None
    return float((interval.high - interval.low) / interval.median / 2)


def test_an_error_of_one_percent_in_a_radius_is_two_in_its_mass_and_a_half_in_its_speed() -> None:
    found = analysed(with_error(1.0), n_draws=1000)
    ratio = {key: half_width(found[key]) / half_width(found["theta_e"]) for key in ("mass", "sigma_v", "image_2_delay")}
    assert half_width(found["theta_e"]) == pytest.approx(0.01, rel=0.1)
    assert ratio["mass"] == pytest.approx(2, rel=1e-3)
    assert ratio["sigma_v"] == pytest.approx(0.5, rel=1e-3)
    assert ratio["image_2_delay"] == pytest.approx(1, rel=1e-3)  # 2 theta_e beta of a sphere, at a source that stays


def test_samples_are_taken_for_the_posterior() -> None:
    lens = sie()
    samples = (1.2 + 0.024 * norm.ppf((np.arange(400) + 0.5) / 400)).tolist()
    lens["parameters"]["theta_e"] = parameter(1.2, 0.5, samples)
    assert half_width(analysed(model(lens), n_draws=400)["mass"]) == pytest.approx(2 * 0.02, rel=0.01)


def test_cosmologies_change_masses_as_astropy_says() -> None:
    found = {name: analysed(model(), cosmology=name)["mass"].value for name in ("Planck18", "FlatLambdaCDM(70, 0.3)")}
    ratio = found["Planck18"] / found["FlatLambdaCDM(70, 0.3)"]
    assert ratio.to_value("") == pytest.approx(70 / 67.66, rel=0.02)
    assert ratio != 1


def test_without_redshifts_there_are_angles_and_no_masses() -> None:
    found = analysed(model(z_source=None, source=(0.1, 0.0)))
    assert found.has("theta_e")
    assert found.has("image_1_magnification")
    assert not found.has("mass")
    assert not found.has("image_2_delay")
    assert "mass_msun" not in profiles(found)
    assert "mass_arcsec2" in profiles(found)


def test_profiles_meet_the_einstein_radius_and_bands_hold_the_best_values() -> None:
    found = analysed(with_error(2.0))
    columns, theta_e = profiles(found), found["theta_e"].value.value
    assert np.interp(theta_e, columns["radius_arcsec"], columns["mean_kappa"]) == pytest.approx(1, rel=0.01)
    at = np.interp(theta_e, columns["radius_arcsec"], columns["mass_msun"])
    assert at == pytest.approx(found["mass"].value.to_value("Msun"), rel=0.01)
    np.testing.assert_allclose(columns["mass_arcsec2"], np.pi * columns["radius_arcsec"] * theta_e, rtol=1e-6)
    assert (columns["mass_msun_low"] < columns["mass_msun"]).all()
    assert (columns["mass_msun"] < columns["mass_msun_high"]).all()
    assert np.ptp(around(found)["kappa"]) == pytest.approx(0, abs=1e-9)


def test_a_model_that_is_no_strong_lens_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="toy: expected a mean convergence that falls to 1 between"):
        analysed(model(component("nfw", kappa_s=0.01, r_s=3.0, x=0.0, y=0.0)))


@pytest.mark.parametrize(
    ("value", "error", "text", "tex"),
    [
        (1.38, 0.0276, "1.380  +0.028 −0.028", "$1.380^{+0.028}_{-0.028}$"),
        (2.976e11, 1.2e10, "2.98  +0.12 −0.12  ×10¹¹", r"$2.98^{+0.12}_{-0.12} \times 10^{11}$"),
        (-16.5, 3.0, "−16.5  +3.0 −3.0", "$-16.5^{+3.0}_{-3.0}$"),
        (3.67e9, 0.0, "3.670  ×10⁹", r"$3.670 \times 10^{9}$"),
        (0.1051, 1e-16, "0.1051", "$0.1051$"),
    ],
)
def test_numbers_are_written_to_two_digits_of_their_error(value: float, error: float, text: str, tex: str) -> None:
    steps = np.linspace(-2, 2, 4001)
    draws = (value + error / 1.36 * steps) * units.Msun  # quantiles 16 and 84 of which are one error away
    measure = Measure("a", "a", "$a$", value * units.Msun, draws)
    assert number(measure) == text
    assert in_latex(measure) == tex


def test_what_no_draw_has_is_null_and_counted() -> None:
    draws = np.array([1.0, 2.0, np.nan]) * units.day
    found = numbers(Measure("a", "a", "$a$", np.nan * units.day, draws))
    assert found["value"] is None
    assert found["n_lost"] == 1
    assert "median" not in numbers(Measure("a", "a", "$a$", 1 * units.day, draws * np.nan))


def test_a_record_names_what_was_at_its_bound() -> None:
    lens = sie()
    lens["parameters"]["q"] = {"value": 1.0, "at_bound": True}
    config = MassAnalysis(source=Path("a"), out=Path("b"))
    found = record(analyse(model(lens), config), config)
    assert found["at_bound"] == ["q of component 1"]
    assert found["n_draws"] == 0
    assert found["quantities"]["mass"]["unit"] == "solMass"
