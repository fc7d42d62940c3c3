from __future__ import annotations

from pathlib import Path

import pytest

from configs import Box, ConfigError
from configs.space import Distribution, load_space

BOX = """
cosmology: {omega_m: {uniform: [0.2, 0.4]}, omega_b: 0.049, h: 0.67, n_s: 0.96, sigma8: 0.8}
box_size: {loguniform: [10.0, 100.0]}
n_particles: {choice: [32, 64]}
seed: 1
"""


@pytest.fixture
def space_file(tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text(BOX)
    return path


def test_distributions_are_found_by_dotted_key(space_file: Path) -> None:
    space = load_space(Box, space_file)
    assert space.distributions == {
        "cosmology.omega_m": Distribution("uniform", (0.2, 0.4)),
        "box_size": Distribution("loguniform", (10.0, 100.0)),
        "n_particles": Distribution("choice", (32, 64)),
    }


def test_an_override_speaks_the_same_grammar(space_file: Path) -> None:
    space = load_space(Box, space_file, ["seed={randint: [0, 9]}", "box_size=50"])
    assert space.distributions["seed"] == Distribution("randint", (0, 9))
    assert "box_size" not in space.distributions


def test_drawn_values_make_a_configuration(space_file: Path) -> None:
    box = load_space(Box, space_file).at(Box, {"cosmology.omega_m": 0.3, "box_size": 20.0, "n_particles": 64})
    assert (box.cosmology.omega_m, box.box_size, box.n_particles) == (0.3, 20.0, 64)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("n_particles={choice: [32, 6.5]}", "n_particles: expected a valid integer"),
        ("box_size={uniform: [-1, 5]}", "box_size: expected greater than 0"),
        ("box_size={uniform: [5, 1]}", "low < high"),
        ("box_size={loguniform: [0, 1]}", "low > 0"),
        ("box_size={uniform: 5}", r"expected uniform: \[values\]"),
        ("box_sise={uniform: [1, 5]}", "box_sise: expected one of"),
    ],
)
def test_a_space_with_an_invalid_value_is_refused(space_file: Path, override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_space(Box, space_file, [override])
