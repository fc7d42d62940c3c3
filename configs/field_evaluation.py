"""What a person may ask of a judgement of generated fields."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from configs.diffusion import Sampling
from configs.frozen import Frozen, Location
from configs.maps import MapData

Kinds = Literal["ddpm", "ddim", "dpmpp_2m", "heun"]


class EvaluateFields(Frozen):
    """Judgement of a generator of fields: its samples beside simulations that it never saw, at their parameters."""

    kind: Literal["fields"] = Field(description="fields: a model that generates them")
    checkpoint: Location = Field(description="folder with weights.safetensors and meta.json")
    device: str = Field("cpu", description="cpu, or a device of torch such as cuda")
    data: MapData = Field(description="the fields, without inputs")
    out: Location = Field(description="folder of fields.html, metrics.json and the figures")
    split: Literal["train", "validation", "test"] = Field("test", description="which simulations")
    n_draws: int = Field(2, ge=1, le=1024, description="samples with the parameters of each field")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the samples and of the baselines")
    sampler: Sampling | None = Field(None, description="other steps, guidance or sampler than those of the training")
    n_bins: int = Field(16, ge=4, le=256, description="bins in log k")
    smoothing: float = Field(
        1.0, gt=0, le=10, description="radius of the Gaussian under which peaks and contours are taken [Mpc/h]"
    )
    n_neighbours: int = Field(
        64, ge=1, description="samples, and held-out fields, whose nearest neighbours in the training set are found"
    )
    samplers: tuple[Kinds, ...] = Field(
        ("ddim", "heun", "dpmpp_2m"), description="samplers whose error against the number of evaluations is measured"
    )
    evaluations: tuple[Annotated[int, Field(ge=3, le=10_000)], ...] = Field(
        (5, 9, 15, 25, 51), description="numbers of network evaluations, odd: heun needs two a step but one in the last"
    )
    n_traded: int = Field(32, ge=1, le=4096, description="samples at each of these numbers")
