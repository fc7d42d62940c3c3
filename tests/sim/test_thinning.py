"""Thinning: every heavy halo is there, of lighter ones the share that is asked for, whoever else is in the box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from camels_like import write_suite
from pydantic import ValidationError

from configs import Camels, Cutouts
from sim import halosets, paired
from sim.catalogs import Halos
from sim.samples import verify
from sim.thinning import thinned


def some(n: int = 20_000) -> Halos:
    rng = np.random.default_rng(0)
    mass = 10 ** rng.uniform(12, 14, n)
    return Halos(np.arange(n), rng.uniform(0, 50, (n, 3)), mass, np.full(n, 0.3), 50.0, 0.0)


def test_lighter_halos_are_there_by_the_share_of_their_mass() -> None:
    halos = some()
    left = thinned(halos, 1e13, seed=3, simulation="box_0001")
    heavy = halos.m200c >= 1e13
    assert np.isin(halos.number[heavy], left.number).all()
    for low in (1e12, 2e12, 5e12):
        within = (halos.m200c >= low) & (halos.m200c < 1.5 * low)
        kept = np.isin(halos.number[within], left.number)
        expected = halos.m200c[within] / 1e13
        spread = np.sqrt((expected * (1 - expected)).sum())
        assert abs(kept.sum() - expected.sum()) < 4 * spread


def test_which_ones_depends_on_nothing_but_seed_simulation_and_halo() -> None:
    halos = some(500)
    left = thinned(halos, 1e13, seed=3, simulation="box_0001").number
    order = np.random.default_rng(1).permutation(500)[:300]
    again = thinned(halos.taken(order), 1e13, seed=3, simulation="box_0001").number
    assert set(again) == set(left) & set(halos.number[order])
    for other in ({"seed": 4, "simulation": "box_0001"}, {"seed": 3, "simulation": "box_0002"}):
        assert set(thinned(halos, 1e13, **other).number) != set(left)  # type: ignore[arg-type]


def test_a_thinned_set_is_complete_and_a_whole_one_is_what_it_was(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite", n_sims=3)
    roots: dict[str, Any] = {"dmo": suite.dmo, "hydro": suite.hydro, "catalogs": suite.catalogs}
    source = Camels(kind="camels", parameters=suite.parameters, **roots)
    shape: dict[str, Any] = {"n_pixels": 8, "n_rotations": 2, "split": (0.34, 0.33, 0.33)}
    whole = Cutouts(product="cutouts", source=source, out=tmp_path / "set", **shape)
    asked = whole.model_copy(update={"full_mass": 1e15})
    list(halosets.produce(asked))
    manifest = verify(asked.out)
    for name, n in manifest.halos.items():
        halos = paired.load(name, whole).halos
        left = thinned(halos, 1e15, seed=0, simulation=name)
        assert n == len(left) < len(halos)
        record = halosets.completed(name, asked)
        assert record is not None
        assert record.n_samples == 2 * n
    assert "full_mass" not in halosets.recipe(whole)  # sets that were made before are what they were
    with pytest.raises(ValidationError, match=r"full_mass: above min_mass=1e\+13, got 1e\+13"):
        Cutouts.model_validate(whole.model_dump() | {"full_mass": 1e13})
