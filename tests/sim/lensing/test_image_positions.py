from __future__ import annotations

import numpy as np
import pytest
import torch
from lenstronomy.LensModel.Solver.lens_equation_solver import LensEquationSolver
from small_lenses import family

from configs import Lenses
from sim.lensing.draws import system
from sim.lensing.image_positions import DIMMEST, image_positions
from sim.lensing.profiles import SIS
from sim.lensing.reference import lens_model
from sim.lensing.scene import Columns
from sim.lensing.selection import source_images
from sim.lensing.truth import Truths


def line(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_a_sphere_has_two_images_within_its_radius_and_one_beyond() -> None:
    theta_e, beta = line(1.0, 1.0, 0.5), line(0.3, 1.5, 0.2)

    def lens(which: torch.Tensor):
        column = theta_e[which][:, None, None, None]
        return SIS(column, 0 * column, 0 * column).deflection

    found = image_positions(lens, (0 * beta, 0 * beta), 4 * (theta_e + beta), (beta, 0.123 * beta))
    assert found.counted(3).tolist() == [2, 1, 2]
    size = torch.hypot(beta, 0.123 * beta).numpy()
    for i in range(3):
        radii = np.sort(np.hypot(found.x, found.y)[found.system == i])
        expected = [1.0, 1.0, 0.5][i] + np.array([-size[i], size[i]] if i != 1 else [size[i]])
        np.testing.assert_allclose(radii, expected, atol=0.02)


@pytest.mark.parametrize("name", ["foundation", "expanded"])
def test_images_are_counted_as_lenstronomy_does_off_the_caustics(name: str) -> None:
    config = smooth(family(name))
    truths = Truths.of([system(config, i, 0) for i in range(30)])
    counts = [source_images(config, moved(truths, by)).counted(len(truths)) for by in (-0.004, 0.0, 0.004)]
    clear = (counts[0] == counts[1]) & (counts[1] == counts[2])
    assert clear.sum() >= 26
    for i in np.flatnonzero(clear):
        magnification = by_lenstronomy(truths.take(slice(i, i + 1)), config)
        fewest, most = (int((magnification > limit * DIMMEST).sum()) for limit in (5, 0.2))
        assert fewest <= counts[1][i] <= most, i
        assert most - fewest <= 1


def smooth(config: Lenses) -> Lenses:
    """Without subhalos and other planes."""
    mass = config.mass.model_copy(update={"line_of_sight": None, "subhalos": None})
    return config.model_copy(update={"mass": mass})


def moved(truths: Truths, by: float) -> Truths:
    """With sources further out along both axes, a share of the Einstein radius."""
    step = by * truths["theta_e"]
    return truths.with_numbers(source_x=truths["source_x"] + step, source_y=truths["source_y"] + step)


def by_lenstronomy(truths: Truths, config: Lenses) -> np.ndarray:
    """|magnification| of each image."""
    model, masses = lens_model(Columns(truths, torch.float64, "cpu"), config)
    x, y, theta_e = (float(truths[name][0]) for name in ("source_x", "source_y", "theta_e"))
    window = 6 * (theta_e + np.hypot(x, y))
    at = LensEquationSolver(model).image_position_from_source(
        x, y, masses, min_distance=0.03 * theta_e, search_window=window, precision_limit=1e-8
    )
    return np.abs(np.atleast_1d(model.magnification(*at, masses)))
