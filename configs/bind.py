"""What a person may ask for when the halos of a box are given baryons and pasted back into it. Units: Mpc/h, Msun/h."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from configs.cutouts import Camels, OwnBoxes
from configs.diffusion import Sampling
from configs.frozen import Frozen, Location
from configs.maps import HaloCutouts, Name


class OwnBox(OwnBoxes):
    """One of the boxes that `simulate` wrote; its hydrodynamic side, which is the truth, is made from it."""

    simulation: Name = Field(description="which of `simulations`: the name of its folder")


class CamelsBox(Camels):
    """One pair of CAMELS, whose hydrodynamic side is the truth."""

    simulation: Name = Field(description="which of the pairs, such as SB35_7")


class SnapshotBox(Frozen):
    """Any snapshot: Gadget, AREPO or CAMELS HDF5, Gadget binary, an Abacus .npz."""

    kind: Literal["file"] = Field(description="file: any snapshot, a file or a folder of them")
    path: Location = Field(description="the dark-matter-only snapshot")
    hydro: Location | None = Field(None, description="the same box with baryons, if there is a truth to compare with")
    keep_wind: bool = Field(False, description="count wind particles of `hydro` as stars")
    linking_length: float = Field(0.2, gt=0, le=1, description="friends-of-friends, where there is no catalogue")
    min_particles: int = Field(50, ge=20, description="smallest group, where there is no catalogue")


class Trained(Frozen):
    """A checkpoint that answers to the dark matter of a halo with its dark matter, gas and stars."""

    kind: Literal["checkpoint"] = Field(description="checkpoint: a trained model")
    folder: Location = Field(description="folder with weights.safetensors and meta.json")
    device: str = Field("cpu", description="cpu, or a device of torch such as cuda")
    sampling: Sampling | None = Field(None, description="how samples are drawn; None: as the model was trained for")


class Profile(Frozen):
    """The mean of a training set by mass and radius, as share of the dark matter: a baseline."""

    kind: Literal["mean_profile"] = Field(description="mean_profile: what a training set has in the mean")
    data: HaloCutouts = Field(description="the set, whose training split it is the mean of")
    n_masses: int = Field(4, ge=1, le=64, description="bins of halo mass, of equally many halos")
    n_radii: int = Field(24, ge=2, le=256, description="bins of the logarithm of radius over R200c, .03 to 6")


class Pasting(Frozen):
    """Which halos of a box are given baryons, how often, and how they are pasted back into its maps."""

    min_mass: float = Field(1e13, gt=0, description="smallest M200c of a halo [Msun/h]")
    n_realizations: int = Field(10, ge=1, le=1000, description="samples of every halo")
    axes: tuple[Literal[0, 1, 2], ...] = Field((0, 1, 2), min_length=1, description="lines of sight")
    n_slabs: int = Field(1, ge=1, le=64, description="maps along each line of sight, each box_size / n_slabs deep")
    inner: float = Field(2.0, ge=0, description="within this many R200c a halo replaces the map")
    outer: float = Field(4.0, gt=0, description="beyond this many R200c it leaves the map alone; a cosine between")
    conserve: Literal["none", "halo", "box"] = Field(
        "box", description="halo: each has the mass it replaces; box: what halos lose is spread over the rest"
    )
    rest: Literal["shares", "dark_matter"] = Field(
        "shares", description="between halos: cosmic shares of dark matter and gas, or all dark matter"
    )
    align: bool = Field(
        True, description="cut around the pixel corner nearest to a halo; else around it, and interpolate to paste"
    )
    batch: int = Field(4, ge=1, le=1024, description="halos in one task: what is sampled and kept whole")
    n_bins: int = Field(24, ge=4, le=256, description="bins in log k")
    npy: bool = Field(True, description="write the pasted maps as .npy as well")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the samples")
    n_retries: int = Field(2, ge=0, le=10, description="how often a failed task is tried again")

    @model_validator(mode="after")
    def tapers(self) -> Self:
        if self.inner >= self.outer:
            raise ValueError(f"outer: above inner={self.inner}, got {self.outer}")
        if len(set(self.axes)) < len(self.axes):
            raise ValueError(f"axes: each once, got {self.axes}")
        return self


class Bind(Pasting):
    """Baryons for the halos of a whole box."""

    source: Annotated[OwnBox | CamelsBox | SnapshotBox, Field(discriminator="kind")] = Field(
        description="the box, and its truth where there is one"
    )
    catalog: Location | None = Field(
        None, description="SubFind HDF5, a Rockstar list, .csv or CompaSO; None: the halos of the source, or our finder"
    )
    sampler: Annotated[Trained | Profile, Field(discriminator="kind")] = Field(description="what gives the baryons")
    parameters: dict[str, float] = Field(
        default_factory=dict, description="what the box does not say of itself, or is to be taken for, by name"
    )
    out: Location = Field(description="folder of maps, halos.csv, spectra.csv, summary.json and the figures")


class PastedBoxes(Pasting):
    """Whole boxes of a set of halos, whose maps with the halos of a model pasted in are judged."""

    source: Annotated[OwnBoxes | Camels, Field(discriminator="kind")] = Field(
        description="where the simulations of the set came from"
    )
    n_boxes: int | None = Field(None, ge=1, description="how many simulations of the split; None: all")
    n_realizations: int = Field(1, ge=1, le=1000, description="samples of every halo")
    axes: tuple[Literal[0, 1, 2], ...] = Field((0,), min_length=1, description="lines of sight")
    npy: bool = Field(False, description="write the pasted maps as .npy as well")

    def of(self, simulation: str, sampler: Trained | Profile, out: Path) -> Bind:
        """One of the boxes, bound by a sampler in the folder `out`."""
        kind = OwnBox if isinstance(self.source, OwnBoxes) else CamelsBox
        content = {name: getattr(self.source, name) for name in type(self.source).model_fields}
        told = {name: getattr(self, name) for name in Pasting.model_fields}
        return Bind(source=kind(**content, simulation=simulation), sampler=sampler, out=out, **told)
