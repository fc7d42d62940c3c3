"""What a person may ask when a model of halos is judged on halos that it never saw."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from configs.bind import PastedBoxes
from configs.diffusion import Sampling
from configs.frozen import Frozen, Location
from configs.maps import HaloCutouts


class EvaluateHalos(Frozen):
    """Judgement of a model that gives halos baryons, on held-out simulations."""

    kind: Literal["halos"] = Field(description="halos: a model of the surroundings of halos")
    checkpoint: Location = Field(description="folder with weights.safetensors and meta.json")
    device: str = Field("cpu", description="cpu, or a device of torch such as cuda")
    sampler: Sampling | None = Field(None, description="other steps, guidance or sampler than those of the training")
    data: HaloCutouts = Field(description="the set of halo cutouts; targets: components")
    out: Location = Field(description="folder of halos.html, metrics.json and the figures")
    split: Literal["train", "validation", "test"] = Field("test", description="which simulations")
    n_draws: int = Field(16, ge=4, le=1024, description="draws of every halo")
    max_samples: int | None = Field(
        None, ge=1, description="samples of each simulation that are judged, spread over its halos; None: all"
    )
    n_radii: int = Field(12, ge=4, le=64, description="bins of the logarithm of radius over R200c, .1 to 4")
    n_masses: int = Field(4, ge=1, le=64, description="bins of halo mass of the mean profile, which is the baseline")
    boxes: PastedBoxes | None = Field(
        None, description="whole boxes of the split with their halos pasted in, whose P(k) is judged; None: none"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the draws")

    @model_validator(mode="after")
    def judges_components(self) -> Self:
        if self.data.targets != "components":
            raise ValueError(f"data.targets: components, got {self.data.targets}")
        return self
