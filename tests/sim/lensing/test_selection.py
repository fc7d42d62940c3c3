from __future__ import annotations

import numpy as np
import pytest
import torch
from small_lenses import FOLDER, family

from configs import Lenses, load
from configs.lensing import Reject
from sim.lensing.camera import Camera
from sim.lensing.scene import scene
from sim.lensing.selection import REASONS, judged, reach, select, source_flux, source_images
from sim.lensing.truth import Truths


def test_what_is_kept_is_as_the_family_says_and_the_rest_is_counted() -> None:
    config = family("multi_instrument", reject=Reject(theta_e=(0.5, 1.5), min_images=2, min_magnification=3.0))
    truths, rejected = select(config, range(24))
    assert truths["index"].tolist() == list(range(24))
    assert ((truths["theta_e"] >= 0.5) & (truths["theta_e"] <= 1.5)).all()
    assert (truths["n_images"] >= 2).all()
    assert (truths["magnification"] >= 3).all()
    assert (reach(truths) <= truths["source_field"] / 2).all()
    assert sum(rejected.values()) == truths["attempt"].sum() > 0
    assert list(rejected) == list(REASONS)
    assert rejected["einstein_radius"] > 0
    assert rejected["faint"] > 0


def test_a_system_does_not_depend_on_what_it_is_selected_with() -> None:
    config = family("expanded")
    together, _ = select(config, range(6))
    for indices in ([4], [5, 2]):
        apart, _ = select(config, indices)
        for name in together.numbers:
            np.testing.assert_allclose(apart[name], together[name][indices], rtol=1e-6, err_msg=name)
        np.testing.assert_array_equal(apart.clumps, together.clumps[indices])


def test_reasons_are_the_right_ones() -> None:
    config = family("foundation", reject=Reject(min_images=2))
    truths, _ = select(config, range(4))

    def why(**columns: float) -> set[str]:
        moved = truths.with_numbers(**{name: np.full(4, value) for name, value in columns.items()})
        return set(judged(config, moved)[1])

    assert why() == {""}
    assert why(z_source=0.1) == {"source_in_front"}
    assert why(source_x=2.5) == {"source_outside"}
    assert why(source_x=1.2, source_y=-1.2, source_r_e=0.1, theta_e=0.3) == {"few_images"}
    assert why(theta_e=6.0, source_x=0.3, source_y=0.1) == {"image_outside"}


def test_what_nothing_passes_is_said() -> None:
    config = family("foundation", reject=Reject(theta_e=(5.0, 6.0)))
    with pytest.raises(RuntimeError, match=r"family foundation: system 0 was rejected 300 times, .* `reject.theta_e`"):
        select(config, [0])


def test_magnification_is_the_flux_of_many_rays_over_that_without_a_lens() -> None:
    config = load(Lenses, FOLDER / "enhanced.yaml")
    truths, _ = select(config, range(4))
    there = scene(truths, config)
    fine = Camera(config.n_pixels, there.camera.pixel_size, 6)
    wide = Camera(240, 0.04, 2)
    lensed = fine.image(there.mass, there.source).sum((1, 2))
    plain = wide.recorded(there.source.brightness(*wide.rays)).sum((1, 2))
    np.testing.assert_allclose(truths["magnification"], lensed / plain, rtol=0.04)
    np.testing.assert_allclose(plain, source_flux(truths), rtol=0.03)


def test_images_of_a_source_come_from_its_centre() -> None:
    config = family("realistic")
    truths, _ = select(config, range(5))
    found = source_images(config, truths)
    for i in range(5):
        one = truths.take(slice(i, i + 1)).with_numbers(n_subhalos=np.zeros(1))
        dark = Truths(one.numbers, 0 * one.subhalos, one.clumps)
        angles = [torch.tensor(at[found.system == i], dtype=torch.float64).reshape(1, 1, -1) for at in found[1:]]
        alpha = scene(dark, config, dtype=torch.float64).mass.deflection(*angles)
        error = torch.hypot(angles[0] - alpha[0] - one["source_x"][0], angles[1] - alpha[1] - one["source_y"][0])
        assert float(error.max()) < 0.05 * one["theta_e"][0]
