"""Both sides of our boxes: what repair, the second model and CAMELS parameters change, and what they must not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from own_boxes import BOX

from configs import Baryons, Cutouts, Enthalpy, OwnBoxes
from sim import feedback, paired, sides
from sim.designs import NAMES, vector_of
from sim.sides import Sides


def both(boxes: Path, name: str = "box_0000", **changes: Any) -> Sides:
    return sides.sides_of(name, OwnBoxes(kind="own", simulations=boxes, **changes))


def total_mass(found: Sides) -> float:
    hydro = found.hydro
    return sum(float(side.mass.sum(dtype=float)) for side in (hydro.dark_matter, hydro.gas, hydro.stars))


def test_every_model_keeps_the_mass(boxes: Path) -> None:
    for changes in ({}, {"repair": False}, {"model": "enthalpy"}, {"center": "most_bound"}):
        found = both(boxes, **changes)
        assert total_mass(found) == pytest.approx(found.particle_mass * BOX.n_particles**3, rel=1e-6)


def test_without_repair_the_dark_matter_is_that_of_the_snapshot(boxes: Path) -> None:
    raw = sides.read_output(boxes / "box_0000", BOX, 0.0).particles["dark_matter"].pos
    as_found, mended = both(boxes, repair=False), both(boxes)
    np.testing.assert_array_equal(as_found.hydro.dmo_pos, raw)
    moved = np.linalg.norm(mended.hydro.dmo_pos - raw, axis=1)
    assert 0.05 < (moved > 0).mean() < 0.9
    assert mended.catalog.m200c[0] != as_found.catalog.m200c[0]


def test_the_second_model_shares_the_dark_matter_and_nothing_of_the_baryons(boxes: Path) -> None:
    first, second = both(boxes), both(boxes, model="enthalpy", enthalpy=Enthalpy(alpha=0.01))
    np.testing.assert_array_equal(first.hydro.dmo_pos, second.hydro.dmo_pos)
    np.testing.assert_array_equal(second.hydro.dark_matter.pos, second.hydro.dmo_pos)
    assert not np.array_equal(first.hydro.gas.pos, second.hydro.gas.pos)
    other = both(boxes, model="enthalpy", enthalpy=Enthalpy(alpha=0.01), baryons=Baryons(log10_m_c=15.0))
    np.testing.assert_array_equal(other.hydro.gas.pos, second.hydro.gas.pos)
    with pytest.raises(ValueError, match="vary: nothing with model=enthalpy"):
        OwnBoxes(kind="own", simulations=boxes, model="enthalpy", vary={"mu": (0.5, 0.9)})


def test_another_centre_is_another_catalogue(boxes: Path) -> None:
    densest, bound = (both(boxes, center=center).catalog for center in ("densest", "most_bound"))
    offset = densest.center[0] - bound.center[0]
    assert 0 < np.linalg.norm(offset - BOX.box_size * np.rint(offset / BOX.box_size)) < densest.r200c[0]


@pytest.fixture
def camels(boxes: Path, tmp_path: Path) -> Path:
    """The first box, as a member of a CAMELS set with strong black holes."""
    folder = tmp_path / "SB35_0"
    folder.mkdir()
    for path in (boxes / "box_0000").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    record = json.loads((folder / "box.json").read_text())
    record["camels"] = dict(zip(NAMES, vector_of({"A_AGN2": 1.9}).tolist(), strict=True))
    (folder / "box.json").write_text(json.dumps(record))
    return tmp_path


def test_a_member_of_a_camels_set_has_the_baryons_and_the_names_of_its_parameters(camels: Path) -> None:
    found = both(camels, "SB35_0")
    assert found.baryons == feedback.baryons_of(vector_of({"A_AGN2": 1.9}))
    assert found.baryons.log10_m_c > Baryons().log10_m_c
    source = OwnBoxes(kind="own", simulations=camels)
    values, names = paired.parameters_of(found, source)
    assert names == NAMES
    np.testing.assert_array_equal(values, vector_of({"A_AGN2": 1.9}))
    with pytest.raises(ValueError, match="vary: expected nothing for SB35_0"):
        both(camels, "SB35_0", vary={"mu": (0.5, 0.9)})


def test_our_catalogue_says_what_halos_are_like(boxes: Path, tmp_path: Path) -> None:
    source = OwnBoxes(kind="own", simulations=boxes)
    config = Cutouts(product="cutouts", source=source, out=tmp_path, scales=(6.25,), n_pixels=8, split=(0.5, 0.5, 0.0))
    simulation = paired.load("box_0000", config)
    with h5py.File(paired.catalog_path("box_0000", config)) as file:
        assert (file["Group/Group_Concentration200"][:] > 1).any()
        assert file["Group/Group_Shape200"].shape == (len(file["Group/GroupLen"]), 2)
        assert "Group_Spin200" in file["Group"]
    assert simulation.param_names[0] == "omega_m"
