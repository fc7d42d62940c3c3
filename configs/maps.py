"""Which maps are learned from or judged on, by `kind`. A plain path is a folder of pair shards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from configs.frozen import Frozen, Location
from configs.schema import refuse_bad_split

ONE_UNIVERSE = ("1P", "EX", "BE")
"""Sets of CAMELS whose simulations all start from the same white noise."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
Shares = tuple[float, float, float]


class PairShards(Frozen):
    """Folders of pair shards that `produce` wrote."""

    kind: Literal["shards"] = Field("shards", description="shards: pairs that `produce` wrote")
    folder: Location = Field(description="folder with the manifest.json that `produce` wrote")
    more: tuple[Location, ...] = Field(
        (), description="further folders of the same simulations: other redshifts, other baryons"
    )

    @property
    def where(self) -> Path:
        return self.folder


class Parted(Frozen):
    """A folder that does not say which simulations are for training, validation and test."""

    folder: Location
    split: Shares = Field((0.75, 0.125, 0.125), description="train, validation, test shares of simulations")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the split")

    @model_validator(mode="after")
    def splits_a_whole(self) -> Self:
        refuse_bad_split(self.split)
        return self

    @property
    def where(self) -> Path:
        return self.folder


class Multifield(Parted):
    """Files of the CAMELS Multifield Dataset: gravity-only maps and their total matter, gas and stars."""

    kind: Literal["multifield"] = Field(description="multifield: files of the CAMELS Multifield Dataset")
    folder: Location = Field(
        description="folder of Maps_*.npy or .hdf5 and params_*.txt, or of the folders IllustrisTNG, Nbody of them"
    )
    suite: Name = Field(description="IllustrisTNG, SIMBA, Astrid, ...")
    set_name: Name = Field(description="LH, CV, SB28, ...: the simulations are {set_name}_{i}")
    redshifts: tuple[float, ...] = Field((0.0,), min_length=1, description="redshifts of the files")
    box_size: float = Field(25.0, gt=0, description="side of the box, which a map shows whole [Mpc/h]")
    depth: float = Field(5.0, gt=0, description="thickness of a map along the line of sight [Mpc/h]")
    maps_per_simulation: int = Field(15, ge=1, le=100_000, description="maps of each row of the parameter table")
    param_names: tuple[Name, ...] | None = Field(
        None, description="columns of the parameter table; None: the published ones of 6, 28 or 35 columns"
    )
    omega_b: float = Field(0.049, gt=0, lt=0.3, description="baryon density, where the table has none")
    h: float = Field(0.6711, gt=0.3, lt=1.5, description="H0 / (100 km/s/Mpc), where the table has none")

    @model_validator(mode="after")
    def one_universe_is_in_one_split(self) -> Self:
        if self.set_name in ONE_UNIVERSE and max(self.split) < 1:
            raise ValueError(f"split: one share of 1 for {self.set_name}, all of one universe, got {self.split}")
        if len(set(self.redshifts)) < len(self.redshifts) or min(self.redshifts) < 0:
            raise ValueError(f"redshifts: each once and none below 0, got {self.redshifts}")
        return self


class HaloCutouts(Frozen):
    """A set of halo cutouts that `produce` wrote."""

    kind: Literal["halos"] = Field(description="halos: cutouts that `produce` wrote")
    folder: Location = Field(description="folder with the manifest.json of a set of maps of halos")
    targets: Literal["total", "components"] = Field(
        "total", description="total, gas, stars; or dark matter, gas, stars, as the set has them"
    )
    param_names: tuple[Name, ...] | None = Field(None, description="names of its parameters, where they are other ones")
    constants: dict[Name, float] = Field(default_factory=dict, description="parameters that all samples share")

    @property
    def where(self) -> Path:
        return self.folder


class VdmBind(Parted):
    """A folder of the .npz files of VDM-BIND; sub-folders train, validation (or val) and test are its split."""

    kind: Literal["vdm_bind"] = Field(description="vdm_bind: .npz files of VDM-BIND")
    folder: Location = Field(description="folder of sim_{i}_halo_{j}_rot_{k}.npz, in folders of any depth")
    scales: tuple[float, ...] = Field(
        (6.25, 12.5, 25.0, 50.0), min_length=1, max_length=8, description="sides of the windows, rising [Mpc/h]"
    )
    depth: float = Field(50.0, gt=0, description="of the line of sight: the side of the box [Mpc/h]")
    targets: Literal["total", "components"] = Field(
        "total", description="total, gas, stars; or dark matter, gas, stars, as the files have them"
    )
    param_names: tuple[Name, ...] | None = Field(None, description="names of the parameters; None: p0, p1, ...")
    constants: dict[Name, float] = Field(default_factory=dict, description="parameters that all samples share")

    @model_validator(mode="after")
    def windows_rise(self) -> Self:
        if list(self.scales) != sorted(set(self.scales)) or self.scales[0] <= 0:
            raise ValueError(f"scales: rising from above 0, got {self.scales}")
        return self


class Fields(Parted):
    """Density of our own boxes, to be generated from nothing but parameters."""

    kind: Literal["fields"] = Field(description="fields: density of boxes that `simulate` wrote, as what is generated")
    folder: Location = Field(
        description="folder that `simulate` wrote, with map_pixels for maps, with snapshots for cubes; or the pair "
        "shards that `produce` wrote, for their dark matter"
    )
    n_pixels: int = Field(ge=4, le=4096, description="pixels along a side; those of finer maps are averaged")
    n_dims: Literal[2, 3] = Field(2, description="2: maps along the three axes; 3: cubes of the particles")
    redshift: float = Field(0.0, ge=0, description="which output of the simulations")
    param_names: tuple[Name, ...] = Field(
        ("omega_m", "sigma8"), description="cosmological parameters that a field is conditioned on"
    )

    @model_validator(mode="after")
    def parameters_differ(self) -> Self:
        if len(set(self.param_names)) < len(self.param_names):
            raise ValueError(f"param_names: each once, got {', '.join(self.param_names)}")
        return self


class Patched(Frozen):
    """Cubes of halo counts, whole or in patches that are shown with their surroundings."""

    patch: int | None = Field(None, ge=1, le=2048, description="cells along a side of a patch; None: whole boxes")
    spacing: int | None = Field(None, ge=1, le=2048, description="cells from one patch to the next; None: `patch`")
    margin: int = Field(4, ge=0, le=256, description="cells around a patch, to each side, whose density is shown too")


class CountShards(Patched):
    """Folders of halo counts that `produce` wrote."""

    kind: Literal["counts"] = Field(description="counts: halos in cells that `produce` wrote")
    folder: Location = Field(description="folder with the manifest.json of a set of halo counts")
    more: tuple[Location, ...] = Field((), description="further folders of the same simulations: other redshifts")

    @property
    def where(self) -> Path:
        return self.folder


class CountGrids(Parted, Patched):
    """Particles and halos that others have counted on a grid: {name}_particle_counts.npy, {name}_halo_counts.npy."""

    kind: Literal["count_grids"] = Field(description="count_grids: {name}_particle_counts.npy, {name}_halo_counts.npy")
    folder: Location = Field(description="folder of the files: (N, N, N), or (bins, N, N, N) of halos")
    box_size: float = Field(gt=0, description="side of the box [Mpc/h]")
    omega_m: float = Field(gt=0.05, lt=1.0, description="matter density of all its simulations")
    sigma8: float = Field(gt=0.1, lt=2.0, description="sigma8 of all its simulations")
    redshift: float = Field(0.0, ge=0, description="redshift of the grids")
    channels: tuple[Name, ...] = Field(("halos",), min_length=1, description="names of the bins of halos")


class LensSystems(Frozen):
    """Simulated strong lenses, made while they are learned from: image, noise and kernel; source; lens."""

    kind: Literal["lenses"] = Field(description="lenses: families of configs/lenses")
    families: tuple[Location, ...] = Field(min_length=1, max_length=32, description="their files; as many of each")
    seed: int = Field(0, ge=0, lt=2**31, description="which systems")
    n_train: int = Field(2**20, ge=1, le=2**28, description="systems of a family to train on")
    n_validation: int = Field(64, ge=1, le=2**20, description="systems of a family to validate on")
    n_test: int = Field(256, ge=1, le=2**20, description="systems of a family to judge on")
    n_pixels: int = Field(64, ge=8, le=512, description="pixels along a side of an image")
    n_source_pixels: int = Field(48, ge=8, le=512, description="pixels along a side of a source")
    field: float = Field(0.5, gt=0, le=1, description="side of the source's field over that of the image")
    supersampling: int = Field(2, ge=1, le=8, description="rays along a pixel of an image that is simulated")
    light_error: float = Field(0.02, ge=0, le=1, description="standard error of the lens's light that is taken off")
    noise_error: float = Field(0.05, ge=0, le=1, description="standard error of the noise map, over it")
    masked: float = Field(0.0, ge=0, le=1, description="share of the systems some of whose pixels are masked")

    @property
    def where(self) -> Path:
        return self.families[0]


def kind_of(value: Any) -> Any:
    """Which kind a mapping is told to be; folders of pair shards where it does not say."""
    return value.get("kind", "shards") if isinstance(value, Mapping) else getattr(value, "kind", None)


def shards_of_a_path(value: Any) -> Any:
    """A plain path as the configuration of a folder of pair shards."""
    return PairShards(folder=value) if isinstance(value, Path) else value


# The path comes last, so that what is wrong in a mapping is said of its kind. Not a validator that runs before: after
# one pydantic holds the rest to the strict rules for Python values, by which a list is no tuple.
if TYPE_CHECKING:  # what a field holds, whatever was written
    MapData = PairShards | Multifield | HaloCutouts | VdmBind | Fields | CountShards | CountGrids | LensSystems
else:
    Told = Annotated[
        Annotated[PairShards, Tag("shards")]
        | Annotated[Multifield, Tag("multifield")]
        | Annotated[HaloCutouts, Tag("halos")]
        | Annotated[VdmBind, Tag("vdm_bind")]
        | Annotated[Fields, Tag("fields")]
        | Annotated[CountShards, Tag("counts")]
        | Annotated[CountGrids, Tag("count_grids")]
        | Annotated[LensSystems, Tag("lenses")],
        Discriminator(kind_of),
    ]
    MapData = Annotated[Told | Location, AfterValidator(shards_of_a_path)]
