"""`python -m learn mass`: its files, a folder with bad models, and lenstronomy on what it exports."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.units import Unit
from lens_models import component, parameter, sie, tree
from lenstronomy.Sampling.parameters import Param
from matplotlib.mathtext import MathTextParser

from learn.__main__ import main
from learn.mass.recheck import differences


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Exit code of `python -m learn mass`."""
    monkeypatch.setattr(sys, "argv", ["learn", "mass", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def uncertain() -> dict[str, Any]:
    """A quad with two halos and a shear, some of whose parameters have errors."""
    lens = sie(x=0.02)
    lens["parameters"]["theta_e"] = parameter(1.2, 0.02)
    lens["parameters"]["q"] = parameter(0.7, 0.03)
    halo = component("nfw", kappa_s=0.05, r_s=5.0, x=0.0, y=0.1)
    power = component("epl", theta_e=0.2, slope=1.9, q=0.8, phi=10.0, x=1.9, y=0.4)
    return tree(lens, component("shear", gamma=0.05, phi=40.0), halo, power, source=[0.05, 0.02], name="one")


def rows_of(path: Path, key: str) -> dict[str, dict[str, str]]:
    """Of a CSV file, by one of its columns."""
    with path.open(encoding="utf-8") as stream:
        return {row[key]: row for row in csv.DictReader(stream)}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one analysed model."""
    folder = tmp_path_factory.mktemp("mass")
    (folder / "one.json").write_text(json.dumps({"lens_model": uncertain(), "chi2": 1.0}))
    with pytest.MonkeyPatch.context() as patched:
        assert run(patched, folder / "one.json", "n_draws=64", "--out", folder / "out", "--cosmology", "WMAP9") == 0
    return folder / "out"


def test_every_file_is_there_and_the_table_has_units(written: Path) -> None:
    ends = ["lenstronomy.json", "lenstronomy.py", "maps.fits", "mass.csv", "mass.json", "mass.pdf", "mass.png"]
    assert sorted(path.name for path in written.iterdir()) == [
        f"one_{end}" for end in (*ends, "mass.tex", "profile.csv", "ring.csv")
    ]
    rows = rows_of(written / "one_mass.csv", "quantity")
    told = json.loads((written / "one_mass.json").read_text())
    assert told["cosmology"] == "WMAP9"
    assert len(told["images"]) == 4
    for key, row in rows.items():
        assert Unit(row["unit"]) is not None
        assert float(row["value"]) == told["quantities"][key]["value"]
    mass = rows["mass"]
    assert float(mass["quantile_16"]) < float(mass["median"]) < float(mass["quantile_84"])
    assert (written / "one_mass.pdf").read_bytes().startswith(b"%PDF")


def test_maps_are_on_the_pixels_of_the_image(written: Path) -> None:
    with fits.open(written / "one_maps.fits") as file:
        kappa, magnification = file["KAPPA"], file["MAGNIFICATION"]
        assert kappa.shape == (80, 80)
        assert (kappa.header["CDELT1"], kappa.header["CUNIT1"], kappa.header["CRPIX1"]) == (0.06, "arcsec", 40.5)
        gamma2 = file["GAMMA1"].data ** 2 + file["GAMMA2"].data ** 2
        np.testing.assert_allclose(1 / magnification.data, (1 - kappa.data) ** 2 - gamma2, rtol=1e-6, atol=1e-8)
        row, column = np.unravel_index(kappa.data.argmax(), kappa.shape)
        assert abs((column - 39.5) * 0.06 - 0.02) <= 0.03
        assert abs((row - 39.5) * 0.06) <= 0.03


def test_the_latex_is_whole_and_every_formula_can_be_set(written: Path) -> None:
    text = (written / "one_mass.tex").read_text()
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    bodies = re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, flags=re.DOTALL)
    parser = MathTextParser("path")
    for layout, body in bodies:
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {line.count("&") + 1 for line in rows} == {len(layout)}
        for formula in re.findall(r"\$[^$]+\$", body):
            parser.parse(formula)


def test_lenstronomy_evaluates_what_was_exported_alone(written: Path) -> None:
    command = [sys.executable, "-I", str(written / "one_lenstronomy.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lenstronomy agrees" in done.stdout
    exported = json.loads((written / "one_lenstronomy.json").read_text())
    exported["kwargs_lens"][0]["e1"] += 0.01
    assert max(differences(exported).values()) > 1e-4


def test_the_starting_point_is_one_for_lenstronomys_samplers(written: Path) -> None:
    exported = json.loads((written / "one_lenstronomy.json").read_text())
    init, sigma, fixed, lower, upper = exported["kwargs_params"]["lens_model"]
    model = {"lens_model_list": exported["lens_model_list"]}
    keys = {"kwargs_fixed_lens": fixed, "kwargs_lower_lens": lower, "kwargs_upper_lens": upper}
    parameters = Param(model, **keys)
    n_free, names = parameters.num_param()
    start, low, high = parameters.kwargs2args(kwargs_lens=init), *parameters.param_limits()
    assert n_free == len(start) == 5 + 2 + 4 + 6
    assert (np.array(low) < start).all()
    assert (start < np.array(high)).all()
    assert (np.array(parameters.kwargs2args(kwargs_lens=sigma)) > 0).all()
    back = parameters.args2kwargs(start)["kwargs_lens"]
    for one, other in zip(back, exported["kwargs_lens"], strict=True):
        assert one == pytest.approx(other)
    assert sigma[0]["theta_E"] == pytest.approx(0.02, rel=0.1)
    assert "gamma1_lens1" in names


def test_a_bad_file_stops_no_other_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "models", tmp_path / "out"
    folder.mkdir()
    (folder / "a.json").write_text("{")
    (folder / "b.json").write_text(json.dumps(tree(name="good")))
    (folder / "c.json").write_text(json.dumps(tree(name="good")))
    (folder / "d.json").write_text(json.dumps(tree(component("nfw", kappa_s=0.01, r_s=3.0, x=0.0, y=0.0), name="weak")))
    assert run(monkeypatch, folder, "--out", out) == 1
    rows = rows_of(out / "summary.csv", "file")
    assert {name: row["status"] for name, row in rows.items()} == {
        "a.json": "failed",
        "b.json": "ok",
        "c.json": "failed",
        "d.json": "failed",
    }
    assert "expected JSON" in rows["a.json"]["error"]
    assert "name: expected one that no file before has, got good" in rows["c.json"]["error"]
    assert "falls to 1" in rows["d.json"]["error"]
    assert float(rows["b.json"]["theta_e_critical_arcsec"]) == pytest.approx(1.2, rel=1e-6)
    printed = capsys.readouterr()
    assert "mass: 1 of 4 models" in printed.out
    assert "a.json: failed" in printed.err


def test_what_the_user_got_wrong_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.json").write_text(json.dumps(tree()))
    for arguments, told in {
        (tmp_path / "nowhere.json",): "no such file",
        (tmp_path / "models" / "a.json", "--cosmology", "Planck13"): "cosmology: expected one of Planck15",
        (tmp_path / "models" / "a.json", "n_draw=3"): "got an unknown key",
        (tmp_path / "models", "--out", tmp_path / "models"): "expected another folder than that of the models",
    }.items():
        assert run(monkeypatch, *arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert told in line
