"""The preview of a set: a picture for maps, nothing for cubes."""

from __future__ import annotations

from pathlib import Path

from camels_like import write_suite

from configs import Camels, Cutouts
from learn.preview import preview_figure, write_preview
from sim import halosets
from sim.samples import read_manifest


def made(folder: Path, n_dims: int) -> Path:
    suite = write_suite(folder / "suite", n_sims=3)
    roots = {"dmo": suite.dmo, "hydro": suite.hydro, "catalogs": suite.catalogs, "parameters": suite.parameters}
    config = Cutouts(
        product="cutouts",
        source=Camels(kind="camels", **roots),
        out=folder / "set",
        scales=(12.5, 50.0),
        n_pixels=8,
        n_rotations=1,
        n_dims=2 if n_dims == 2 else 3,
        split=(0.34, 0.33, 0.33),
    )
    list(halosets.produce(config))
    return config.out


def test_a_set_of_maps_is_drawn_window_by_window_and_target_by_target(tmp_path: Path) -> None:
    folder = made(tmp_path, 2)
    path = write_preview(folder)
    assert path is not None
    assert path.read_bytes().startswith(b"\x89PNG")
    panels = preview_figure(read_manifest(folder), folder).axes
    titles = [axes.get_title() for axes in panels if axes.get_title()]
    assert titles == ["DMO, 12.5 Mpc/h", "DMO, 50 Mpc/h", "hydro dark matter", "gas", "stars"]
    assert len(panels) == 5 * (3 + 1)


def test_cubes_are_not_drawn(tmp_path: Path) -> None:
    assert write_preview(made(tmp_path, 3)) is None
