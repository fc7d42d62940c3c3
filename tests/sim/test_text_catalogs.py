"""Halo catalogues in text: lists of Rockstar and CSV say what ours say; what is broken or of another box is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from halo_lists import BOX, catalog, check_same

from sim import catalogs
from sim.halo_list import PeriodicBox
from sim.halos import Catalog
from sim.units import RHO_CRITICAL

ROCKSTAR = """#ID DescID M200c Vmax Vrms R200c Rs Np X Y Z VX VY VZ JX JY JZ Spin rs_klypin M200c_all M200b PID
#a = {a}
#Om = {omega_m}; Ol = 0.700000; h = 0.670000
#FOF linking length: 0.280000
#Unbound Threshold: 0.500000; FOF Refinement Threshold: 0.700000
#Particle mass: 6.58e+08 Msun/h
#Box size: {box} Mpc/h
#Units: Masses in Msun / h
#Units: Positions in Mpc / h (comoving)
#Units: Radii in kpc / h (comoving)
"""


def rockstar(path: Path, ours: Catalog, parents: Sequence[int], **numbers: float) -> Path:
    said = {"a": 1.0, "omega_m": 0.3, "box": BOX} | numbers
    rows = [
        f"{i} -1 {mass:.9e} 300 300 500 90 1000 {x:.9f} {y:.9f} {z:.9f} 0 0 0 0 0 0 0.03 90 2e13 2e13 {parent}"
        for i, (mass, (x, y, z), parent) in enumerate(zip(ours.m200c, ours.center, parents, strict=True))
    ]
    path.write_text(ROCKSTAR.format(**said) + "\n".join(rows) + "\n")
    return path


def test_rockstar_lists_are_read_by_name(tmp_path: Path) -> None:
    path = rockstar(tmp_path / "out_90.list", catalog(), [-1] * 7)
    check_same(catalogs.read(path, box_size=BOX, redshift=0.0), catalog(), rtol=1e-8)
    assert catalogs.stated(path) == {"box_size": BOX, "redshift": 0.0, "omega_m": 0.3, "h": 0.67}


def test_rockstar_subhalos_are_left_out_and_numbers_stay(tmp_path: Path) -> None:
    path = rockstar(tmp_path / "out_90.list", catalog(), [-1, 0, -1, 0, -1, 3, -1])
    assert catalogs.read(path, box_size=BOX, redshift=0.0).number.tolist() == [0, 2, 4, 6]


def test_rockstar_at_other_redshifts_has_other_spheres(tmp_path: Path) -> None:
    path = rockstar(tmp_path / "out_45.list", catalog(), [-1] * 7, a=0.4)
    found = catalogs.read(path, box_size=BOX, redshift=1.5)
    expected = PeriodicBox(BOX, 1.5, 0.3).sphere_density
    assert expected == pytest.approx(200 * RHO_CRITICAL * (0.3 * 2.5**3 + 0.7) / 2.5**3)
    np.testing.assert_allclose(found.m200c, 4 / 3 * np.pi * found.r200c**3 * expected, rtol=1e-12)


def test_rockstar_ascii_and_consistent_trees_are_rockstar(tmp_path: Path) -> None:
    ascii_list = tmp_path / "halos_0.0.ascii"
    ascii_list.write_text("#id num_p mvir x y z m200b m200c\n#a = 1.0\n0 10 9e13 1 2 3 9e13 1e13\n")
    trees = tmp_path / "hlist_1.0.list"
    trees.write_text(
        "#scale(0) id(1) pid(2) x(3) y(4) z(5) M200c(6)\n#Omega_M = 0.3\n1 7 -1 1 2 3 1e13\n1 8 7 1 2 3 1e12\n"
    )
    for path in (ascii_list, trees):
        found = catalogs.read(path, box_size=BOX, redshift=0.0)
        assert (found.center.tolist(), found.m200c.tolist()) == ([[1, 2, 3]], [1e13])


def csv(path: Path, ours: Catalog, *, radius: bool) -> Path:
    names = "id,X,y,z,M200c" + (",r200c" if radius else "")
    rows = [
        f"{i},{x!r},{y!r},{z!r},{mass!r}" + (f",{r!r}" if radius else "")
        for i, ((x, y, z), mass, r) in enumerate(
            zip(ours.center.tolist(), ours.m200c.tolist(), ours.r200c.tolist(), strict=True)
        )
    ]
    path.write_text("\n".join([names, *rows, ""]))
    return path


@pytest.mark.parametrize("redshift", [0.0, 2.220446049250313e-16])
@pytest.mark.parametrize("radius", [True, False])
def test_csv_is_exact(tmp_path: Path, radius: bool, redshift: float) -> None:
    path = csv(tmp_path / "halos.csv", catalog(), radius=radius)
    check_same(catalogs.read(path, box_size=BOX, redshift=redshift), catalog(), rtol=1e-15)
    assert catalogs.stated(path) == {}


def test_a_radius_needs_omega_m_at_other_redshifts(tmp_path: Path) -> None:
    path = csv(tmp_path / "halos.csv", catalog(redshift=1.0), radius=False)
    with pytest.raises(ValueError, match=r"halos\.csv: expected omega_m, without which R200c at redshift 1.0"):
        catalogs.read(path, box_size=BOX, redshift=1.0)
    found = catalogs.read(path, box_size=BOX, redshift=1.0, omega_m=0.3)
    check_same(found, catalog(redshift=1.0), rtol=1e-14)


def test_a_list_without_rows_is_empty(tmp_path: Path) -> None:
    (tmp_path / "halos.csv").write_text("x,y,z,m200c\n")
    assert len(catalogs.read(tmp_path / "halos.csv", box_size=BOX, redshift=0.0)) == 0


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "x,y,z,mass\n1,2,3,1e13\n", "expected columns x, y, z, m200c, got x, y, z, mass"),
        ("a.csv", "1,2,3,1e13\n", "a first line with the names of columns"),
        ("a.csv", "", "a first line with the names of columns"),
        ("a.csv", "x,y,z,m200c\n1,2,3\n", "column"),
        ("a.csv", "x,y,z,m200c\n1,2,3,large\n", "could not convert string 'large'"),
        ("a.csv", "x,y,z,m200c\n1,2,3,nan\n", "finite M200c"),
        ("a.csv", "x,y,z,m200c\n1,2,3,-1\n", "finite M200c"),
        ("a.csv", "x,y,z,m200c\n1,2,80,1e13\n", "finite centres from -25 to 75"),
        ("a.csv", "x,y,z,m200c,r200c\n1,2,3,1e13,350\n", "finite R200c from 0 to 50"),
        ("a.csv", "x,y,z,m200c,r200c\n1,2,3,1e3,0.35\n", "M200c of the sphere of R200c"),
        ("a.list", "#ID X Y Z Mvir\n1 1 2 3 1e13\n", "expected columns M200c, X, Y and Z, got no m200c"),
        ("a.list", "#ID M200c X Y\n1 1e13 2 3\n", "got no z"),
        ("a.list", "#ID M200c X Y Z\n#Units: Masses in Msun\n1 1e13 1 2 3\n", "Masses in Msun / h, got Msun"),
        (
            "a.list",
            "#ID M200c X Y Z\n#Units: Positions in kpc / h\n1 1e13 1 2 3\n",
            "Positions in Mpc / h, got kpc / h",
        ),
        ("a.list", "#ID M200c X Y Z\n#Box size: 25.0 Mpc/h\n1 1e13 1 2 3\n", "expected box_size 50, got 25"),
        ("a.list", "#ID M200c X Y Z\n#a = 0.5\n1 1e13 1 2 3\n", "expected redshift 0, got 1"),
        ("a.list", "# 1 2 3\n", "expected a halo catalogue"),
        ("a.txt", "1 2 3 4\n", "expected a halo catalogue"),
    ],
)
def test_broken_text_is_refused_by_name(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=words) as error:
        catalogs.read(tmp_path / name, box_size=BOX, redshift=0.0)
    assert str(tmp_path / name) in str(error.value)


def test_text_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00" * 50)
    with pytest.raises(ValueError, match=r"a\.csv: expected text"):
        catalogs.read(tmp_path / "a.csv", box_size=BOX, redshift=0.0)
