"""CompaSO: its masses become M200c by a stated conversion, checked against the particles of a real box."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from colossus.cosmology import cosmology
from colossus.halo import mass_defs
from scipy.spatial import cKDTree

from sim import catalogs, compaso, profiles
from sim.units import RHO_CRITICAL


def test_the_density_is_that_of_the_header_of_a_real_run() -> None:
    """SODensityL1 of the 64^3 box, over the mean density, at z=0; at high redshift the universe is of matter alone."""
    assert compaso.virial_overdensity(0.315192, 0.0) / 0.315192 == pytest.approx(368.638396263122559, rel=1e-6)
    assert compaso.virial_overdensity(0.3, 1000.0) == pytest.approx(200, rel=1e-6)


def test_the_same_density_is_the_same_mass() -> None:
    mass = np.geomspace(1e11, 1e15, 9)
    np.testing.assert_allclose(compaso.converted(mass, 200.0, 0.0), mass, rtol=1e-6)


@pytest.mark.parametrize("redshift", [0.0, 1.0])
def test_colossus_converts_alike(redshift: float) -> None:
    cosmology.setCosmology("planck18")
    m200c = np.geomspace(1e12, 1e15, 7)
    wider, _, _ = mass_defs.changeMassDefinition(
        m200c, profiles.concentration(m200c, redshift), redshift, "200c", "116c"
    )
    np.testing.assert_allclose(compaso.converted(wider, 116.0, redshift), m200c, rtol=1e-4)


def test_the_real_box_keeps_the_masses_of_its_particles(real_data: Path) -> None:
    """Median within 5 % and scatter within 10 % of the sphere around each halo of 100 particles, which L1 is not."""
    path = real_data / "nbody" / "abacus_n64" / "mini_n64_l32_z0.npz"
    found = catalogs.read(path, box_size=32.0, redshift=0.0, omega_m=0.315192)
    assert len(found) == 381
    with np.load(path) as data:
        pos, mass, n = np.mod(data["pos_mpch"].astype(float), 32.0), float(data["mpart_hmsun"]), data["halo_N"]
    pos[pos >= 32] = 0
    many = np.flatnonzero(n >= 100)
    near = cKDTree(pos, boxsize=32.0).query_ball_point(found.center[many], 2.5)
    truth = np.array([sphere(pos[rows], center, mass) for rows, center in zip(near, found.center[many], strict=True)])
    ratio = found.m200c[many] / truth
    assert abs(np.median(ratio) - 1) < 0.05
    assert np.percentile(ratio, 84) - np.percentile(ratio, 16) < 0.2
    assert np.median(n[many] * mass / truth) > 1.08


def sphere(pos: np.ndarray, center: np.ndarray, mass: float) -> float:
    """M200c around a centre by counting."""
    offset = np.abs(pos - center)
    r = np.sort(np.linalg.norm(np.minimum(offset, 32.0 - offset), axis=1))
    held = mass * np.arange(1, len(r) + 1)
    sparse = held < 800 / 3 * np.pi * RHO_CRITICAL * r**3
    return float(held[np.flatnonzero(sparse[10:])[0] + 9])


def folder(path: Path) -> Path:
    (path / "z0.000" / "halo_info").mkdir(parents=True)
    (path / "z0.000" / "halo_info" / "halo_info_000.asdf").touch()
    return path / "z0.000"


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A stand-in for abacusutils that serves two halos; what it was called with."""
    called: list[Any] = []

    def open_catalog(path: Path, **options: Any) -> SimpleNamespace:
        called.append((path, options))
        header = {
            "BoxSizeHMpc": 32.0, "Redshift": 0.0, "Omega_M": 0.3, "OmegaNow_m": 0.3, "H0": 67.0, "SODensityL1": 400.0,
            "ParticleMassHMsun": 1e10,
        }  # fmt: skip
        halos = {"N": np.array([100, 3000], np.uint32), "x_L2com": np.array([[-16, 0, 15.5], [1, -2, 3]], np.float32)}
        return SimpleNamespace(header=header, halos={name: halos[name] for name in options["fields"]})

    module = ModuleType("abacusnbody.data.compaso_halo_catalog")
    module.CompaSOHaloCatalog = open_catalog  # type: ignore[attr-defined]
    for name in ("abacusnbody", "abacusnbody.data"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return called


def test_a_folder_is_read_through_the_package(tmp_path: Path, package: list[Any]) -> None:
    path = folder(tmp_path)
    for place in (path, path / "halo_info"):
        found = catalogs.read(place, box_size=32.0, redshift=0.0)
        assert found.center.tolist() == [[16, 0, 15.5], [1, 30, 3]]
        np.testing.assert_allclose(found.m200c, compaso.converted(np.array([1e12, 3e13]), 120.0, 0.0), rtol=1e-12)
    assert {call[0] for call in package} == {path}
    assert catalogs.stated(path) == {"box_size": 32.0, "redshift": 0.0, "omega_m": 0.3, "h": 0.67}


def test_without_the_package_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "abacusnbody", None)
    path = folder(tmp_path)
    with pytest.raises(ValueError, match="needs the package abacusutils, which is not installed") as error:
        catalogs.read(path, box_size=32.0, redshift=0.0)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"halo_N": None}, "expected keys halo_x_unitbox, halo_N"),
        ({"halo_N": np.ones(3)}, "expected keys halo_x_unitbox, halo_N"),
        ({"omega_m": np.ones(2)}, "expected keys halo_x_unitbox, halo_N"),
        ({"omega_m": np.array(None)}, "omega_m.npy holds objects"),
        ({"halo_x_unitbox": np.full((2, 3), 9.0)}, "finite centres"),
        ({"boxsize_mpch": 64.0}, "expected box_size 32, got 64"),
    ],
)
def test_another_npz_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    arrays = {
        "halo_x_unitbox": np.zeros((2, 3)), "halo_N": np.array([100, 200]), "boxsize_mpch": 32.0, "mpart_hmsun": 1e10,
        "omega_m": 0.3, "h0": 70.0,
    } | changes  # fmt: skip
    np.savez(tmp_path / "box.npz", **{name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(ValueError, match=words) as error:
        catalogs.read(tmp_path / "box.npz", box_size=32.0, redshift=0.0)
    assert "box.npz" in str(error.value)
    (tmp_path / "box.npz").write_bytes((tmp_path / "box.npz").read_bytes()[:-60])
    with pytest.raises(ValueError, match=r"box\.npz: expected an Abacus extract"):
        catalogs.read(tmp_path / "box.npz", box_size=32.0, redshift=0.0)
