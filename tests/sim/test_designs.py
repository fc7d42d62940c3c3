"""The CAMELS sets: names and steps as they are published, designs that fill the ranges, tables that are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from configs import Cosmology
from sim import designs
from sim.designs import FIDUCIAL, NAMES, PARAMETERS, one_at_a_time, points

PLANCK = Cosmology(omega_m=0.3152, omega_b=0.0493, h=0.6736, n_s=0.9649, sigma8=0.81, m_nu=0.1)
TABLE = Path("camels") / "CosmoAstroSeed_IllustrisTNG_L50n512_SB35.txt"


def scaled(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, 35) as shares of the published ranges."""
    columns = []
    for parameter, column in zip(PARAMETERS, vectors.T, strict=True):
        low, high = parameter.range
        columns.append([(parameter.scaled(value) - low) / (high - low) for value in column])
    return np.array(columns).T


def test_scaling_is_inverted_and_ranges_hold_the_fiducial_value() -> None:
    for parameter in PARAMETERS:
        low, high = parameter.range
        assert low <= 0 <= high
        for value in (parameter.low, parameter.high, (parameter.low + 2 * parameter.high) / 3):
            assert parameter.at(parameter.scaled(value)) == pytest.approx(value, rel=1e-12, abs=1e-12)


def test_one_at_a_time_is_the_published_set() -> None:
    """Names and values as in CAMELS' own 1P table of the 50 Mpc/h boxes: 141 boxes, some parameters one-sided."""
    found = {point.name: point.vector for point in one_at_a_time()}
    assert len(found) == 141
    np.testing.assert_array_equal(found.pop("1P_p1_0"), FIDUCIAL)
    assert all((vector != FIDUCIAL).sum() == 1 for vector in found.values())
    published = {
        "1P_p1_n2": ("Omega0", 0.1),
        "1P_p3_n1": ("WindEnergyIn1e51erg", 1.8),
        "1P_p5_1": ("VariableWindVelFactor", 10.47),
        "1P_p11_n1": ("FactorForSofterEQS", 0.1732),
        "1P_p12_1": ("IMFslope", -2.05),
        "1P_p15_1": ("VariableWindSpecMomentum", 1000),
        "1P_p15_4": ("VariableWindSpecMomentum", 4000),
        "1P_p16_1": ("WindFreeTravelDensFac", 0.1581),
        "1P_p27_1": ("QuasarThreshold", 0.01124),
        "1P_p29_n1": ("UVBH0beta", 0.4642),
        "1P_p29_3": ("UVBH0beta", 10),
        "1P_p30_n4": ("UVBH0Deltaz", -5),
        "1P_p32_n3": ("UVBHepDeltaz", -0.75),
        "1P_p33_n1": ("SNIa_Rate_Norm", 0.001075),
        "1P_p35_n1": ("SofteningComovingType01", 1.41421),
    }
    for name, (parameter, value) in published.items():
        assert found[name][NAMES.index(parameter)] == pytest.approx(value, rel=2e-3)
    assert not {"1P_p15_n1", "1P_p29_n2", "1P_p29_4", "1P_p30_1", "1P_p32_1"} & set(found)


@pytest.mark.parametrize("kind", ["SB35", "LH"])
def test_designs_fill_the_ranges_evenly(kind: designs.Set) -> None:
    """One point in each sixteenth of each range that is varied, for 16 points."""
    found = points(kind, 16, seed=3)
    assert [point.name for point in found] == [f"{kind}_{i}" for i in range(16)]
    cells = np.sort(np.floor(scaled(np.stack([point.vector for point in found])) * 16), axis=0)
    varied = cells[0] != cells[-1]
    assert varied.sum() == {"SB35": 35, "LH": 6}[kind]
    np.testing.assert_array_equal(cells[:, varied], np.arange(16)[:, None] * np.ones(varied.sum()))
    assert not np.array_equal(found[0].vector, points(kind, 16, seed=4)[0].vector)


def test_a_longer_sobol_design_begins_with_the_shorter_one() -> None:
    for one, other in zip(points("SB35", 5, 1), points("SB35", 40, 1), strict=False):
        np.testing.assert_array_equal(one.vector, other.vector)


def test_the_published_table_fills_the_ranges_that_are_written_here(real_data: Path) -> None:
    found = designs.named(real_data / TABLE, "SB35", 2048)
    assert len(found) == 2048
    assert [point.seed for point in found[:3]] == [25000, 25001, 25002]
    shares = np.sort(scaled(np.stack([point.vector for point in found])), axis=0)
    np.testing.assert_allclose(shares, np.linspace(0, 1, 2048)[:, None] * np.ones(35), atol=2e-3)


def test_six_parameters_are_the_same_universe_as_the_vector_they_stand_for() -> None:
    six = {"Omega_m": 0.309, "sigma_8": 0.979, "A_SN1": 3.1, "A_AGN1": 1.1, "A_SN2": 0.7, "A_AGN2": 0.55}
    vector = dict(zip(NAMES, designs.vector_of(six).tolist(), strict=True))
    assert vector["WindEnergyIn1e51erg"] == pytest.approx(11.16)
    assert vector["VariableWindVelFactor"] == pytest.approx(5.18)
    assert vector["RadioFeedbackReiorientationFactor"] == pytest.approx(11.0)
    assert (vector["RadioFeedbackFactor"], vector["OmegaBaryon"], vector["n_s"]) == (1.1, 0.049, 0.9624)
    cosmology = designs.cosmology_of(designs.vector_of(six), PLANCK)
    assert (cosmology.omega_m, cosmology.sigma8, cosmology.omega_b, cosmology.h) == (0.309, 0.979, 0.049, 0.6711)
    assert cosmology.m_nu == 0.1


def test_a_table_of_the_hypercube_is_read(tmp_path: Path) -> None:
    table = tmp_path / "lh.txt"
    table.write_text(
        "#Name Omega_m sigma_8 A_SN1 A_AGN1 A_SN2 A_AGN2 seed\n LH_0 0.3 0.8 1 1 1 1 7\nLH_1 .1 1 4 1 2 .5 8\n"
    )
    first, second = designs.named(table, "LH", 2)
    np.testing.assert_array_equal(first.vector, FIDUCIAL)
    assert (second.name, second.seed, second.vector[2]) == ("LH_1", 8, 14.4)
    with pytest.raises(ValueError, match=r"lh.txt: expected at most its 2 simulations, got n_boxes=3"):
        designs.named(table, "LH", 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#Name Omega_m seed\nLH_0 0.3 1\n", "expected columns of the parameters"),
        ("#Name Omega_m sigma_8 A_SN1 A_AGN1 A_SN2 A_AGN2 seed\nLH_0 0.3\n", "invalid column index"),
        ("#Name Omega_m sigma_8 A_SN1 A_AGN1 A_SN2 A_AGN2 seed\nLH_0 .3 .8 1 1 x 1 7\n", "could not convert"),
        (
            "#Name Omega_m sigma_8 A_SN1 A_AGN1 A_SN2 A_AGN2 seed\nLH_0 .3 .8 1 1 9 1 7\n",
            "VariableWindVelFactor from 3.7",
        ),
    ],
)
def test_a_table_that_is_none_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "table.txt").write_text(text)
    with pytest.raises(ValueError, match=f"table.txt.*{message}"):
        designs.named(tmp_path / "table.txt", "LH", 1)


def test_what_is_no_vector_is_refused() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
        designs.named(Path("nowhere.txt"), "LH", 1)
    with pytest.raises(ValueError, match=r"expected 35 parameters, got shape \(6,\)"):
        designs.checked(np.ones(6))
    with pytest.raises(ValueError, match=r"expected one of Omega0, .*A_AGN2, got A_SN3"):
        designs.vector_of({"A_SN3": 1.0})
    with pytest.raises(ValueError, match=r"expected Omega0 from 0\.1 to 0\.5, got nan"):
        designs.vector_of({"Omega0": float("nan")})
