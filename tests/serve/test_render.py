from __future__ import annotations

import base64
import io
import re
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from learn import figures
from serve import render

RNG = np.random.default_rng(0)
DENSITY = 1e12 * np.exp(RNG.normal(size=(24, 24))).astype(np.float32)


def embedded(svg: str) -> np.ndarray:
    """Pixels of the largest PNG in an SVG: the map, not its colour bar."""
    pictures = re.findall(r"data:image/png;base64,\s*([^\"]+)", svg)
    return max(
        (imread(io.BytesIO(base64.b64decode(text))) for text in pictures), key=lambda pixels: min(pixels.shape[:2])
    )


def test_panels_on_one_scale_show_one_density_in_one_colour() -> None:
    scale = figures.density_scale(DENSITY, 5 * DENSITY)
    flat = np.full((24, 24), float(np.median(DENSITY)), np.float32)
    alone = embedded(render.map_panel(flat, 10.0, scale, label="alone"))
    beside = flat.copy()
    beside[0] = 1e15
    company = embedded(render.map_panel(beside, 10.0, scale, label="in company"))
    assert len(np.unique(alone.reshape(-1, 4), axis=0)) == 1
    np.testing.assert_array_equal(alone[0, 0], company[-1, -1])


def test_a_panel_takes_its_ink_from_the_page() -> None:
    panel = render.map_panel(DENSITY, 10.0, figures.density_scale(DENSITY), label="a map")
    assert "currentColor" in panel
    assert figures.INK not in panel
    assert not re.search(r'\bid="(figure|axes|patch|text)_', panel)
    assert {"x [Mpc/h]", "y [Mpc/h]", f"Σ [{figures.UNIT}]"} <= set(re.findall(r">([^<>]+)</text>", panel))


def test_the_same_map_gives_the_same_svg_and_a_label_is_escaped() -> None:
    draw = partial(render.map_panel, DENSITY, 10.0, figures.density_scale(DENSITY), label='<b>"one"</b>')
    assert draw() == draw()
    assert ElementTree.fromstring(draw()).attrib["aria-label"] == '<b>"one"</b>'


def test_differences_share_a_scale_that_is_symmetric_and_has_white_at_zero() -> None:
    scale = figures.difference_scale(DENSITY - 1e12, -3 * DENSITY)
    assert float(scale.norm(0)) == pytest.approx(0.5)
    assert scale.norm.vmin == -scale.norm.vmax
    assert 0 in scale.ticks
    assert min(scale.colormap(scale.norm(0.0))[:3]) > 0.9


def test_a_density_scale_is_at_most_four_decades_and_ignores_empty_pixels() -> None:
    stars = np.zeros((32, 32))
    stars[3, 4:9] = np.geomspace(1, 1e9, 5)
    scale = figures.density_scale(stars, channel="stars")
    assert scale.norm.vmax / scale.norm.vmin <= 1e4 * (1 + 1e-9)
    assert scale.colormap(scale.norm(0.0)) == scale.colormap(0.0)
    with pytest.raises(ValueError, match="stars maps: expected a positive pixel"):
        figures.density_scale(np.zeros((4, 4)), channel="stars")


@pytest.mark.parametrize("size", [16, 300, 512])
def test_a_large_map_is_averaged_and_a_small_one_left_alone(size: int) -> None:
    density = RNG.lognormal(size=(size, size)).astype(np.float32)
    small = render.shrunk(density)
    assert small.shape == (min(size, render.MAX_PIXELS),) * 2
    np.testing.assert_allclose(small.mean(), density.mean(), rtol=2e-3)
    if size == 16:
        np.testing.assert_array_equal(small, density)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1e12, "10¹²"), (3e11, "3×10¹¹"), (-1e9, "−10⁹"), (0.01, "10⁻²")]
)
def test_powers_of_ten_are_written_out(value: float, text: str) -> None:
    assert figures.scientific(value) == text
