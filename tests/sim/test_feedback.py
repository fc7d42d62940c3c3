"""CAMELS parameters to baryons: exact at the centre, valid everywhere, monotonic, in the published directions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from configs import Baryons, Cosmology
from sim import designs, hosts
from sim.designs import FIDUCIAL, NAMES, PARAMETERS
from sim.feedback import LIMITS, RESPONSES, UNMAPPED, baryons_of

MASSES = np.geomspace(1e10, 1e15, 101)
PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81)


def along(name: str, n: int = 9) -> list[Baryons]:
    """Baryons as one CAMELS parameter rises through its published range, the others fiducial."""
    i = NAMES.index(name)
    low, high = PARAMETERS[i].range
    found = []
    for scaled in np.linspace(low, high, n):
        vector = FIDUCIAL.copy()
        vector[i] = PARAMETERS[i].at(scaled)
        found.append(baryons_of(vector))
    return found


def test_the_fiducial_vector_is_the_fiducial_model() -> None:
    assert baryons_of(FIDUCIAL) == Baryons()
    mine = Baryons(log10_m_c=13.6, theta_ej=5.0, scatter=0.0)
    assert baryons_of(FIDUCIAL, mine) == mine


@pytest.mark.parametrize("name", sorted(RESPONSES))
def test_each_response_is_monotonic_and_of_its_sign(name: str) -> None:
    found = along(name)
    for field in LIMITS:
        values = np.array([getattr(baryons, field) for baryons in found])
        sign = np.sign(RESPONSES[name].get(field, 0.0))
        assert np.all(np.sign(np.diff(values)) == sign), field


def test_what_is_not_mapped_changes_nothing() -> None:
    assert "UVBH0beta" in UNMAPPED
    assert len(UNMAPPED) + len(RESPONSES) + 2 == 35
    for name in UNMAPPED:
        assert all(one == Baryons() for one in along(name, 3))


@pytest.mark.parametrize(
    ("name", "stars", "ejection"),
    [("A_SN1", -1, -1), ("A_SN2", -1, -1), ("A_AGN1", 0, 1), ("A_AGN2", -1, 1)],
)
def test_the_four_astrophysical_parameters_act_as_published(name: str, stars: int, ejection: int) -> None:
    """Winds: fewer stars and a weaker effect of black holes; black holes: gas leaves heavier halos."""
    weak, strong = (baryons_of(designs.vector_of({name: value})) for value in (0.5, 2.0))
    assert np.sign(strong.n_star - weak.n_star) == stars
    assert np.sign(strong.log10_m_c - weak.log10_m_c) == ejection


def test_stars_follow_the_baryons_there_are() -> None:
    fewer = baryons_of(designs.vector_of({"Omega0": 0.4, "OmegaBaryon": 0.0392}))
    assert fewer.n_star == pytest.approx(Baryons().n_star * 0.6, rel=0.02)
    alike = baryons_of(designs.vector_of({"Omega0": 0.4, "OmegaBaryon": 0.049 * 4 / 3}))
    assert alike.n_star == pytest.approx(Baryons().n_star, rel=1e-12)


def test_every_published_simulation_has_valid_baryons(real_data: Path) -> None:
    """All 2048 of SB35: within the limits, valid as a configuration, and no halo with more stars than baryons."""
    table = real_data / "camels" / "CosmoAstroSeed_IllustrisTNG_L50n512_SB35.txt"
    found = {name: [] for name in LIMITS}
    for point in designs.named(table, "SB35", 2048):
        baryons = Baryons.model_validate(baryons_of(point.vector).model_dump())
        hosts.stars_of(MASSES, designs.cosmology_of(point.vector, PLANCK), baryons)
        for name, values in found.items():
            values.append(getattr(baryons, name))
    for name, (low, high) in LIMITS.items():
        assert low < min(found[name]) < getattr(Baryons(), name) < max(found[name]) < high, name
    assert 0.2 < np.std(found["log10_m_c"]) < 0.8


@pytest.mark.parametrize("corner", [-1.0, 1.0])
def test_even_the_corners_of_the_published_ranges_are_valid(corner: float) -> None:
    vector = FIDUCIAL.copy()
    for i, parameter in enumerate(PARAMETERS):
        sign = sum(RESPONSES.get(parameter.name, {}).get(name, 0.0) for name in ("log10_m_c", "n_star"))
        vector[i] = parameter.at(parameter.range[int(sign * corner > 0)])
    vector[NAMES.index("Omega0")], vector[NAMES.index("OmegaBaryon")] = 0.5, 0.029
    baryons = Baryons.model_validate(baryons_of(vector).model_dump())
    hosts.stars_of(MASSES, designs.cosmology_of(vector, PLANCK), baryons)


def test_a_model_outside_the_limits_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected n_star between 0\.002 and 0\.06 to vary it, got 0\.1"):
        baryons_of(designs.vector_of({"A_SN1": 2.0}), Baryons(n_star=0.1))
