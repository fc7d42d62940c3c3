from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from lens_models import component, model, parameter, sie

from sim.lensing.posterior import best, drawn, is_certain
from sim.lensing.profiles import EPL, Shear


def uncertain(**errors: float) -> dict[str, object]:
    lens = sie()
    for name, error in errors.items():
        lens["parameters"][name] = parameter(lens["parameters"][name]["value"], error)
    return lens


def test_a_mass_has_the_values_of_the_file_in_its_units() -> None:
    told = component("epl", theta_e=1.1, slope=2.1, q=0.6, phi=20.0, x=0.1, y=0.2)
    draws = best(model(component("shear", gamma=0.1, phi=30.0), told))
    shear, power = draws.mass.parts
    assert isinstance(shear, Shear)
    assert isinstance(power, EPL)
    assert float(shear.gamma1) == pytest.approx(0.1 * math.cos(math.pi / 3))
    assert float(shear.gamma2) == pytest.approx(0.1 * math.sin(math.pi / 3))
    assert float(power.e1) == pytest.approx(0.25 * math.cos(math.radians(40)))
    assert float(power.e2) == pytest.approx(0.25 * math.sin(math.radians(40)))
    assert [float(side) for side in draws.center] == [0.1, 0.2]


def test_normal_draws_have_their_errors_and_stay_in_range() -> None:
    lens = model(uncertain(theta_e=0.05, q=0.3))
    draws = drawn(lens, 4000, np.random.default_rng(1))
    theta_e, q = draws.columns[0]["theta_e"], draws.columns[0]["q"]
    assert abs(float(theta_e.mean()) - 1.2) < 0.003
    assert abs(float(theta_e.std()) / 0.05 - 1) < 0.04
    assert float(q.min()) >= 0.05
    assert float(q.max()) <= 1
    assert float(draws.columns[0]["x"].abs().max()) == 0
    again = drawn(lens, 4000, np.random.default_rng(1))
    assert torch.equal(again.columns[0]["q"], q)
    assert not is_certain(lens)
    assert is_certain(model())


def test_samples_are_drawn_by_rows_so_that_they_keep_their_correlation() -> None:
    rng = np.random.default_rng(2)
    theta_e = rng.uniform(1.1, 1.3, 50)
    lens = sie()
    lens["parameters"]["theta_e"] = parameter(1.2, 0.1, theta_e.tolist())
    lens["parameters"]["q"] = parameter(0.7, 0.1, (theta_e / 2).tolist())
    draws = drawn(model(lens), 120, rng)
    torch.testing.assert_close(draws.columns[0]["q"] * 2, draws.columns[0]["theta_e"])
    _, counts = torch.unique(draws.columns[0]["theta_e"], return_counts=True)
    assert sorted(set(counts.tolist())) == [2, 3]


def test_parts_are_the_draws_in_order() -> None:
    draws = drawn(model(uncertain(theta_e=0.05)), 7, np.random.default_rng(3))
    parts = list(draws.parts(3))
    assert [len(part) for part in parts] == [3, 3, 1]
    assert torch.equal(torch.cat([part.columns[0]["theta_e"] for part in parts]), draws.columns[0]["theta_e"])
