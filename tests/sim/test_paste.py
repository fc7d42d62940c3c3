"""Pasting: a map's own halos leave it as it is, mass is kept when it is to be, and neither order nor edges matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.paste import Layout, Taper, nearest_corner

BOX, N, SIDE = 20.0, 80, 24
PIXEL = BOX / N
Array = NDArray[np.float64]


def some_map(seed: int = 0, channels: int = 3) -> Array:
    return np.random.default_rng(seed).lognormal(size=(channels, N, N))


def layout(center: Any, radius: Any, **changes: Any) -> Layout:
    keys: dict[str, Any] = {"taper": Taper(1.0, 2.0), "box_size": BOX, "n_pixels": N, "side": SIDE}
    return Layout.of(np.array(center, float), np.array(radius, float), **(keys | changes))


def own(found: Layout, maps: Array) -> Array:
    """What a cutout of `maps` around each aligned centre is."""
    return found.replaced(maps)[:, :, :SIDE, :SIDE]


CENTERS = nearest_corner(np.array([[3.1, 7.2], [3.9, 8.0], [0.1, 19.9], [12.3, 5.5]]), PIXEL)
RADII = np.array([1.0, 0.6, 0.9, 1.3])


def test_the_own_matter_of_a_map_pasted_back_leaves_it_as_it_is() -> None:
    found, base = layout(CENTERS, RADII), some_map()
    for conserve in ("none", "halo", "box"):
        np.testing.assert_allclose(found.paste(base, own(found, base), conserve), base, rtol=1e-12)


def test_without_halos_nothing_changes() -> None:
    found, base = layout(np.empty((0, 2)), np.empty(0)), some_map()
    for conserve in ("none", "halo", "box"):
        pasted = found.paste(base, np.empty((0, 3, SIDE, SIDE), np.float32), conserve)
        np.testing.assert_array_equal(pasted, base)


def test_weights_are_one_inside_none_outside_and_never_add_up_to_more() -> None:
    found = layout([[10.0, 10.0]], [1.0])
    ones = found.paste(np.zeros((1, N, N)), np.ones((1, 1, SIDE, SIDE)))[0]
    at = (np.arange(N) + 0.5) * PIXEL - 10
    distance = np.hypot(at[:, None], at)
    np.testing.assert_array_equal(ones[distance <= 1], 1)
    np.testing.assert_array_equal(ones[distance >= 2], 0)
    halfway = np.abs(distance - 1.5).argmin()
    expected = 0.5 * (1 + np.cos(np.pi * (distance.ravel()[halfway] - 1)))
    assert ones.ravel()[halfway] == pytest.approx(expected, rel=1e-12)
    crowded = layout(CENTERS, RADII)
    total = crowded.kept + crowded.paste(np.zeros((1, N, N)), np.ones((4, 1, SIDE, SIDE)))[0]
    np.testing.assert_allclose(total, 1, rtol=1e-12)


def test_the_taper_ends_where_the_stamp_does() -> None:
    found = layout([[10.0, 10.0]], [5.0])
    assert found.weights[0, SIDE // 2, SIDE // 2] == 1
    weights = found.weights[0]
    border = np.concatenate([weights[0], weights[-1], weights[:, -1], weights[:, 0]])
    np.testing.assert_array_equal(border, 0)


@pytest.mark.parametrize("conserve", ["halo", "box"])
def test_mass_is_exact_when_it_is_to_be_conserved(conserve: Any) -> None:
    found, base = layout(CENTERS, RADII), some_map()
    stamps = 0.9 * np.random.default_rng(3).lognormal(size=(4, 3, SIDE, SIDE))
    assert found.paste(base, stamps).sum() != pytest.approx(base.sum(), rel=1e-6)
    assert found.paste(base, stamps, conserve).sum() == pytest.approx(base.sum(), rel=1e-12)


def test_per_halo_each_has_the_mass_that_it_replaces() -> None:
    found, base = layout(CENTERS, RADII), some_map()
    stamps = np.random.default_rng(3).lognormal(size=(4, 3, SIDE, SIDE))
    once = found.paste(base, stamps, "halo")
    scaled = stamps * np.array([1, 5, 0.2, 3])[:, None, None, None]
    np.testing.assert_allclose(found.paste(base, scaled, "halo"), once, rtol=1e-12)


def test_per_box_halos_are_what_was_drawn_and_the_rest_gives_way() -> None:
    found, base = layout([[10.0, 10.0]], [1.0]), some_map()
    stamps = 3 * own(found, base)
    pasted = found.paste(base, stamps, "box")
    place = (slice(None), N // 2, N // 2)
    np.testing.assert_allclose(pasted[place], 3 * base[place], rtol=1e-12)
    rest = found.kept == 1
    np.testing.assert_allclose(np.ptp((pasted / base)[:, rest]), 0, atol=1e-12)
    assert (pasted / base)[0][rest].max() < 1


def test_what_cannot_be_conserved_is_refused() -> None:
    found, base = layout([[10.0, 10.0]], [1.0]), some_map()
    with pytest.raises(RuntimeError, match="less mass in halos than in the map"):
        found.paste(base, 1e6 * own(found, base), "box")
    with pytest.raises(RuntimeError, match="mass in halo 0"):
        found.paste(base, 0 * own(found, base), "halo")


@pytest.mark.parametrize("shift", [(37, -11), (-3, 9)])
def test_a_rolled_box_is_a_rolled_map_across_every_edge(shift: tuple[int, int]) -> None:
    base = some_map()
    stamps = np.random.default_rng(3).lognormal(size=(4, 3, SIDE, SIDE))
    moved = np.mod(CENTERS + np.array(shift) * PIXEL, BOX)
    rolled = layout(moved, RADII).paste(np.roll(base, shift, (1, 2)), stamps, "box")
    pasted = layout(CENTERS, RADII).paste(base, stamps, "box")
    np.testing.assert_allclose(rolled, np.roll(pasted, shift, (1, 2)), rtol=1e-12)


def test_the_order_of_halos_does_not_matter() -> None:
    base, order = some_map(), np.array([2, 0, 3, 1])
    stamps = np.random.default_rng(3).lognormal(size=(4, 3, SIDE, SIDE))
    for conserve in ("none", "halo", "box"):
        ordered = layout(CENTERS[order], RADII[order]).paste(base, stamps[order], conserve)
        np.testing.assert_allclose(ordered, layout(CENTERS, RADII).paste(base, stamps, conserve), rtol=1e-12)


def test_two_equal_halos_that_overlap_share_evenly() -> None:
    base = np.ones((1, N, N))
    stamp = np.random.default_rng(3).lognormal(size=(1, SIDE, SIDE))
    stamps = np.stack([stamp, stamp[:, ::-1]])
    pasted = layout([[9.5, 10.0], [10.5, 10.0]], [1.0, 1.0]).paste(base, stamps)
    np.testing.assert_allclose(pasted, pasted[:, ::-1], rtol=1e-12)
    twins = np.stack([np.full((1, SIDE, SIDE), x) for x in (2.0, 4.0)])
    middle = layout([[9.75, 10.0], [10.25, 10.0]], [1.0, 1.0]).paste(base, twins)[0, N // 2 - 1 : N // 2 + 1, N // 2]
    np.testing.assert_allclose(middle, 3.0, rtol=1e-12)


def test_between_pixels_a_stamp_is_shared_by_area_and_loses_no_mass() -> None:
    stamp = np.zeros((1, 1, SIDE, SIDE))
    stamp[0, 0, SIDE // 2, SIDE // 2] = 8.0
    center = [[10.0 + 0.25 * PIXEL, 10.0 + 0.5 * PIXEL]]
    pasted = layout(center, [1.0]).paste(np.zeros((1, N, N)), stamp)[0]
    i = N // 2
    np.testing.assert_allclose(pasted[i : i + 2, i : i + 2], [[3.0, 3.0], [1.0, 1.0]], rtol=1e-9)
    assert pasted.sum() == pytest.approx(8.0, rel=1e-12)


def test_a_centre_on_a_corner_is_not_interpolated_whatever_the_rounding() -> None:
    pixel = 0.7 / 3
    center = nearest_corner(np.random.default_rng(0).uniform(0, 80 * pixel, (200, 2)), pixel)
    for away in (0.0, 1e-9, -1e-9):
        found = layout(center + away, np.full(200, 0.5), box_size=80 * pixel)
        np.testing.assert_array_equal(found.rest, 0)
        np.testing.assert_array_equal(found.corner, np.round(center / pixel).astype(int) - SIDE // 2)


def test_the_truth_is_the_upper_bound_and_beats_the_map_without_halos() -> None:
    found, dmo = layout(CENTERS, RADII), some_map(0)
    hydro = dmo.copy()
    hydro[:, found.kept < 0.5] *= 1.7
    pasted = found.paste(dmo, own(found, hydro))
    full = found.kept == 0
    np.testing.assert_allclose(pasted[:, full], hydro[:, full], rtol=1e-12)
    assert np.abs(pasted - hydro).sum() < 0.5 * np.abs(dmo - hydro).sum()


def test_what_does_not_fit_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="as many centres as radii, got 4 and 3"):
        layout(CENTERS, RADII[:3])
    with pytest.raises(ValueError, match="smaller than the map of 80, got 80"):
        layout(CENTERS, RADII, side=80)
    with pytest.raises(ValueError, match="radii above 0"):
        layout(CENTERS, 0 * RADII)
    with pytest.raises(ValueError, match="0 <= inner < outer"):
        Taper(2.0, 2.0)
    with pytest.raises(ValueError, match=r"stamps \(4, 3, 24, 24\)"):
        layout(CENTERS, RADII).paste(some_map(), np.ones((4, 2, SIDE, SIDE)))
