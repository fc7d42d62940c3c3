"""What a person may ask for when halos are cut out of paired simulations. Base units: comoving Mpc/h, Msun/h."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from configs.frozen import Frozen, Location
from configs.schema import Painted, refuse_bad_split


class OwnBoxes(Painted):
    """The boxes that `simulate` wrote; their hydrodynamic side is made from them."""

    kind: Literal["own"] = Field(description="own: boxes that `simulate` wrote")


class Camels(Frozen):
    """Pairs of CAMELS: each simulation is a folder of the same name under each of the roots."""

    kind: Literal["camels"] = Field(description="camels: pairs of the CAMELS project")
    dmo: Location = Field(description="root of the dark-matter-only snapshots")
    hydro: Location = Field(description="root of the hydrodynamic snapshots")
    catalogs: Location = Field(description="root of the FOF/SubFind catalogues of the dark-matter-only simulations")
    hydro_catalogs: Location | None = Field(None, description="those of the hydrodynamic ones, for centers: matched")
    parameters: Location = Field(description="table of the parameters: CosmoAstroSeed_*.txt or CSV")
    set_name: str = Field("SB35", description="CAMELS set: the simulations are {set_name}_{i}")
    snapshot: int = Field(90, ge=0, le=999, description="number of the snapshot; 90 is z=0")
    keep_wind: bool = Field(False, description="count wind particles as stars")


class Cutouts(Frozen):
    """The surroundings of every massive halo on both sides of paired simulations."""

    product: Literal["cutouts"] = Field(description="cutouts: halos, one sample a halo and rotation")
    source: Annotated[OwnBoxes | Camels, Field(discriminator="kind")] = Field(description="where the pairs come from")
    out: Location = Field(description="folder of the shards and of manifest.json")
    exclude: tuple[str, ...] = Field((), description="simulations to leave out, such as one whose snapshot is broken")
    min_mass: float = Field(1e13, gt=0, description="smallest M200c of a halo [Msun/h]")
    full_mass: float | None = Field(
        None,
        gt=0,
        description="every halo of this M200c is in the set, of lighter ones a share M200c / full_mass, so that no "
        "decade outnumbers the others [Msun/h]; None: all halos are",
    )
    n_rotations: int = Field(10, ge=1, le=10_000, description="rotations of each halo, uniform on SO(3)")
    orientation: Literal["random", "none", "axes"] = Field(
        "random", description="random: n_rotations a halo; none: one as it is; axes: three, along the axes of the box"
    )
    scales: tuple[float, ...] = Field(
        (6.25, 12.5, 25.0, 50.0), min_length=1, max_length=8, description="sides of the windows [Mpc/h], rising"
    )
    n_target_scales: int = Field(1, ge=1, le=8, description="how many of them the hydrodynamic side is shown in")
    n_pixels: int = Field(128, ge=4, le=4096, description="pixels along one side of each window")
    depth: float | None = Field(None, gt=0, description="of the line of sight [Mpc/h]; None: the whole box")
    n_dims: Literal[2, 3] = Field(2, description="2: maps; 3: cubes")
    centers: Literal["dmo", "matched"] = Field(
        "dmo", description="matched: the target around the halo of the other side that is this one's and no other's"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the rotations and of the split")
    split: tuple[float, float, float] = Field(
        (0.75, 0.125, 0.125), description="train, validation, test shares of simulations"
    )
    samples_per_shard: int = Field(256, ge=1, le=65536, description="samples in one file: what is made and kept whole")
    n_retries: int = Field(2, ge=0, le=10, description="how often a failed simulation is tried again")

    @model_validator(mode="after")
    def is_consistent(self) -> Self:
        refuse_bad_split(self.split)
        if self.n_target_scales > len(self.scales):
            raise ValueError(f"n_target_scales: at most {len(self.scales)}, got {self.n_target_scales}")
        if self.full_mass is not None and self.full_mass <= self.min_mass:
            raise ValueError(f"full_mass: above min_mass={self.min_mass:g}, got {self.full_mass:g}")
        if self.centers == "matched" and isinstance(self.source, Camels) and self.source.hydro_catalogs is None:
            raise ValueError("source.hydro_catalogs: a root, which centers=matched needs, got none")
        return self

    @property
    def n_orientations(self) -> int:
        """Samples a halo."""
        return {"random": self.n_rotations, "none": 1, "axes": 3}[self.orientation]
