"""Views: whole maps are those of `sim.maps`, and what is cut in a view is the patch of its map."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.blocks import Blocks
from sim.cutouts import Windows
from sim.maps import project
from sim.paste import Layout, Taper
from sim.views import View, pixels_across, refuse_other_depth, views

BOX, N, SIDE = 16.0, 64, 16
PIXEL = BOX / N
WINDOWS = Windows((4.0, 16.0), SIDE, BOX)


@pytest.fixture(scope="module")
def pos() -> NDArray[np.float32]:
    rng = np.random.default_rng(5)
    clump = rng.normal(8.0, 0.7, (4000, 3))
    return np.mod(np.concatenate([clump, rng.uniform(0, BOX, (6000, 3))]), BOX).astype(np.float32)


VIEWS = views((0, 1, 2), 2, BOX) + views((1,), 1, BOX)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view.name}_of_{view.n_slabs}")
def test_a_whole_map_is_the_projection_of_the_slab(view: View, pos: NDArray[np.float32]) -> None:
    bounds = None if view.n_slabs == 1 else (view.slab * view.depth, (view.slab + 1) * view.depth)
    expected = project(pos, 2.0, BOX, N, view.axis, slab=bounds) * PIXEL**2
    found = view.upright(view.whole(Blocks.of(pos, 2.0, BOX), N))
    np.testing.assert_allclose(found, expected, atol=2e-4 * expected.max())
    assert found.sum() == pytest.approx(expected.sum(dtype=float), rel=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("n_slabs", [1, 2])
def test_an_aligned_cutout_is_the_patch_of_the_map(axis: int, n_slabs: int, pos: NDArray[np.float32]) -> None:
    blocks = Blocks.of(pos, 2.0, BOX)
    center = np.array([[8.03, 7.9, 8.2], [0.2, 15.9, 15.95]])
    for view in views((axis,), n_slabs, BOX):
        inside = center[view.holds(center)]
        aim = view.aimed(inside, PIXEL)
        assert np.abs(aim - inside)[:, view.plane].max(initial=0) <= PIXEL / 2
        base = view.whole(blocks, N)
        keys = {"box_size": BOX, "n_pixels": N, "side": SIDE}
        found = Layout.of(aim[:, view.plane], np.ones(len(aim)), Taper(0.5, 1.5), **keys)
        cut = view.cut(blocks, aim, WINDOWS)[:, :1]
        np.testing.assert_allclose(found.replaced(base[None])[:, :, :SIDE, :SIDE], cut, atol=2e-4 * base.max())
        np.testing.assert_allclose(found.paste(base[None], cut)[0], base, atol=2e-4 * base.max())


def test_every_halo_is_in_one_slab() -> None:
    center = np.random.default_rng(0).uniform(0, BOX, (100, 3))
    held = np.array([view.holds(center) for view in views((2,), 4, BOX)])
    np.testing.assert_array_equal(held.sum(axis=0), 1)


def test_unaligned_halos_of_a_whole_box_are_cut_where_they_are() -> None:
    center = np.random.default_rng(0).uniform(0, BOX, (5, 3))
    np.testing.assert_array_equal(View(1, 0, 1, BOX).aimed(center, None), center)
    moved = View(1, 1, 2, BOX).aimed(center, None)
    np.testing.assert_array_equal(moved[:, 1], 12.0)
    np.testing.assert_array_equal(moved[:, [0, 2]], center[:, [0, 2]])


def test_pixels_and_depths_that_do_not_fit_are_refused() -> None:
    assert pixels_across(50.0, 6.25 / 128) == 1024
    with pytest.raises(ValueError, match=r"whole number of pixels of 0\.3"):
        pixels_across(50.0, 0.3)
    refuse_other_depth(50.0, 50.2)
    with pytest.raises(ValueError, match="slabs 50 Mpc/h deep, as the model was trained on, got 100"):
        refuse_other_depth(100.0, 50.0)
