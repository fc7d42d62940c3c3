"""What a person may ask when models that count halos are judged."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from configs.frozen import Frozen, Location
from configs.maps import MapData, Patched

PAINTER, LOCAL_BIAS, MEAN_RATE, TRUTH = "painter", "local bias", "mean rate", "truth"
METHODS = (PAINTER, LOCAL_BIAS, MEAN_RATE, TRUTH)
"""What is judged always has these names."""
HELD_OUT = "held out"


class OtherBoxes(Frozen):
    """Boxes beside the held-out ones: of another volume, of another cosmology, of somebody else."""

    name: str = Field(min_length=1, max_length=60, description="what they are called on the page")
    data: MapData = Field(description="halo counts, whole boxes")
    splits: tuple[Literal["train", "validation", "test"], ...] = Field(
        ("test",), min_length=1, description="which of its simulations"
    )


class EvaluateCounts(Frozen):
    """Judgement of a model that counts halos on simulations it never saw."""

    kind: Literal["counts"] = Field(description="counts: a model that counts halos in cells")
    checkpoint: Location = Field(description="folder with weights.safetensors and meta.json")
    beside: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_ -]{1,40}$")], Location] = Field(
        default_factory=dict, description="other checkpoints on the same bins and cells, by name: judged beside it"
    )
    data: MapData = Field(description="halo counts, whole boxes: baselines are fitted on the training split")
    split: Literal["train", "validation", "test"] = Field("test", description="which simulations of `data`")
    others: tuple[OtherBoxes, ...] = Field((), description="further boxes that the same models are judged on")
    out: Location = Field(description="folder of evaluation.html, metrics.json and the figures")
    n_bins: int = Field(12, ge=4, le=128, description="bins in log k")
    k_min: float = Field(
        0.0, ge=0, le=100, description="wave number from which scores are taken [h/Mpc]: few modes say little"
    )
    k_max: float = Field(1.0, gt=0, le=100, description="wave number up to which scores are taken [h/Mpc]")
    n_draws: int = Field(4, ge=1, le=256, description="draws a box, whose statistics are averaged")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the draws")

    @model_validator(mode="after")
    def boxes_are_whole(self) -> Self:
        for name, data in (("data", self.data), *((f"others.{one.name}", one.data) for one in self.others)):
            if not isinstance(data, Patched):
                raise ValueError(f"{name}: kind counts or count_grids, got another")
            if data.patch is not None:
                raise ValueError(f"{name}.patch: none, since whole boxes are judged, got {data.patch}")
        return self

    @model_validator(mode="after")
    def wave_numbers_rise(self) -> Self:
        if not self.k_min < self.k_max:
            raise ValueError(f"k_min: below k_max={self.k_max:g}, got {self.k_min:g}")
        return self

    @model_validator(mode="after")
    def names_differ(self) -> Self:
        names = [HELD_OUT, *(one.name for one in self.others)]
        if len(set(names)) < len(names):
            raise ValueError(f"others: each name once and none called {HELD_OUT}, got {', '.join(names[1:])}")
        taken = sorted(set(self.beside) & set(METHODS))
        if taken:
            raise ValueError(f"beside: names other than {', '.join(METHODS)}, got {taken[0]}")
        return self
