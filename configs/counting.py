"""What a person may ask for when the halos of boxes are counted in cells. Base units: comoving Mpc/h, Msun/h."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from configs.frozen import Frozen, Location
from configs.schema import refuse_bad_split

MAX_CELLS = 2048
"""Along a side."""


class FoundHalos(Frozen):
    """The boxes that `simulate` wrote; their halos are found."""

    kind: Literal["own"] = Field(description="own: boxes that `simulate` wrote")
    simulations: Location = Field(description="folder that `simulate` wrote")
    redshift: float = Field(0.0, ge=0, description="which output of the simulations")
    linking_length: float = Field(0.2, gt=0, le=1, description="friends-of-friends, in mean particle separations")
    min_particles: int = Field(50, ge=20, description="smallest group that is a halo")
    center: Literal["densest", "most_bound"] = Field("densest", description="which member is the centre of a halo")
    repair: bool = Field(True, description="give halos the masses that they had without the softening of the mesh")
    density: Literal["particles", "repaired", "lpt"] = Field(
        "particles",
        description="what is shown: the particles as they are, as they would be without the softening of the mesh, or "
        "by second-order Lagrangian theory from the same white noise",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the scatter of concentrations that repair draws")

    @model_validator(mode="after")
    def repairs_what_is_repaired(self) -> Self:
        if self.density == "repaired" and not self.repair:
            raise ValueError("repair: true with density=repaired, got false")
        return self


class CataloguedBox(Frozen):
    """A snapshot of anybody's and the catalogue of its halos."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]*[A-Za-z0-9_-]$")] = Field(description="of the simulation")
    snapshot: Location = Field(description="dark matter: Gadget or AREPO HDF5, Gadget binary, or an Abacus .npz")
    catalog: Location = Field(description="its halos: CompaSO, Rockstar, SubFind or CSV; may be the same .npz")
    sigma8: float = Field(gt=0.1, lt=2.0, description="of its cosmology: no snapshot says it")


class CataloguedHalos(Frozen):
    """Boxes of anybody's, with catalogues of their halos."""

    kind: Literal["catalogs"] = Field(description="catalogs: snapshots with catalogues")
    boxes: tuple[CataloguedBox, ...] = Field(min_length=1, description="the simulations")

    @model_validator(mode="after")
    def names_differ(self) -> Self:
        names = [box.name for box in self.boxes]
        if len(set(names)) < len(names):
            raise ValueError(f"boxes: each name once, got {', '.join(names)}")
        return self


class Counts(Frozen):
    """The density of boxes on a grid, and how many halos of each mass are in each cell."""

    product: Literal["counts"] = Field(description="counts: density and halos in cells, one cube a simulation")
    source: Annotated[FoundHalos | CataloguedHalos, Field(discriminator="kind")] = Field(
        description="where boxes and halos come from"
    )
    out: Location = Field(description="folder of the shards and of manifest.json")
    cell_size: float = Field(gt=0, description="side of a cell [Mpc/h], of which a whole number fills the box")
    log10_mass_edges: tuple[float, ...] = Field(
        min_length=2, max_length=33, description="rising log10 of M200c [Msun/h] between which halos are counted"
    )
    split: tuple[float, float, float] = Field(
        (0.75, 0.125, 0.125), description="train, validation, test shares of simulations"
    )
    split_seed: int = Field(0, ge=0, lt=2**31, description="seed of the split: sets with one are parted alike")
    n_retries: int = Field(2, ge=0, le=10, description="how often a failed simulation is tried again")

    @model_validator(mode="after")
    def is_consistent(self) -> Self:
        refuse_bad_split(self.split)
        edges = self.log10_mass_edges
        if list(edges) != sorted(set(edges)) or edges[0] < 8 or edges[-1] > 17:
            raise ValueError(f"log10_mass_edges: rising from 8 to 17, got {list(edges)}")
        return self

    @property
    def input_channel(self) -> str:
        """What the density is called: `density` unless it is not that of the particles."""
        kind = self.source.density if isinstance(self.source, FoundHalos) else "particles"
        return "density" if kind == "particles" else f"density_{kind}"

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the bins in mass."""
        return tuple(f"halos_{low:g}_{high:g}" for low, high in pairwise(self.log10_mass_edges))
