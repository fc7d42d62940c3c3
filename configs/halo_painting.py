"""What a person may ask of models that count halos in cells: their network, and what they learn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from configs.frozen import Frozen
from configs.method import Method

REACH = 2
"""Cells to each side that a block of the body sees: its widest kernel has five."""


class Inception(Frozen):
    """Residual inception blocks of valid convolutions over cubes, with FiLM conditioning."""

    kind: Literal["inception"] = Field(description="inception: kernels of 1, 3 and 5 cells, to count halos")
    width: int = Field(10, ge=2, le=512, description="channels, and filters of each kernel size")
    n_blocks: int = Field(2, ge=1, le=16, description="blocks; each sees two cells further to each side")
    n_embedding: int = Field(16, ge=4, le=1024, description="width of the conditioning network")

    @property
    def stride(self) -> int:
        """What must divide the sides of a cube."""
        return 1

    @property
    def margin(self) -> int:
        """Cells around a cell, to each side, that decide what is in it."""
        return REACH * self.n_blocks


class HaloPainting(Method):
    """What models that count halos have in common."""

    pools: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(
        (1, 2, 4, 8), min_length=1, description="sides [cell] of the cubes whose counts a validation scores"
    )
    n_draws: int = Field(4, ge=2, le=64, description="draws a cube that a validation scores")


class CountLikelihood(HaloPainting):
    """Halos drawn cell by cell from a distribution whose parameters the network gives."""

    kind: Literal["counts"] = "counts"
    likelihood: Literal["negative_binomial", "poisson", "occupation"] = Field(
        "negative_binomial",
        description="poisson: as negative_binomial with no dispersion beyond the mean; occupation: one halo of one bin "
        "or none, and a negative binomial number of further ones, which may scatter less than Poisson",
    )
    rounds: int = Field(
        1,
        ge=1,
        le=64,
        description="passes of the network over a box: cells are counted in a random order, and those of a later pass "
        "are shown the counts of the earlier ones; 1: all apart",
    )


class Wgan(HaloPainting):
    """A generator that is shown noise, against a critic with a gradient penalty (Gulrajani et al. 2017)."""

    kind: Literal["wgan"] = "wgan"
    n_noise: int = Field(2, ge=1, le=64, description="channels of white noise beside the density")
    n_critic: int = Field(5, ge=1, le=100, description="steps of the critic for one of the generator")
    penalty: float = Field(10.0, ge=0, description="weight of the squared distance of its slope from 1")
    drift: float = Field(0.0, ge=0, description="weight of the squared value that the critic gives to true halos")
    anchor: float = Field(
        0.0, ge=0, description="weight of Poisson's likelihood of a cell beside what the critic says; 0: WGAN-GP alone"
    )
    critic_width: int = Field(16, ge=2, le=512, description="channels of the critic's finest level; each doubles them")
    critic_levels: int = Field(2, ge=1, le=6, description="levels of the critic; each halves the sides of a cube")

    @property
    def least_patch(self) -> int:
        """Cells along a side that leave the critic one at its coarsest level."""
        side = 1
        for _ in range(self.critic_levels):
            side = 2 * side + 3
        return side
